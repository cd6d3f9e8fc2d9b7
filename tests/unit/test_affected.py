"""Which notebooks a change affects: every rule, in a git repository whose files differ from its commit."""

from pathlib import Path

import pytest

from unit.planned import commit, git, notebook, planned, said, write

PARAMETERS = "parameters"
FILES = {
    "notebooks/alone.ipynb": notebook("1 + 1"),
    "notebooks/prepares.ipynb": notebook("import prepare"),
    "notebooks/beside.ipynb": notebook("import helper"),
    "notebooks/helper.py": "x = 1\n",
    "notebooks/package.ipynb": notebook("import sys\nsys.path.append('../src')", "from mine import load"),
    "notebooks/installed.ipynb": notebook("import mine.load as m"),
    "src/mine/__init__.py": "",
    "src/mine/load.py": "from .deep import read\n",
    "src/mine/deep.py": "def read():\n    return open('../data/raw.csv')\n",
    "src/mine/unused.py": "",
    "notebooks/names.ipynb": notebook("import pandas as pd", "pd.read_csv('../data/other.csv')"),
    "notebooks/folder.ipynb": notebook("name = 'x'", "open(f'../tables/{name}.csv')"),
    "notebooks/settings.ipynb": notebook("open('../config/settings.yaml')"),
    "config/settings.yaml": "data: ../blobs/third.bin\n",
    "notebooks/given.ipynb": notebook("where = None", tags=[PARAMETERS]),
    "notebooks/stage.ipynb": notebook("1"),
    "notebooks/installs.ipynb": notebook("%pip install -r ../requirements.txt"),
    "notebooks/reads-clean.ipynb": notebook("open('clean.csv')"),
    "notebooks/child.ipynb": notebook("%run ./common.ipynb"),
    "notebooks/common.ipynb": notebook("import shared_by_children"),
    "notebooks/shared_by_children.py": "",
    "finder/finds.ipynb": notebook("import glob\nglob.glob('*.bin')"),
    "finder/data.bin": "",
    "chain/01-first.ipynb": notebook("1"),
    "chain/02-second.ipynb": notebook("2"),
    "chain/10-third.ipynb": notebook("3"),
    "needs/train.ipynb": notebook("1"),
    "needs/report.ipynb": notebook("2"),
    "needs/page.ipynb": notebook("3"),
    "data/raw.csv.dvc": "outs:\n- md5: 0\n  path: raw.csv\n",
    "data/other.csv.dvc": "outs:\n- md5: 0\n  path: other.csv\n",
    "data/renamed.dvc": "outs:\n- md5: 0\n  path: other.csv\n",
    "data/nobody.csv.dvc": "outs:\n- md5: 0\n  path: nobody.csv\n",
    "blobs/third.bin": "",
    "tables/x.csv": "",
    "given/fourth.bin": "",
    "toml/fifth.bin": "",
    "steps/clean.py": "",
    "steps/prepare.py": "",
    "steps/dirty.csv": "",
    "params.yaml": "where: ../given/fourth.bin\n",
    "dvc.yaml": "stages:\n"
    "  clean:\n    cmd: python clean.py\n    deps: [steps/dirty.csv, steps/clean.py]\n    outs: [data/clean.csv]\n"
    "  stage:\n    cmd: jupyter execute notebooks/stage.ipynb\n    deps: [steps/wet.csv]\n    params: [a]\n",
    "steps/wet.csv": "",
    "dvc.lock": "{}\n",
    ".dvc/config": "",
    "README.md": "",
    "LICENSE": "",
    "docs/picture.png": "",
    "docs/data.csv": "",
    "suites/raw.json": "{}",
    "requirements.txt": "",
    ".github/workflows/notebooks.yml": "paths-ignore: [README.md]\nrun: python steps/prepare.py a.ipynb\n",
    ".github/CODEOWNERS": "",
    "other-project/notebook-ci.toml": "",
    "other-project/data.csv": "",
    ".gitignore": "ignored*\n.notebook-ci\n",
    "notebook-ci.toml": "[execute-notebook]\nexclude = ['notebooks/common.ipynb']\nparameters-file = 'params.yaml'\n"
    "[execute-notebook.parameters]\nwhat = '../toml/fifth.bin'\n"
    "[execute-notebook.needs]\n'needs/report.ipynb' = 'needs/train.ipynb'\n'needs/page.ipynb' = 'needs/report.ipynb'\n",
}
ALL = {
    name.removesuffix(".ipynb").rpartition("/")[2]
    for name in FILES
    if name.endswith(".ipynb") and name != "notebooks/common.ipynb"
}
CHAIN = {"01-first", "02-second", "10-third"}
NEEDS = {"train", "report", "page"}
# It finds files by itself: any change but those that affect none.
F = {"finds"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    write(folder, FILES)
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def affected(folder: Path, *flags: str) -> set[str]:
    found = planned(folder, "--base", "HEAD", *flags)
    names = {path: path.removesuffix(".ipynb").rpartition("/")[2] for path in (*found.reasons, *found.unaffected)}
    assert len(names) == len(found.reasons) + len(found.unaffected)
    assert sorted(path for shard in found.shards for path in shard.notebooks) == sorted(found.reasons)
    return {names[path] for path in found.reasons}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("notebooks/alone.ipynb", F | {"alone"}),
        ("notebooks/helper.py", F | {"beside"}),
        ("src/mine/deep.py", F | {"package", "installed"}),
        ("src/mine/__init__.py", F | {"package", "installed"}),
        ("src/mine/unused.py", ALL),
        ("data/raw.csv.dvc", F | {"package", "installed"}),
        ("data/other.csv.dvc", F | {"names"}),
        ("data/renamed.dvc", F | {"names"}),
        ("data/nobody.csv.dvc", ALL),
        ("tables/x.csv", F | {"folder"}),
        ("tables/new.csv", F | {"folder"}),
        ("tables/deeper/new.csv", F | {"folder"}),
        ("blobs/third.bin", F | {"settings"}),
        ("config/settings.yaml", F | {"settings"}),
        ("params.yaml", F | {"given", "stage"}),
        ("given/fourth.bin", F | {"given", "stage"}),
        ("toml/fifth.bin", F | {"given"}),
        ("steps/dirty.csv", F | {"reads-clean"}),
        ("steps/clean.py", F | {"reads-clean"}),
        ("steps/wet.csv", F | {"stage"}),
        ("notebooks/common.ipynb", F | {"child"}),
        ("notebooks/shared_by_children.py", F | {"child"}),
        ("finder/data.bin", ALL),
        ("chain/02-second.ipynb", F | CHAIN),
        ("chain/10-third.ipynb", F | CHAIN),
        ("needs/train.ipynb", F | NEEDS),
        ("needs/report.ipynb", F | NEEDS),
        ("needs/page.ipynb", F | NEEDS),
        ("README.md", set()),
        ("LICENSE", set()),
        ("docs/picture.png", set()),
        ("docs/data.csv", ALL),
        (".gitignore", set()),
        (".github/CODEOWNERS", set()),
        (".github/workflows/notebooks.yml", ALL),
        (".github/actions/own/action.yml", ALL),
        (".github/scripts/prepare.sh", ALL),
        (".github/dependabot.yml", set()),
        (".github/ISSUE_TEMPLATE/bug.yml", set()),
        ("steps/prepare.py", ALL),
        ("other-project/data.csv", set()),
        ("other-project/notebook-ci.toml", set()),
        ("other-project/requirements.txt", {"installs"}),
        ("suites/raw.json", ALL),
        ("requirements.txt", ALL),
        ("requirements-gpu.in", ALL),
        ("uv.lock", ALL),
        ("dvc.yaml", F),
        ("dvc.lock", F),
        (".dvc/config", ALL),
        ("notebook-ci.toml", ALL),
        ("Makefile", ALL),
        ("tables.txt", ALL),
        ("new.py", ALL),
    ],
)
def test_a_change_affects(repository: Path, changed: str, expected: set[str]) -> None:
    path = repository / changed
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write("\n")
    assert affected(repository) == expected


