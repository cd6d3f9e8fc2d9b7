"""Sweeps: one notebook executed once per set of parameters."""

from pathlib import Path

import pytest

from execute_notebook import STAGE
from integration.execute_notebook.scheduled import errors, statuses
from integration.refusals import run_here
from integration.suite import Done, Workspace, notebook, parameters

TRAIN = parameters("alpha = 0\nname = 'none'\nepochs = 1")
TELL = "import json\nprint(json.dumps({'alpha': alpha, 'name': name, 'epochs': epochs}))"

REPORT_ALPHA = (
    "from IPython.display import display\n"
    "display({'application/vnd.notebook-ci.metrics+json': {'loss': alpha * 2}}, raw=True)"
)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> tuple[Workspace, Done]:
    workspace = Workspace(tmp_path_factory.mktemp("swept"))
    workspace.write("deep/train.ipynb", notebook(TRAIN, REPORT_ALPHA, TELL))
    workspace.write("plain.ipynb", notebook("print('once')"))
    workspace.write("report.ipynb", notebook("print('last')"))
    done = workspace.execute(
        kernel,
        sweep="- {alpha: 0.1, name: one}\n- {alpha: 0.2}\n- {alpha: 1, name: a/b}",
        parameters="epochs: 7\nname: shared",
        needs="report.ipynb: [deep/train.ipynb]",
        run_dir="run",
    )
    return workspace, done


def test_a_sweep_executes_a_notebook_once_for_each_set(swept: tuple[Workspace, Done]) -> None:
    _, done = swept
    assert done.code == 0, done.log
    names = ["deep/train@alpha=0.1,name=one.ipynb", "deep/train@alpha=0.2.ipynb", "deep/train@set-3.ipynb"]
    assert list(done.notebooks) == [*names, "plain.ipynb", "report.ipynb"]
    assert [found["path"] for found in done.record["notebooks"]][:3] == ["deep/train.ipynb"] * 3
    assert [done.values(name) for name in names] == [
        {"alpha": 0.1, "name": "one", "epochs": 7},
        {"alpha": 0.2, "name": "shared", "epochs": 7},
        {"alpha": 1, "name": "a/b", "epochs": 7},
    ]
    assert done.notebooks[names[1]]["parameters"] == {"alpha": 0.2, "name": "shared", "epochs": 7}
    assert done.outputs["executed"] == "5"
    for name in names:
        assert f"✓ {name} · " in done.log


def test_metrics_of_a_sweep_are_named_by_their_execution(swept: tuple[Workspace, Done]) -> None:
    _, done = swept
    assert done.record["metrics"] == {
        "deep/train@alpha=0.1,name=one.loss": 0.2,
        "deep/train@alpha=0.2.loss": 0.4,
        "deep/train@set-3.loss": 2,
    }


def test_a_sweep_can_be_logged(swept: tuple[Workspace, Done]) -> None:
    workspace, executed = swept
    done = workspace.run("log-run", {"run-dir": "run", "tracking-uri": f"sqlite:///{workspace.base}/m.db"})
    assert done.code == 0, done.log
    assert done.record["logged"]["artifacts"] == len(executed.record["created"]) + 1
    assert done.record["logged"]["parameters"] >= 3


def test_sets_with_names_and_one_that_fails(workspace: Workspace, kernel: Path) -> None:
    workspace.write("train.ipynb", notebook(parameters("alpha = 0"), "1 / alpha"))
    workspace.write("report.ipynb", notebook("1"))
    done = workspace.execute(kernel, sweep="small: {alpha: 1}\nzero: {alpha: 0}", needs="report.ipynb: [train.ipynb]")
    assert done.code == 1, done.log
    assert statuses(done) == {
        "train@small.ipynb": "passed",
        "train@zero.ipynb": "failed",
        "report.ipynb": "skipped",
    }
    assert done.notebooks["report.ipynb"]["skipped_for"] == "train@zero.ipynb"
    assert (Path(done.outputs["output-dir"]) / "train@zero.ipynb").exists()
    assert "train@zero.ipynb" in done.summary


def test_a_sweep_as_tables_of_the_file_of_inputs(workspace: Workspace, kernel: Path) -> None:
    workspace.write("train.ipynb", notebook(TRAIN, TELL))
    head = "[execute-notebook.sweep]\nsmall = {alpha = 1}\n"
    workspace.write("notebook-ci.toml", f"{head}big = {{alpha = 2, no_name = 1}}\n")
    assert "No notebook declares the parameter `no_name`." in errors(workspace.execute(kernel))[0]
    workspace.write("notebook-ci.toml", head)
    done = workspace.execute(kernel)
    assert (done.code, list(done.notebooks)) == (0, ["train@small.ipynb"]), done.log
    listed = "".join(f"[[execute-notebook.sweep]]\nalpha = {alpha}\n" for alpha in (1, 2))
    workspace.write("notebook-ci.toml", listed)
    done = workspace.execute(kernel)
    assert (done.code, list(done.notebooks)) == (0, ["train@alpha=1.ipynb", "train@alpha=2.ipynb"]), done.log


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("- {alfa: 1}\n- {alfa: 2}", "No notebook declares the parameter `alfa`. Did you mean `alpha`?"),
        ("- {alpha: 1, beta: 2}", "No notebook declares the parameter `beta`."),
        ("5", "`sweep` is `5`, which is neither a list nor a map. Write a list of sets"),
        ("alpha: [1, 2]", "`sweep` has `[1, 2]`, which is not a set of parameters."),
        ("a/b: {alpha: 1}", "`sweep` has the name `a/b`, which cannot be part of a file name."),
        ("- {alpha: 1", "`sweep` is not valid YAML"),
    ],
)
def test_a_sweep_that_is_none(workspace: Workspace, sweep: str, said: str) -> None:
    workspace.write("train.ipynb", notebook(TRAIN, "open('ran', 'w')"))
    done = run_here(workspace, STAGE, {"sweep": sweep})
    assert done.code == 2
    assert said in errors(done)[0]
    assert not (workspace.folder / "ran").exists()


def test_an_execution_of_a_sweep_with_the_name_of_a_notebook(workspace: Workspace) -> None:
    workspace.write("train.ipynb", notebook(TRAIN, "open('ran', 'w')"))
    workspace.write("train@small.ipynb", notebook("open('ran', 'w')"))
    done = run_here(workspace, STAGE, {"sweep": "small: {alpha: 1}"})
    assert done.code == 2
    same = "The executed copies of `train.ipynb` and `train@small.ipynb` would have the same name: `train@small.ipynb`."
    assert same in errors(done)[0]
    assert not (workspace.folder / "ran").exists()
