"""Settings of single notebooks, cells after a failed one, repeated notebooks, live outputs: by each kind of kernel."""

import json
from pathlib import Path
from typing import Any

import pytest

from integration.execute_notebook.results import statuses
from integration.suite import Done, Workspace, code, line_of, notebook, unfenced
from servers.shared import made_once

KINDS = {
    "spawn": {"kernel-start": "spawn"},
    "fork": {"kernel-start": "fork", "preload": "off"},
    "preload": {"kernel-start": "fork", "preload": "auto"},
}
FUTURE, PAST = "until 2999-03-01: waits for x", "until 2020-03-01: waits for x"
TOKEN = "s3cr3t-t0ken-of-the-team"  # noqa: S105 - it is looked for
TABLES = f"""
[execute-notebook]
retries = 2
cell-timeout = 50
[[execute-notebook.for]]
notebooks = ["allowed*.ipynb", "passes.ipynb"]
allow-failure = "{FUTURE}"
[[execute-notebook.for]]
notebooks = "over.ipynb"
allow-failure = "{PAST}"
retries = 0
[[execute-notebook.for]]
notebooks = ["all-cells.ipynb", "slow.ipynb"]
on-cell-error = "continue"
retries = 0
[[execute-notebook.for]]
notebooks = "slow.ipynb"
cell-timeout = 1
"""
ATTEMPT = (
    "import rich\n"
    "import os, pathlib\n"
    "assert 'left' not in globals()\n"
    "left = pathlib.Path('attempts-of-' + pathlib.Path(os.environ['NOTEBOOK_CI_OUTPUT']).stem)\n"
    "with left.open('a') as file: print(os.getpid(), file=file)\n"
    "attempt = len(left.read_text().splitlines())"
)
PRINTS = (
    "import os, sys\n"
    "print('a tok', end='', flush=True)\n"
    "print('en:', os.environ['API_TOKEN'][:9], end='', flush=True)\n"
    "print(os.environ['API_TOKEN'][9:])\n"
    "print('::error::obeyed\\n  1 %\\r 99 %', file=sys.stderr)\n"
    "'a value'"
)


def own(*cells: Any, **settings: object) -> dict[str, Any]:
    made = notebook(*cells)
    made["metadata"]["notebook-ci"] = {name.replace("_", "-"): value for name, value in settings.items()}
    return made


NOTEBOOKS = {
    "allowed": notebook("x = 1", "x / 0"),
    "allowed-dead": notebook("import os; os._exit(1)"),
    "own-allowed": own("undefined", allow_failure=FUTURE),
    "passes": notebook("1"),
    "over": notebook("1 / 0"),
    "all-cells": notebook("1 / 0", "print('went on')", "def f():\n    return [][0]", "f()", "print('ended')"),
    "slow": notebook("1 / 0", "import time\ntime.sleep(30)", "print('not reached')"),
    "flaky": notebook(ATTEMPT, "if attempt == 1: os._exit(1)", "assert attempt == 3", "print('passed')"),
    "hopeless": notebook(ATTEMPT, "assert attempt > 9"),
    "deletes-itself": notebook("import os\nos.remove('deletes-itself.ipynb')\n1 / 0"),
    "paths": notebook(
        "import json, os\nprint(json.dumps({n: v for n, v in os.environ.items() if n[:12] == 'NOTEBOOK_CI_'}))"
    ),
    "prints": notebook(PRINTS),
    "skips": notebook(code("1 / 0", "skip-execution"), "print('ran')"),
    "wrong": own("print('not reached')", cell_timeout="long"),
}


@pytest.fixture(scope="module", params=KINDS)
def ran(
    tmp_path_factory: pytest.TempPathFactory, kernel: Path, request: pytest.FixtureRequest
) -> tuple[Workspace, Done]:
    kind = str(request.param)
    return made_once(tmp_path_factory, f"settings-{kind}", lambda folder: run(Workspace(folder), kernel, KINDS[kind]))


def run(workspace: Workspace, kernel: Path, inputs: dict[str, str]) -> tuple[Workspace, Done]:
    for name, content in NOTEBOOKS.items():
        workspace.write(f"{name}.ipynb", content)
    workspace.write("notebook-ci.toml", TABLES)
    given = {"python": str(kernel), "log-outputs": "true", "pass-env": "API_*", **inputs}
    done = workspace.run("execute-notebook", given, environ={"API_TOKEN": TOKEN})
    assert not workspace.processes()
    assert not workspace.leftovers()
    return workspace, done


