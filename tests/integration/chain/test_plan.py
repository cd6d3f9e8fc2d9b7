"""Stages are planned before anything is installed: what is wrong is refused, and `--plan` only shows."""

import json
from pathlib import Path

import pytest

from integration.suite import Done, Workspace, notebook, parameters
from notebook_ci.build_image.run import NO_IMAGE
from notebook_ci.dvc_pull.run import NO_DATA
from notebook_ci.test_notebook.plan import NO_TESTS
from notebook_ci.validate_data.model import NOTHING_GIVEN

CLOSED = "http://127.0.0.1:9/simple"
NO_NETWORK = {"PIP_INDEX_URL": CLOSED, "UV_DEFAULT_INDEX": CLOSED}
SUITE = {"name": "s", "expectations": [{"type": "expect_table_row_count_to_equal", "kwargs": {"value": 1}}]}


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    """Nothing is installed yet."""
    workspace.write("requirements.txt", "ipykernel\n")
    workspace.write("a.ipynb", notebook(parameters("alpha = 1"), "print(alpha)"))
    return workspace


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of tool environments. The first test that needs a YAML library has it installed there."""
    return tmp_path_factory.mktemp("cache")


def run(workspace: Workspace, stage: str, *flags: str, cache: Path | None = None) -> Done:
    """Run a stage with this cache of tool environments, or with an empty one and no network."""
    environ = {"NOTEBOOK_CI_CACHE": str(cache)} if cache else {"NOTEBOOK_CI_CACHE": str(empty(workspace)), **NO_NETWORK}
    return workspace.run(stage, flags=flags, environ=environ)


def empty(workspace: Workspace) -> Path:
    return workspace.base / "cache"


def installed(cache: Path) -> set[str]:
    """Return the tool environments that exist."""
    return {path.name.rpartition("-")[0] for path in cache.glob("*-*")}


@pytest.mark.parametrize(
    ("stage", "flags", "message"),
    [
        ("pipeline", ["--notebooks", "nope/*.ipynb"], "No notebook matches `nope/*.ipynb` in "),
        ("pipeline", ["--stages", "nonsense"], "`nonsense` is not a stage."),
        ("pipeline", ["--stages", "!nonsense"], "`nonsense` is not a stage."),
        ("pipeline", ["--stages", "log-run", "!log-run"], "`stages` leaves out every stage. Remove a line"),
        ("pipeline", ["--requirements", "x.txt"], "`requirements` is `x.txt`, which does not exist."),
        ("pipeline", ["--cell-timeout", "9"], "`--cell-timeout` is an input of execute-notebook, not of `pipeline`."),
        ("pipeline", ["--stages", "validate-data"], "`stages` contains `validate-data`, which has nothing to do: "),
        ("pipeline", ["--config", "x.toml"], "`x.toml` does not exist."),
        ("validate-data", ["--data", "a.csv"], "`data` is set but `suite` is not."),
        ("validate-data", ["--data", "a.csv", "--suite", "s.json"], "`a.csv` does not exist."),
        ("execute-notebook", ["--notebooks", "nope/*.ipynb"], "No notebook matches `nope/*.ipynb` in "),
        ("execute-notebook", ["--cell-timeout", "soon"], "`--cell-timeout` does not accept `soon`."),
        ("setup-env", ["--requirements", "x.txt"], "`requirements` is `x.txt`, which does not exist. Correct it."),
        ("dvc-pull", [], "There is no `.dvc` folder: DVC tracks no data here."),
        ("dvc-pull", ["--plan"], "There is no `.dvc` folder: DVC tracks no data here."),
        ("build-image", [], "`image` of build-image is not set."),
        ("log-run", ["--tracking-uri", "mlruns"], "`tracking-uri` does not accept `mlruns`."),
    ],
)
def test_refused_without_a_library_or_network(workspace: Workspace, stage: str, flags: list[str], message: str) -> None:
    workspace.write("s.json", json.dumps(SUITE))
    done = run(workspace, stage, *flags)
    assert done.code == 2, done.log
    assert f": {message}" in done.log
    assert "Traceback" not in done.log
    assert installed(empty(workspace)) == set()


@pytest.mark.parametrize("stage", ["pipeline", "execute-notebook"])
def test_refused_with_no_more_than_a_yaml_library(workspace: Workspace, cache: Path, stage: str) -> None:
    for given, message in (
        ("alpha: [1", "`--parameters` is not valid YAML (line 1): "),
        ("alfa: 2", "No notebook declares the parameter `alfa`. Did you mean `alpha`?"),
    ):
        done = run(workspace, stage, "--parameters", given, cache=cache)
        assert done.code == 2, done.log
        assert message in done.log
        assert "because files in it have changed" not in done.log
        assert installed(cache) == {"uv", "pipeline"}


def test_a_plan_is_shown_and_nothing_done(workspace: Workspace) -> None:
    before = sorted(workspace.folder.rglob("*"))
    done = run(workspace, "pipeline", "--plan")
    assert done.code == 0, done.log
    venv = workspace.folder / ".notebook-ci" / "venv"
    assert done.log.split("Plan\n")[1].splitlines() == [
        "setup-env:",
        f"  install the packages of `requirements.txt` into `{venv}`",
        f"dvc-pull: nothing to do. {NO_DATA} Searched: `{workspace.folder}`.",
        f"validate-data: nothing to do. {NOTHING_GIVEN}",
        "execute-notebook:",
        "  execute 1 notebook: a.ipynb",
        f"test-notebook: nothing to do. {NO_TESTS}",
        f"build-image: nothing to do. {NO_IMAGE}",
        "log-run:",
        f"  log the run to sqlite:///{workspace.folder / '.notebook-ci' / 'mlflow' / 'mlflow.db'}",
        "report-run:",
        "  write a page about the run",
    ]
    assert sorted(workspace.folder.rglob("*")) == before
    assert installed(empty(workspace)) == set()


def test_stages_that_are_left_out(workspace: Workspace) -> None:
    """The others need not have anything to do, as if no stage were named."""
    workspace.write("newest.in", "ipykernel\n")
    done = run(
        workspace,
        "pipeline",
        "--plan",
        "--stages",
        "!build-image",
        "!log-run",
        "!report-run",
        "--requirements",
        "newest.in",
    )
    assert done.code == 0, done.log
    found = [line.partition(":")[0] for line in done.log.split("Plan\n")[1].splitlines() if not line.startswith(" ")]
    assert found == ["setup-env", "dvc-pull", "validate-data", "execute-notebook", "test-notebook"]
    assert "  install the packages of `newest.in` into " in done.log


def test_changed_only_overrides_the_settings(workspace: Workspace) -> None:
    """A job of a chain must not skip what the settings, made for pull requests, would skip."""
    workspace.write("notebook-ci.toml", "[execute-notebook]\nchanged-only = true\n")
    for flags, expected in ([], "what a change affects of "), (["--changed-only", "false"], ""):
        done = run(workspace, "pipeline", "--plan", *flags)
        assert f"  execute {expected}1 notebook: a.ipynb" in done.log, done.log


def test_the_plan_of_one_stage(workspace: Workspace, cache: Path) -> None:
    done = run(workspace, "execute-notebook", "--plan", "--parameters", "alpha: 2", cache=cache)
    assert (done.code, done.log.splitlines()[-3:]) == (
        0,
        ["execute-notebook:", "  execute 1 notebook: a.ipynb", "  set parameters: alpha"],
    )
    assert installed(cache) == {"uv", "pipeline"}


def test_a_parameter_of_a_notebook_that_is_not_executed(workspace: Workspace, cache: Path) -> None:
    """Jobs that divide the notebooks share their parameters."""
    workspace.write("b.ipynb", notebook(parameters("beta = 1")))
    given = ("--notebooks", "a.ipynb", "--parameters", "alpha: 2\nbeta: 2")
    done = run(workspace, "execute-notebook", "--plan", *given, cache=cache)
    assert done.code == 0, done.log
    assert "No notebook of this run declares the parameter `beta`." in done.log


def test_data_that_dvc_pull_will_bring_is_said_to_be_unknown(workspace: Workspace) -> None:
    (workspace.folder / ".dvc").mkdir()
    workspace.write(".dvc/config", "[core]\nremote = s\n['remote \"s\"']\nurl = ../../storage\n")
    workspace.write("s.json", json.dumps(SUITE))
    inputs = '[validate-data]\ndata = "a.csv"\nsuite = "s.json"\n[execute-notebook]\nparameters-file = "p.yml"\n'
    workspace.write("notebook-ci.toml", inputs)
    done = run(workspace, "pipeline", "--plan")
    assert done.code == 0, done.log
    for unknown in ("`a.csv` does not exist.", "the parameters in p.yml"):
        assert f"  not known before dvc-pull: {unknown}" in done.log.splitlines()
    workspace.write("s.json", "{")  # this is known
    refused = run(workspace, "pipeline", "--plan")
    assert (refused.code, "`s.json` is not valid JSON" in refused.log) == (2, True), refused.log
    workspace.write("s.json", json.dumps(SUITE))
    Path(workspace.folder, ".dvc", "config").unlink()
    Path(workspace.folder, ".dvc").rmdir()
    assert run(workspace, "pipeline", "--plan").code == 2


def test_what_a_plan_warns_of_is_said_once(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook(parameters("alpha = 1"), parameters("beta = 1")))
    shown = run(workspace, "pipeline", "--plan").log
    assert shown.count("2 cells are tagged `parameters`") == 1
    inputs = {"stages": "execute-notebook"}
    done = workspace.run("pipeline", inputs, environ={"VIRTUAL_ENV": str(kernel.parents[1])})
    assert done.code == 0, done.log
    [warning] = done.annotations("warning")
    assert warning.message.startswith("2 cells are tagged `parameters`")


def test_without_anything_to_cache_nothing_is_installed(workspace: Workspace) -> None:
    (workspace.folder / "requirements.txt").unlink()
    done = run(workspace, "setup-env", "--name-cache")
    assert (done.code, done.log) == (0, "")
    assert installed(empty(workspace)) == set()


@pytest.mark.parametrize("stage", ["validate-data", "pipeline"])
def test_a_file_of_inputs_further_up_is_pointed_to_where_a_plan_is_refused(workspace: Workspace, stage: str) -> None:
    below = workspace.folder / "below"
    below.mkdir()
    (workspace.folder / ".git").mkdir()
    workspace.write("notebook-ci.toml", "")
    workspace.folder = below
    done = run(workspace, stage)
    assert done.code == 2, done.log
    assert done.log.count(f"{below.parent / 'notebook-ci.toml'}` is not read, because") == 1
    assert installed(empty(workspace)) == set()
