"""Programs that run at once, and the order in which their output is shown."""

import io
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.console import console
from notebook_ci.base.plan import Nothing, Plan
from notebook_ci.base.side_by_side import LOW_PRIORITY, Output, Programs
from notebook_ci.base.systems import SYSTEMS
from notebook_ci.chain import Step, beside_others, waiting
from notebook_ci.stages import STAGES, awaited, load_stage
from unit.test_process import alive, until

ENV = {"PATH": os.environ["PATH"]}
ANNOTATION = "::error file=a.ipynb,line=3,title=x::" + "y" * 20_000
FENCED = ["::stop-commands::token", "::error::of a notebook", "##[command]x", "::token::"]
OF_AZURE = "##vso[task.logissue type=error;sourcepath=a.ipynb;]x"
OF_GITLAB = "section_start:0:x"


def programs(folder: Path) -> Programs:
    return Programs(ENV, folder)


def test_output_is_kept_until_it_is_shown() -> None:
    shown: list[str] = []
    output = Output(shown.append)
    output.add("1")
    output.add("2")
    assert shown == []
    output.show()
    assert shown == ["1", "2"]
    output.add("3")
    assert shown == ["1", "2", "3"]


@pytest.mark.parametrize("environ", [{}, *(dict([each.sign]) for each in SYSTEMS)])
def test_lines_of_a_stage_are_shown_as_they_were_written(tmp_path: Path, environ: dict[str, str]) -> None:
    """An annotation of any length is one line, and a runner obeys commands and fences in the output."""
    lines = [ANNOTATION, *FENCED, OF_AZURE, OF_GITLAB, "  an indented line", "", "the last one"]
    (tmp_path / "written").write_text("\n".join(lines))
    stream = io.StringIO()
    output = Output(console(environ, stream).relay)
    assert programs(tmp_path).run(["cat", "written"], on_line=output.add) == 0
    output.show()
    assert stream.getvalue().split("\n") == [*lines, ""]


def test_a_program_reads_its_input_and_its_exit_code_is_returned(tmp_path: Path) -> None:
    lines: list[str] = []
    code = programs(tmp_path).run(["bash", "-c", "cat; echo error >&2; exit 7"], stdin="given\n", on_line=lines.append)
    assert (code, lines) == (7, ["given", "error"])


def test_a_program_waits_for_its_input(tmp_path: Path) -> None:
    running = programs(tmp_path)
    process = running.start(["bash", "-c", "touch begun; cat"], is_read=True)
    assert process
    until((tmp_path / "begun").exists)
    assert process.poll() is None
    lines: list[str] = []
    assert running.finish(process, "given\n", lines.append) == 0
    assert lines == ["given"]


def test_what_a_program_leaves_running_does_not_keep_it_waiting(tmp_path: Path) -> None:
    lines: list[str] = []
    assert programs(tmp_path).run(["bash", "-c", "sleep 60 & echo $!"], on_line=lines.append) == 0
    until(lambda: not alive(int(lines[0])))


def test_in_background_means_a_low_priority(tmp_path: Path) -> None:
    lines: list[str] = []
    script = "read; nice"  # it gets its input when its priority is set
    programs(tmp_path).run(["bash", "-c", script], stdin="x\n", on_line=lines.append, in_background=True)
    assert lines == [str(LOW_PRIORITY)]


def test_all_are_stopped_and_no_other_is_started(tmp_path: Path) -> None:
    running = programs(tmp_path)
    begun = threading.Barrier(3)
    codes: list[int | None] = []

    def run() -> None:
        trap = "trap 'echo saved; exit 5' INT; echo begun; while true; do sleep 0.05; done"
        lines: list[str] = []

        def take(line: str) -> None:
            lines.append(line)
            if line == "begun":
                begun.wait(60)

        codes.append(running.run(["bash", "-c", trap], on_line=take))
        assert lines == ["begun", "saved"]

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    begun.wait(60)
    running.stop(signal.SIGINT)
    for thread in threads:
        thread.join(60)
    assert codes == [5, 5]
    assert running.run(["touch", "started"]) is None
    assert not (tmp_path / "started").exists()


# --- Which stages run at once


@dataclass(frozen=True, kw_only=True)
class ToyPlan(Plan):
    def lines(self) -> list[str]:
        return []


def steps(*planned: str) -> list[Any]:
    """Return all stages, of which these have something to do."""
    return [Step(load_stage(name), {}, ToyPlan() if name in planned else Nothing("Nothing."), {}) for name in STAGES]


def early(*planned: str) -> list[str]:
    """Return the stages that do not wait for their turn."""
    return [step.name for step in beside_others(steps(*planned))]


def ahead(*planned: str) -> list[str]:
    """Return the stages that are started before their turn, and wait for their inputs."""
    return [step.name for step in waiting(steps(*planned))]


def test_data_is_pulled_and_validated_while_the_environment_is_installed() -> None:
    assert early(*STAGES) == ["dvc-pull", "validate-data"]
    assert early("setup-env", "validate-data", "execute-notebook") == ["validate-data"]


def test_a_stage_whose_turn_it_is_needs_no_other_place() -> None:
    assert early("dvc-pull", "validate-data", "execute-notebook") == []
    assert early("setup-env", "execute-notebook", "log-run") == []


def test_notebooks_await_environment_and_data_and_all_others_await_the_notebooks() -> None:
    assert awaited("execute-notebook") == ("setup-env", "dvc-pull", "validate-data")
    assert all("execute-notebook" in awaited(name) for name in STAGES[4:])


def test_stages_that_import_much_are_started_ahead_if_they_await_others() -> None:
    assert ahead(*STAGES) == ["validate-data", "execute-notebook"]
    assert ahead("setup-env", "validate-data", "execute-notebook") == ["execute-notebook"]
    assert ahead("validate-data", "log-run") == ahead("execute-notebook", "log-run") == []


def test_of_the_stages_after_the_notebooks_only_log_run_may_be_started_ahead() -> None:
    """A notebook could change what the others import."""
    assert [name for name in STAGES if load_stage(name).ahead] == ["validate-data", "execute-notebook", "log-run"]