@pytest.mark.parametrize(
    ("deleted", "expected"),
    [
        ("notebooks/alone.ipynb", F),
        ("notebooks/helper.py", F | {"beside"}),
        ("src/mine/__init__.py", F | {"package", "installed"}),
        ("data/other.csv.dvc", F | {"names"}),
        ("chain/01-first.ipynb", F | CHAIN - {"01-first"}),
        ("notebooks/common.ipynb", F | {"child"}),
        ("README.md", set()),
        ("Makefile", set()),
    ],
)
def test_a_deletion_affects(repository: Path, deleted: str, expected: set[str]) -> None:
    (repository / deleted).unlink(missing_ok=True)
    assert affected(repository) == expected


def test_nothing_changed(repository: Path) -> None:
    found = planned(repository, "--base", "HEAD")
    assert found.reasons == {}
    assert len(found.unaffected) == len(ALL)
    assert found.headline == {"matrix": '{"include": []}', "count": "0", "any": "false"}


def test_a_renamed_notebook_runs(repository: Path) -> None:
    git(repository, "mv", "notebooks/alone.ipynb", "notebooks/renamed.ipynb")
    assert affected(repository) == F | {"renamed"}


def test_a_new_notebook_that_git_does_not_track_runs(repository: Path) -> None:
    write(repository, {"new.ipynb": notebook("1"), "ignored.ipynb": notebook("1")})
    assert affected(repository) == F | {"new", "ignored"}


def test_a_module_that_git_does_not_track_may_have_changed(copied: Path) -> None:
    write(copied, {"notebooks/ignored_module.py": "", "notebooks/alone.ipynb": notebook("import ignored_module")})
    commit(copied)
    assert affected(copied) == {"alone"}


def test_a_notebook_that_cannot_be_read_runs_and_fails_there(copied: Path) -> None:
    write(copied, {"notebooks/alone.ipynb": "{"})
    commit(copied)
    assert affected(copied) == {"alone"}


