"""Stages of the chain that run at once, and their tool environments, which are created before the notebooks run."""

import json
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.dvc_pull.repositories import RAW, Checkout, make
from integration.hostile import STOP
from integration.index_server import Gate, IndexServer, make_wheel, serve
from integration.suite import Done, Workspace, fresh_workspace, in_the_tool_environment, notebook, wait_until
from notebook_ci.base.load_inputs import AHEAD, FROM_STDIN
from servers.files import serve_files
from servers.mlflow import MlflowServer
from servers.shared import made_once

SECONDS = 120
SLOW = "nbslow"  # a package that is installed only when a gate is opened
KILL_SECONDS = 10  # after its first signal, a runner kills a step
CLOSED = "http://127.0.0.1:9"
# Starts log-run ahead and ends it without inputs: after a signal of the chain, and without one. As a subreaper, this
# program is the new parent of what log-run leaves behind.
STARTED_FOR_NOTHING = f"""
import ctypes, os, signal
from pathlib import Path
from notebook_ci.base.launcher import LAUNCHER
from notebook_ci.base.side_by_side import Programs

ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
for is_stopped in (True, False):
    programs = Programs(os.environ, Path.cwd())
    process = programs.start(["bash", LAUNCHER, "{FROM_STDIN}", "log-run", "{AHEAD}"], is_read=True)
    assert process.stdout.readline() == "\\n"  # its worker waits
    if is_stopped:
        programs.stop(signal.SIGTERM)
    code = programs.finish(process, "")
    try:
        left = os.waitid(os.P_ALL, 0, os.WEXITED)
    except ChildProcessError:
        left = "nothing"
    print(code, left)
"""


def records(workspace: Workspace) -> dict[str, dict[str, Any]]:
    folder = workspace.runner_temp / "notebook-ci"
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}


def statuses(workspace: Workspace) -> dict[str, str]:
    return {name: record["status"] for name, record in sorted(records(workspace).items())}


def grouped(log: str) -> list[tuple[str, list[str]]]:
    """Return the lines of a log under the titles of their groups; those outside of all groups under no title.

    Without those of the heartbeat: whether there are any depends on the machine's load.
    """
    groups: list[tuple[str, list[str]]] = [("", [])]
    for line in log.splitlines():
        if line.startswith("::group::"):
            groups.append((line.removeprefix("::group::"), []))
        elif line == "::endgroup::":
            groups.append(("", []))
        elif not re.fullmatch(r"  .*, \d+ s", line):
            groups[-1][1].append(line)
    return [(title, lines) for title, lines in groups if title or lines]


def cache_without(workspace: Workspace, *names: str) -> dict[str, str]:
    """Return the variable of a folder of tool environments that lacks some: the others are linked there."""
    cache = workspace.base / "cache"
    cache.mkdir()
    used = Path(in_the_tool_environment(workspace, "print(sys.prefix)", "pipeline").stdout.strip())
    for path in used.parent.glob("*-*"):
        if path.is_dir() and path.name.rpartition("-")[0] not in names:
            (cache / path.name).symlink_to(path)
    return {"NOTEBOOK_CI_CACHE": str(cache)}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IndexServer]:
    """An index that has what setup-env installs, and nothing of the tools."""
    folder = tmp_path_factory.mktemp("wheels")
    for name in (SLOW, "ipykernel"):
        make_wheel(folder, name)
    with serve(IndexServer(folder)) as server:
        yield server


def checked_out(tmp_path_factory: pytest.TempPathFactory, workspace: Workspace) -> Checkout:
    """Return a checkout whose environment and data are still missing."""
    checkout = Checkout.of(made_once(tmp_path_factory, "dvc", make), workspace)
    workspace.write("requirements.txt", f"{SLOW}\nipykernel\n")
    workspace.write("a.ipynb", notebook("1"))
    workspace.write("notebook-ci.toml", f'[log-run]\ntracking-uri = "{CLOSED}"\n')
    return checkout


def environ(workspace: Workspace, index: IndexServer) -> dict[str, str]:
    return {"UV_DEFAULT_INDEX": index.url(), "UV_CACHE_DIR": str(workspace.base / "uv")}


