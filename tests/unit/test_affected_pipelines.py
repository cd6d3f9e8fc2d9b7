"""Which notebooks a change of `dvc.yaml`, `dvc.lock` or a pointer of DVC affects: stage by stage. In doubt, all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from unit.planned import commit, git, notebook, planned, write

STAGES: dict[str, dict[str, Any]] = {
    "clean": {"cmd": "python steps/clean.py", "deps": ["raw/dirty.csv"], "outs": ["data/clean.csv"]},
    "features": {"cmd": "python steps/features.py", "deps": ["data"], "outs": [{"data/features": {"cache": True}}]},
    "train": {
        "cmd": "python steps/train.py",
        "deps": ["data/features/x.csv"],
        "outs": ["models/model.pkl"],
        "metrics": ["scores.json"],
        "meta": {"seed": 1},
    },
    "other": {"cmd": "python steps/other.py", "wdir": "other", "outs": ["./the other.csv"]},
    "execute": {"cmd": "jupyter execute run.ipynb", "deps": ["inside"]},
    "all": {"cmd": "jupyter execute many/*.ipynb", "outs": [{"many.html": {"cache": False}}]},
    "unused": {"cmd": "python steps/unused.py", "deps": ["raw/unused.csv"], "outs": ["unused.csv"]},
}
LOCKED = {name: {"cmd": body["cmd"], "outs": [{"path": "x", "md5": "0", "size": 1}]} for name, body in STAGES.items()}
NOTEBOOKS = {
    "clean": "open('data/clean.csv')",
    "folder": "open(f'data/{name}')",
    "features": "open('data/features/y.csv')",
    "model": "import load",
    "scores": "open('scores.json')",
    "other": "open('other/the other.csv')",
    "run": "1",
    "inside/one": "1",
    "many/one": "1",
    "report": "open('many.html')",
    "linked": "open('link.csv')",
    "finds": "import glob\nglob.glob('*.bin')",
    "repro": "!dvc repro train",
    "api": "import dvc.api",
    "alone": "1",
}
FILES = {
    **{f"{name}.ipynb": notebook(code) for name, code in NOTEBOOKS.items()},
    "load.py": "open('models/model.pkl')\n",
    "sub/dvc.yaml": json.dumps({"stages": {"later": {"deps": ["../models"], "outs": ["later.csv"]}}}),
    "later.ipynb": notebook("open('sub/later.csv')"),
    "pointed.ipynb": notebook("open('pointed.csv')"),
    "pointer.dvc": "outs:\n- path: pointed.csv\n",
    "another/notebook-ci.toml": "",
    "another/dvc.yaml": json.dumps({"stages": {"x": {"cmd": "x", "outs": ["theirs.csv"]}}}),
    "theirs.ipynb": notebook("open('another/theirs.csv')"),
}
ALL = {name.removesuffix(".ipynb") for name in FILES if name.endswith(".ipynb")}
# Any stage may be theirs.
ANY = {"finds", "repro", "api"}
AFTER_TRAIN = {"model", "scores", "later"}
AFTER_CLEAN = AFTER_TRAIN | {"clean", "folder", "features", "linked"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    write(folder, {**FILES, "dvc.yaml": json.dumps({"stages": STAGES}), "dvc.lock": json.dumps({"stages": LOCKED})})
    (folder / "link.csv").symlink_to("data/clean.csv")
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def affected(folder: Path) -> set[str]:
    return {path.removesuffix(".ipynb") for path in planned(folder, "--base", "HEAD").reasons}


def pipeline(changes: Mapping[str, Mapping[str, object] | None], stages: Mapping[str, Any] = STAGES) -> str:
    """Return the stages with other settings; None: without the stage."""
    new = {
        **stages,
        **{name: None if each is None else {**stages.get(name, {}), **each} for name, each in changes.items()},
    }
    return json.dumps({"stages": {name: each for name, each in new.items() if each is not None}})


CASES: dict[str, tuple[dict[str, Mapping[str, object] | None], set[str]]] = {
    "a command": ({"clean": {"cmd": "python new.py"}}, AFTER_CLEAN),
    "a stage that depends on a folder": ({"features": {"cmd": "new"}}, AFTER_TRAIN | {"features", "folder"}),
    "a stage that depends on a file in a folder": ({"train": {"params": ["seed"]}}, AFTER_TRAIN),
    "a name with a space, in another folder": ({"other": {"cmd": "new"}}, {"other"}),
    "a stage that names a notebook, and depends on another": (
        {"execute": {"cmd": "x run.ipynb"}},
        {"run", "inside/one"},
    ),
    "a stage that executes notebooks by a pattern": ({"all": {"desc": "new"}}, ALL),
    "a stage without outputs that named a notebook": ({"execute": None}, {"run", "inside/one"}),
    "a stage that is gone": ({"other": None}, {"other"}),
    "an output that is gone": ({"clean": {"outs": ["raw/new.csv"]}}, AFTER_CLEAN),
    "an output in another folder": ({"other": {"wdir": "models"}}, {"other", "later"}),
    "a new output of a stage that another one depends on": (
        {"other": {"outs": ["../data/new.csv"]}},
        AFTER_CLEAN - {"clean", "linked"} | {"other"},
    ),
    "a number that became true": ({"train": {"meta": {"seed": True}}}, AFTER_TRAIN),
    "two stages": ({"other": {"cmd": "new"}, "train": {"cmd": "new"}}, AFTER_TRAIN | {"other"}),
    "a new stage whose output a notebook names": ({"new": {"cmd": "x", "outs": ["pointed.csv"]}}, {"pointed"}),
    "a stage that nobody names": ({"unused": {"cmd": "new"}}, ALL),
    "such a stage, and another": ({"unused": {"cmd": "new"}, "other": {"cmd": "new"}}, ALL),
    "a new stage that nobody names": ({"new": {"cmd": "x", "outs": ["new.csv"]}}, ALL),
    "a stage that nobody named is gone": ({"unused": None}, ALL),
    "a template": ({"other": {"cmd": "python ${script}"}}, ALL),
    "a loop": ({"other": {"foreach": ["a"], "do": {"cmd": "x ${item}", "outs": ["x.csv"]}}}, ALL),
    "no stage": ({"other": {"outs": 5}}, {"other"}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_changed_stage_affects(repository: Path, case: str) -> None:
    changes, expected = CASES[case]
    write(repository, {"dvc.yaml": pipeline(changes)})
    assert affected(repository) == expected | ANY


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"other": {"outs": [{"path": "x", "md5": "1", "size": 1}]}}, {"other"}),
        ({"clean": None}, AFTER_CLEAN),
        ({"train": {"params": {"params.yaml": {"seed": 1.0}}}}, AFTER_TRAIN),
        ({"unused": {"cmd": "new"}}, ALL),
        ({"other@1": {"cmd": "new"}}, ALL),
    ],
)
def test_a_changed_lock_affects(
    repository: Path, changes: Mapping[str, Mapping[str, object] | None], expected: set[str]
) -> None:
    write(repository, {"dvc.lock": pipeline(changes, LOCKED)})
    assert affected(repository) == expected | ANY


TEXT = json.dumps({"stages": STAGES}, indent=1)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"dvc.yaml": f"# The pipeline\n{TEXT}\n"}, ANY),
        ({"dvc.yaml": json.dumps({"stages": dict(reversed(STAGES.items()))})}, ANY),
        ({"dvc.yaml": json.dumps({"stages": STAGES, "vars": ["new.yaml"]})}, ALL),
        ({"dvc.yaml": json.dumps({"stages": STAGES, "plots": ["new.csv"]})}, ALL),
        ({"dvc.yaml": TEXT[:-1]}, ALL),
        ({"dvc.yaml": f"<<<<<<< HEAD\n{TEXT}"}, ALL),
        ({"dvc.yaml": "- stages"}, ALL),
        ({"dvc.yaml": "stages: [clean]"}, ALL),
        ({"dvc.yaml": pipeline({"clean": {"cmd": "${x}"}}), "new/dvc.yaml": "stages: {a: {cmd: '1'}}"}, ALL),
        ({"dvc.yaml": pipeline({"other": {"cmd": "new"}}), "new/dvc.yaml": "stages: ["}, ALL),
        ({"sub/dvc.yaml": "stages: {later: {cmd: new, deps: [../models], outs: [later.csv]}}"}, {"later"} | ANY),
        ({"another/dvc.yaml": "stages: {x: {cmd: new, outs: [theirs.csv]}}"}, {"theirs", "repro", "api"}),
        ({"another/dvc.yaml": "stages: ["}, {"theirs", "repro", "api"}),
        ({"steps/clean.py": "1"}, AFTER_CLEAN | ANY),
        ({"raw/dirty.csv": "1"}, AFTER_CLEAN | ANY),
        ({"many/one.ipynb": notebook("2")}, {"many/one", "report"} | ANY),
        ({"data/features/x.py": "1"}, AFTER_TRAIN | {"folder", "features"} | ANY),
        ({"pointer.dvc": "outs:\n- path: moved.csv\n"}, {"pointed"} | ANY),
        ({"pointer.dvc": "outs: ["}, ALL),
        ({"pointer.dvc": "wdir: another\nouts:\n- path: theirs.csv\n"}, {"pointed", "theirs"} | ANY),
    ],
)
def test_a_changed_file_affects(repository: Path, files: Mapping[str, str], expected: set[str]) -> None:
    write(repository, files)
    assert affected(repository) == expected


def test_a_pipeline_that_is_gone_affects_those_that_named_its_outputs(copied: Path) -> None:
    (copied / "sub/dvc.yaml").unlink()
    assert affected(copied) == {"later"} | ANY
    (copied / "pointer.dvc").unlink()
    assert affected(copied) == {"later", "pointed"} | ANY


def test_a_pipeline_that_had_a_template_affects_all(copied: Path) -> None:
    write(copied, {"dvc.yaml": pipeline({"clean": {"cmd": "${x}"}})})
    commit(copied)
    write(copied, {"dvc.yaml": json.dumps({"stages": STAGES})})
    assert affected(copied) == ALL


def test_templates_elsewhere_make_a_changed_stage_affect_all(copied: Path) -> None:
    """They may depend on it."""
    write(copied, {"sub/dvc.yaml": "stages: {later: {cmd: new, deps: ['${x}'], outs: [later.csv]}}"})
    commit(copied)
    write(copied, {"dvc.yaml": pipeline({"other": {"cmd": "new"}})})
    assert affected(copied) == ALL


TEMPLATE = """
vars: [vars.json]
stages:
  train:
    foreach: [a, b]
    do: {cmd: "python train.py ${item} ${seed}", outs: ["model-${item}.pkl"]}
  one: {cmd: "set -e\\nrun.sh ${seed}", outs: [one.pkl]}