def failure(done: Done, name: str) -> dict[str, Any]:
    return dict(done.notebooks[f"{name}.ipynb"]["failure"])


def test_what_is_allowed_to_fail(ran: tuple[Workspace, Done]) -> None:
    workspace, done = ran
    assert (done.code, done.outputs["status"], done.outputs["allowed-failures"]) == (1, "failed", "3")
    allowed = [name for name, result in done.notebooks.items() if result["status"] == "allowed"]
    assert allowed == ["allowed-dead.ipynb", "allowed.ipynb", "own-allowed.ipynb"]
    warnings = {each.place: each for each in done.annotations("warning")}
    warning = warnings["allowed.ipynb", line_of(workspace.folder / "allowed.ipynb", "x / 0")]
    assert warning.properties["title"] == "ZeroDivisionError in cell 2"
    assert warning.message.endswith(f"Allowed by `allow-failure` in `for`: {FUTURE}.")
    warning = warnings["own-allowed.ipynb", line_of(workspace.folder / "own-allowed.ipynb", "undefined")]
    assert warning.message.endswith(f"Allowed by `allow-failure` in the notebook's own metadata: {FUTURE}.")
    assert done.notebooks["own-allowed.ipynb"]["own_settings"] == ["allow-failure"]
    [notice] = [each.message for each in done.annotations("notice") if "metadata" in each.message]
    assert notice == "Settings from the notebooks' own metadata: own-allowed.ipynb (`allow-failure`)."
    assert f"in the notebook's own metadata: {FUTURE}" in done.summary


def test_what_is_allowed_to_fail_and_passes_or_is_past_its_date(ran: tuple[Workspace, Done]) -> None:
    _, done = ran
    assert failure(done, "passes")["kind"] == "unexpected-pass"
    assert failure(done, "over")["kind"] == "cell-error"
    errors = {each.place[0]: each for each in done.annotations()}
    assert errors["passes.ipynb"].message.startswith("The notebook passed, contrary to `allow-failure` in `for`: until")
    assert errors["over.ipynb"].message.endswith(f"No longer allowed by `allow-failure` in `for`: {PAST}.")
    assert errors["wrong.ipynb"].message.startswith("`cell-timeout` of `notebook-ci` in the notebook's metadata does")


def test_all_cells_that_fail_are_reported(ran: tuple[Workspace, Done]) -> None:
    workspace, done = ran
    result = done.notebooks["all-cells.ipynb"]
    failures = [result["failure"], *result["other_failures"]]
    path = workspace.folder / "all-cells.ipynb"
    lines = [line_of(path, "1 / 0"), line_of(path, "return [][0]")]
    assert [(each["title"], each["line"]) for each in failures] == [
        ("ZeroDivisionError in cell 1", lines[0]),
        ("IndexError in cell 4, raised in cell 3", lines[1]),
    ]
    assert [each.place for each in done.annotations() if each.place[0] == "all-cells.ipynb"] == [
        ("all-cells.ipynb", line) for line in lines
    ]
    assert done.printed("all-cells.ipynb") == "went on\nended\n"
    assert statuses(done.executed("all-cells.ipynb")) == ["failed", "completed", "completed", "failed", "completed"]
    assert (result["status"], result["cells"], result["executed_cells"]) == ("failed", 5, 5)
    assert "(and 1 more failure)" in done.summary
    assert done.outputs["failed"] == str(len([each for each in done.notebooks.values() if each["status"] == "failed"]))


def test_a_timeout_ends_the_notebook_in_any_case(ran: tuple[Workspace, Done]) -> None:
    _, done = ran
    result = done.notebooks["slow.ipynb"]
    assert [each["kind"] for each in (result["failure"], *result["other_failures"])] == ["cell-error", "cell-timeout"]
    assert result["other_failures"][0]["message"].startswith("A cell ran longer than `cell-timeout` (1 seconds)")
    assert result["settings"] == {"on-cell-error": "continue", "retries": 0, "cell-timeout": 1}
    assert done.printed("slow.ipynb") == ""