def is_started_ahead(workspace: Workspace, script: str) -> bool:
    return any(script in line and AHEAD in line for line in workspace.processes().values())


# --- dvc-pull fails while setup-env installs, and the index has no tools


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory, index: IndexServer) -> Iterator[tuple[Workspace, Done]]:
    with fresh_workspace(tmp_path_factory.mktemp("failed")) as workspace:
        checkout = checked_out(tmp_path_factory, workspace)
        checkout.object(RAW).unlink()
        variables = environ(workspace, index) | cache_without(workspace, "execute-notebook", "mlflow-thin")
        index.gate = Gate(SLOW)
        inputs = {"stages": "setup-env\ndvc-pull\nexecute-notebook\nlog-run"}
        process = workspace.start("pipeline", inputs, environ=variables)
        assert index.gate.reached.wait(SECONDS)
        assert wait_until(lambda: "dvc-pull" in records(workspace), SECONDS)
        assert "setup-env" not in records(workspace)
        index.gate.opened.set()
        yield workspace, workspace.end(process, SECONDS)


def test_a_failure_stops_what_has_not_begun(failed: tuple[Workspace, Done]) -> None:
    workspace, done = failed
    found = records(workspace)
    assert done.code == 3, done.log
    assert statuses(workspace) == {
        "dvc-pull": "failed",
        "execute-notebook": "skipped",
        "log-run": "error",
        "setup-env": "passed",
    }
    assert found["setup-env"]["packages"] == {"ipykernel": "1.0", SLOW: "1.0"}
    [problem] = found["execute-notebook"]["problems"]
    assert problem["message"] == "Not run, because dvc-pull failed."
    assert done.outputs["env-digest"] == found["setup-env"]["env_digest"] != ""
    rows = [line.split("|")[1].strip().split()[0] for line in done.summary.splitlines() if line.startswith("| ")]
    assert [row for row in rows if row in found] == ["setup-env", "dvc-pull", "execute-notebook", "log-run"]


def test_the_output_is_grouped_in_the_order_of_the_chain(failed: tuple[Workspace, Done]) -> None:
    workspace, done = failed
    groups = grouped(done.log)
    titles = ["Plan", "[1/4] setup-env", "[2/4] dvc-pull", "[3/4] execute-notebook", "[4/4] log-run"]
    assert [title for title, _ in groups] == titles, done.log
    _, setup, pull, execute, _ = (lines for _, lines in groups)
    errors = [line for line in pull if line.startswith("::error")]
    assert errors == pull[-len(errors) :]
    problems = [each["message"] for each in records(workspace)["dvc-pull"]["problems"]]
    assert all(problem in error for problem, error in zip(problems, errors, strict=True))
    assert setup[0].startswith("Creating the environment `")
    assert [line.partition(" files ")[0] for line in pull[: -len(errors)]] == ["Pulling 2", "Pulling 3"]
    assert execute == ["Not run, because dvc-pull failed."]


def test_tools_that_cannot_be_installed_are_an_error_of_the_stage_that_needs_them(
    failed: tuple[Workspace, Done],
) -> None:
    _, done = failed
    assert "execute-notebook could not be installed" not in done.log
    assert done.log.count("The tool environment mlflow-thin could not be installed") == 1
    assert done.annotations()[-1].message.startswith("MLflow could not be installed (the tool environment mlflow-thin)")