"""


@pytest.mark.parametrize("name", ["params.yaml", "vars.json", "train.py", "of_run.py"])
def test_what_a_template_uses_affects_those_that_use_its_outputs(tmp_path: Path, name: str) -> None:
    """Another notebook names the file: without that, all would run."""
    code = {"names": f"open('{name}')", "uses": "open('model-a.pkl')\nopen('one.pkl')", "alone": "open('x.pkl')"}
    files = {"dvc.yaml": TEMPLATE, "run.sh": "python of_run.py", "params.yaml": "", "vars.json": "", "train.py": ""}
    write(tmp_path, {**files, "of_run.py": "", **{f"{path}.ipynb": notebook(text) for path, text in code.items()}})
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    write(tmp_path, {name: "1"})
    assert {"names", "uses"} <= affected(tmp_path)


def test_a_pipeline_that_was_a_link_affects_all(copied: Path) -> None:
    (copied / "dvc.yaml").rename(copied / "real.yaml")
    (copied / "dvc.yaml").symlink_to("real.yaml")
    commit(copied)
    (copied / "dvc.yaml").unlink()
    write(copied, {"dvc.yaml": json.dumps({"stages": STAGES})})
    assert affected(copied) == ALL


def test_reasons_name_stages_and_outputs(repository: Path) -> None:
    write(repository, {"dvc.yaml": pipeline({"train": {"cmd": "new"}})})
    reasons = planned(repository, "--base", "HEAD").reasons
    assert reasons["model.ipynb"] == "uses `dvc.yaml:train`, which changed"
    assert reasons["repro.ipynb"] == "names `dvc.yaml` or its folder, and that changed"
    assert reasons["finds.ipynb"] == "finds files by itself, and `dvc.yaml` changed"
    write(repository, {"dvc.yaml": pipeline({"unused": {"cmd": "new"}})})
    reasons = planned(repository, "--base", "HEAD").reasons
    assert reasons["alone.ipynb"] == "`dvc.yaml:unused` changed, and no notebook names it: any may use it"