def test_what_links_lead_to_counts(copied: Path) -> None:
    (copied / "link.ipynb").symlink_to("hidden/.real.ipynb")
    (copied / "linked.csv").symlink_to("tables/x.csv")
    (copied / "folder-of-links").symlink_to("blobs")
    write(
        copied,
        {
            "hidden/.real.ipynb": notebook("1"),
            "notebooks/alone.ipynb": notebook("open('../linked.csv')"),
            "notebooks/beside.ipynb": notebook("open('../folder-of-links/third.bin')"),
        },
    )
    commit(copied)
    write(copied, {"hidden/.real.ipynb": notebook("2")})
    assert affected(copied) == F | {"link"}
    git(copied, "checkout", "--quiet", ".")
    write(copied, {"tables/x.csv": "1"})
    assert affected(copied) == F | {"folder", "alone"}
    git(copied, "checkout", "--quiet", ".")
    write(copied, {"blobs/third.bin": "1"})
    assert affected(copied) == F | {"settings", "beside"}


def test_a_driver_of_other_notebooks_uses_any(copied: Path) -> None:
    write(copied, {"driver.ipynb": notebook("import papermill as pm\npm.execute_notebook(f'{name}.ipynb', 'x')")})
    commit(copied)
    write(copied, {"notebooks/common.ipynb": notebook("new")})
    assert affected(copied) == F | {"child", "driver"}


def test_what_a_long_file_says_at_its_end_is_not_known(copied: Path) -> None:
    """And it is read in a second, whatever it has instead of words."""
    long = "".join(character * 150_000 for character in "#a-/'( ")
    write(copied, {"notebooks/alone.ipynb": notebook("import long"), "notebooks/long.py": f"# {long}\nopen('x')"})
    write(copied, {"notebooks/given.ipynb": notebook(f"'{long}'"), "data/long.csv.dvc": long})
    commit(copied)
    write(copied, {"tables/x.csv": "1"})
    assert affected(copied) == F | {"folder", "alone"}


def test_settings_of_git_change_nothing(copied: Path) -> None:
    write(copied, {"project/a.ipynb": notebook("1"), "project/notebook-ci.toml": ""})
    commit(copied)
    for setting in ("diff.relative=true", "diff.noprefix=true", "diff.external=false", "status.showUntrackedFiles=no"):
        git(copied, "config", *setting.split("="))
    write(copied, {"requirements.txt": "1"})
    assert affected(copied / "project") == {"a"}


def test_many_changes_affect_all(repository: Path) -> None:
    write(repository, {f"docs/{number}.md": "" for number in range(1001)})
    assert affected(repository) == ALL


def test_a_submodule_that_moved_counts(copied: Path, tmp_path: Path) -> None:
    write(inner := tmp_path / "inner", {"a.csv": ""})
    git(inner, "init", "--quiet")
    commit(inner)
    git(copied, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "vendor")
    with (copied / ".gitmodules").open("a") as modules:
        modules.write("\tignore = all\n")
    commit(copied)
    assert affected(copied) == set()
    write(copied / "vendor", {"a.csv": "1"})
    commit(copied / "vendor")
    assert affected(copied) == ALL


def test_another_project_that_the_environment_names_counts(copied: Path) -> None:
    write(copied, {"requirements.txt": "-e ./other-project\n"})
    commit(copied)
    write(copied, {"other-project/data.csv": "1"})
    assert affected(copied) == ALL


def test_a_project_in_a_folder_sees_what_changed_around_it(copied: Path) -> None:
    write(copied, {"project/a.ipynb": notebook("1"), "project/notebook-ci.toml": "", "lib/x.py": ""})
    commit(copied)
    write(copied, {"other-project/data.csv": "1", "README.md": "1"})
    assert affected(copied / "project") == set()
    write(copied, {"lib/x.py": "1"})
    assert affected(copied / "project") == {"a"}
    git(copied, "checkout", "--quiet", "lib")
    write(copied, {".github/workflows/notebooks.yml": "1"})
    assert affected(copied / "project") == {"a"}


def test_each_notebook_has_its_reason(repository: Path) -> None:
    write(repository, {"chain/02-second.ipynb": notebook("new"), "notebooks/helper.py": "new"})
    assert planned(repository, "--base", "HEAD").reasons == {
        "chain/01-first.ipynb": "comes before `chain/02-second.ipynb`, which runs",
        "chain/02-second.ipynb": "it changed",
        "chain/10-third.ipynb": "comes after `chain/02-second.ipynb`, which runs",
        "notebooks/beside.ipynb": "uses `notebooks/helper.py`, which changed",
        "finder/finds.ipynb": "finds files by itself, and `chain/02-second.ipynb` changed",
    }
    write(repository, {"Makefile": "new"})
    reasons = planned(repository, "--base", "HEAD").reasons
    assert set(reasons.values()) == {"`Makefile` changed, and no notebook names it: any may use it"}
    git(repository, "mv", "dvc.lock", "x.lock")
    assert set(planned(repository, "--base", "HEAD").reasons.values()) == {"`x.lock` changed, which may affect all"}


def test_all_run_if_that_is_asked(repository: Path) -> None:
    found = planned(repository, "--changed-only", "false")
    assert len(found.reasons) == len(ALL)
    assert (found.base, said(found)) == ("", [])
