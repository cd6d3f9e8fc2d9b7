"""A wrong input as a case, and the assertions that it is refused before any work begins."""

import contextlib
import io
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from integration.suite import Done, Workspace, notebook, parameters
from notebook_ci.base.stage import Command
from notebook_ci.records.run_directory import RUN_MARKER

RAN = notebook(parameters("alpha = 1"), "open('ran', 'w').close()")
Content = str | bytes | Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """A wrong input.

    Attributes:
        inputs: The inputs of the action, or text instead of their JSON.
        message: What the error begins with; `{cwd}` is the workspace.
        files: What is in the workspace, beside a notebook and a lock.
        place: File and line of the annotation.
        code: The exit code.
        environ: Variables of the step.
    """

    inputs: Mapping[str, str] | str
    message: str
    files: Mapping[str, Content] = field(default_factory=dict)
    place: tuple[str, int] = ("", 0)
    code: int = 2
    environ: Mapping[str, str] = field(default_factory=dict)


def prepare(workspace: Workspace, case: Case, files: Mapping[str, Content]) -> tuple[Mapping[str, str] | str, str]:
    """Write the files; return inputs and message with the workspace filled in."""
    for name, content in {**files, **case.files}.items():
        if content == b"":
            (workspace.folder / name).unlink(missing_ok=True)
        else:
            workspace.write(name, content)
    cwd = str(workspace.folder)
    inputs = case.inputs
    if not isinstance(inputs, str):
        inputs = {name: value.replace("{cwd}", cwd) for name, value in inputs.items()}
    return inputs, case.message.replace("{cwd}", cwd)


def run_here(
    workspace: Workspace,
    command: Command[Any],
    inputs: Mapping[str, str] | str,
    environ: Mapping[str, str | None] | None = None,
    flags: Iterable[str] = (),
) -> Done:
    """Run a command as a step of a runner, in this process, which costs a third of a second less than its own."""
    workspace.create_runner_files()
    given = {**workspace.environ, **workspace.runner_environ, **(environ or {})}
    variables = {name: value for name, value in given.items() if value is not None}
    stdin = io.StringIO(inputs if isinstance(inputs, str) else json.dumps(dict(inputs), ensure_ascii=False))
    log, began = io.StringIO(), time.monotonic()
    with (
        contextlib.chdir(workspace.folder),
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
        _only(variables),
    ):
        code = command.main(["--inputs-from-stdin", *flags], variables, stdin)
    return workspace.done(code, log.getvalue(), time.monotonic() - began)


@contextlib.contextmanager
def _only(variables: Mapping[str, str]) -> Iterator[None]:
    """Give this process the environment of the step, and its temporary folder."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    tempfile.tempdir = None
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        tempfile.tempdir = None


def assert_refused(done: Done, case: Case, message: str) -> None:
    assert done.code == case.code, done.log
    errors = done.annotations()
    assert errors[0].message[: len(message)] == message
    assert errors[0].place == case.place
    assert errors[0].message.rstrip().endswith((".", "`", ">")), "a sentence"
    assert len(errors) == 1
    assert "Traceback" not in done.log
    assert done.outputs["status"] == "error"


def assert_nothing_was_done(workspace: Workspace, stage: str) -> None:
    """A record at most is in the run directory, and no environment was made."""
    files = {str(path.relative_to(workspace.runner_temp)) for path in workspace.runner_temp.rglob("*")}
    assert files <= {"notebook-ci", f"notebook-ci/{RUN_MARKER}", f"notebook-ci/{stage}.json"}
    assert not list(workspace.folder.rglob("ran"))
    assert not workspace.leftovers()