# --- Cancelled


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_all_running_stages_are_cancelled(
    tmp_path_factory: pytest.TempPathFactory, workspace: Workspace, index: IndexServer, number: signal.Signals
) -> None:
    checkout = checked_out(tmp_path_factory, workspace)
    index.gate = Gate(SLOW)
    with serve_files(checkout.store) as server:
        server.illness = "slow"
        checkout.remote(server.url)
        process = workspace.start("pipeline", {}, environ=environ(workspace, index))
        assert index.gate.reached.wait(SECONDS)
        assert wait_until(lambda: list(checkout.cache.glob("notebook-ci-*/*")), SECONDS)
        assert wait_until(lambda: is_started_ahead(workspace, "execute_notebook.py"), SECONDS)
        process.send_signal(number)
        began = time.monotonic()
        done = workspace.end(process, SECONDS)
    assert time.monotonic() - began < KILL_SECONDS, done.log
    assert not workspace.processes()
    assert done.code == 128 + number, done.log
    assert statuses(workspace) == {"dvc-pull": "error", "setup-env": "error"}
    message = f"Cancelled ({number.name})."
    assert all(record["problems"][-1]["message"] == message for record in records(workspace).values())
    assert [title for title, _ in grouped(done.log)] == ["Plan", "[1/8] setup-env", "[2/8] dvc-pull"], done.log
    assert [each.message.partition(". ")[0] for each in done.annotations()] == [message.rstrip(".")] * 2
    assert done.outputs["status"] == "error"
    assert done.summary.count("\n### ") == 0
    assert done.summary.startswith(f"### 🛑 setup-env failed: {message.rstrip('.')}")
    assert "Traceback" not in done.log


# --- Tools


def test_no_tools_are_installed_while_a_notebook_runs(workspace: Workspace, kernel: Path, server: MlflowServer) -> None:
    """A notebook could change them before they are sealed. If it touches them later, what waits there is not used."""
    variables = cache_without(workspace, "mlflow-thin")
    seen = f"import glob\n[seal] = glob.glob({variables['NOTEBOOK_CI_CACHE'] + '/mlflow-thin-*/notebook-ci.seal'!r})"
    touch = "os.utime(os.path.dirname(seal) + '/pyvenv.cfg')"  # as a file that was changed and restored
    spoil = "import resource\nresource.prlimit(worker, resource.RLIMIT_NOFILE, (3, 3))"  # it can open no file
    workspace.write("a.ipynb", notebook(seen, STOP, spoil, touch))
    python = f"[execute-notebook]\npython = {json.dumps(str(kernel))}\n"
    workspace.write("notebook-ci.toml", f'{python}[log-run]\ntracking-uri = "{server.uri}"\n')
    process = workspace.start("pipeline", {"stages": "execute-notebook\nlog-run"}, environ=variables)
    done = workspace.end(process, SECONDS)
    assert done.code == 0, done.log
    assert statuses(workspace) == {"execute-notebook": "passed", "log-run": "passed"}
    [installed] = [title for title, lines in grouped(done.log) if any("mlflow-thin (once)" in line for line in lines)]
    assert installed == "[1/2] execute-notebook"
    assert done.log.count("Installing the tool environment") == 1


def test_a_stage_that_was_started_ahead_for_nothing_waits_for_the_end_of_its_worker(workspace: Workspace) -> None:
    done = in_the_tool_environment(workspace, STARTED_FOR_NOTHING, "pipeline")
    assert done.stdout.splitlines() == ["143 nothing", "0 nothing"], done


def test_a_stage_that_was_started_ahead_is_not_used_after_its_tools_changed(
    workspace: Workspace, index: IndexServer
) -> None:
    """setup-env may run code of packages. The index lacks the tools, so nothing can replace them."""
    variables = environ(workspace, index) | cache_without(workspace, "execute-notebook")
    original = Path(in_the_tool_environment(workspace, "print(sys.prefix)").stdout.strip())
    tools = Path(shutil.copytree(original, Path(variables["NOTEBOOK_CI_CACHE"], original.name), symlinks=True))
    workspace.write("requirements.txt", f"{SLOW}\nipykernel\n")
    workspace.write("a.ipynb", notebook("1"))
    index.gate = Gate(SLOW)
    process = workspace.start("pipeline", {"stages": "setup-env\nexecute-notebook"}, environ=variables)
    assert index.gate.reached.wait(SECONDS)
    assert wait_until(lambda: is_started_ahead(workspace, "execute_notebook.py"), SECONDS)
    [file] = tools.glob("lib/python*/site-packages/papermill-*.dist-info/METADATA")
    file.chmod(0o644)
    file.write_text("changed")
    index.gate.opened.set()
    done = workspace.end(process, SECONDS)
    assert done.code == 3, done.log
    assert "The tool environment execute-notebook could not be installed" in done.log
    assert statuses(workspace) == {"execute-notebook": "error", "setup-env": "passed"}
    assert not workspace.processes()