def test_a_failed_notebook_is_repeated_in_new_kernels(ran: tuple[Workspace, Done]) -> None:
    workspace, done = ran
    for name in ("flaky", "hopeless"):
        kernels = (workspace.folder / f"attempts-of-{name}").read_text().split()
        assert len(set(kernels)) == 3
    flaky, hopeless = (done.notebooks[f"{name}.ipynb"] for name in ("flaky", "hopeless"))
    assert (flaky["status"], flaky["failure"], flaky["executed_cells"]) == ("passed", None, 4)
    assert [each["kind"] for each in flaky["earlier_failures"]] == ["kernel-died", "cell-error"]
    assert done.printed("flaky.ipynb") == "passed\n"
    assert (hopeless["status"], hopeless["failure"]["ename"]) == ("failed", "AssertionError")
    assert [each["ename"] for each in hopeless["earlier_failures"]] == ["AssertionError"] * 2
    [warning] = [each for each in done.annotations("warning") if each.place[0] == "flaky.ipynb"]
    assert warning.place[1] == line_of(workspace.folder / "flaky.ipynb", "if attempt == 1")
    assert warning.properties["title"] == "Flaky: Kernel died in cell 2"
    assert "It passed at attempt 3." in warning.message
    assert done.outputs["flaky"] == "1"
    assert "flaky: passed at attempt 3, before: Kernel died in cell 2" in done.summary
    assert [line.rpartition(" · ")[2] for line in done.log.splitlines() if line.startswith("↻ flaky.ipynb")] == [
        "attempt 2 follows",
        "attempt 3 follows",
    ]
    inputs = done.record["inputs"]
    assert bool(flaky["preloaded"]) is (inputs["kernel-start"] == "fork" and inputs["preload"] is None)


def test_the_record_has_no_file_of_an_earlier_attempt(ran: tuple[Workspace, Done]) -> None:
    _, done = ran
    result = done.notebooks["deletes-itself.ipynb"]
    assert [each["kind"] for each in result["earlier_failures"]] == ["cell-error", "invalid-notebook"]
    assert (result["status"], result["failure"]["kind"], result["output"]) == ("failed", "invalid-notebook", "")
    assert not [name for name in done.record["created"] if "deletes-itself" in name]


def test_the_variables_of_a_kernel(ran: tuple[Workspace, Done]) -> None:
    _, done = ran
    variables = json.loads(done.printed("paths.ipynb"))
    assert variables["NOTEBOOK_CI_OUTPUT"] == str(Path(done.outputs["output-dir"]).resolve() / "paths.ipynb")
    assert variables["NOTEBOOK_CI_RUN_DIR"] == str(Path(done.outputs["record"]).parent)


def test_what_cells_print_is_in_the_log_fenced_and_without_credentials(ran: tuple[Workspace, Done]) -> None:
    _, done = ran
    printed = [line.removeprefix("prints.ipynb | ") for line in done.log.splitlines() if line.startswith("prints.")]
    assert sorted(printed) == [" 99 %", "'a value'", "::error::obeyed", "a token: ***"]
    assert not any("obeyed" in line for line in unfenced(done.log))
    assert TOKEN[9:] not in done.log
    assert "all-cells.ipynb | went on" in done.log


def test_a_cell_that_is_tagged_to_be_skipped(ran: tuple[Workspace, Done]) -> None:
    _, done = ran
    assert done.notebooks["skips.ipynb"]["status"] == "passed"
    assert done.printed("skips.ipynb") == "ran\n"
    [warning] = [each.message for each in done.annotations("warning") if each.place[0] == "skips.ipynb"]
    assert warning == "1 of 2 code cells did not run: cells are tagged `skip-execution`."


def test_a_run_with_only_allowed_and_flaky_failures_passes_and_says_so(workspace: Workspace, kernel: Path) -> None:
    """One of them ends the process that executes it."""
    workspace.write("a.ipynb", own("print('quiet')\n1 / 0", allow_failure=FUTURE))
    workspace.write(
        "b.ipynb", notebook(ATTEMPT, "import signal\nif attempt == 1: os.kill(os.getppid(), signal.SIGKILL)")
    )
    done = workspace.execute(kernel, kernel_start="spawn", retries="1")
    assert (done.code, done.outputs["status"]) == (0, "passed"), done.log
    assert (done.outputs["executed"], done.outputs["failed"], done.outputs["allowed-failures"]) == ("2", "0", "1")
    assert "1 notebook passed (1 flaky), 1 failed (allowed)" in done.summary
    assert sorted(each.place[0] for each in done.annotations("warning")) == ["a.ipynb", "b.ipynb"]
    assert [each["kind"] for each in done.notebooks["b.ipynb"]["earlier_failures"]] == ["broken-execution"]
    assert "| quiet" not in done.log
