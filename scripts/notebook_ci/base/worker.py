"""The protocol between a stage and its worker: a script of ours that runs in the tool environment of another tool.

The worker reads a request from standard input and writes a reply to standard output: dataclasses, as JSON. Lines on
standard error that begin with `PROGRESS` are for the user; those that begin with `STEP` name the next action, to follow
"while"; all others come from the tool and its libraries. The reply begins with an empty line, which the worker writes
when it begins to load its libraries: it may be started before the request is known.
"""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

from notebook_ci.base import errors, process, typed_json
from notebook_ci.base.console import Console
from notebook_ci.base.errors import EXIT_BUG, NotebookCiError, SurroundingsError
from notebook_ci.base.masking import masked
from notebook_ci.base.process import Argument, Deadline
from notebook_ci.base.signals import how_it_ended
from notebook_ci.base.texts import without_secrets

PROGRESS, STEP = "PROGRESS ", "STEP "
LINES_SHOWN = 30
DISK = "Check the permissions of the file and its folder, and the free disk space."


@dataclass(kw_only=True)
class Reply:
    """What a worker has done until it ended or failed."""

    failures: list[dict[str, object]] = field(default_factory=list)  # see `NotebookCiError.as_json`

    def fail(self, *found: NotebookCiError) -> None:
        self.failures += [error.as_json() for error in found]

    @property
    def errors(self) -> list[NotebookCiError]:
        return [errors.from_json(failure) for failure in self.failures]


class TooSlow(Exception):
    """The time of a worker was over."""


AnyReply = TypeVar("AnyReply", bound=Reply)
AnyRequest = TypeVar("AnyRequest")


def ask(
    command: Sequence[Argument],
    request: object,
    kind: type[AnyReply],
    *,
    tool: str,
    env: Mapping[str, str],
    cwd: Path,
    console: Console,
    on_step: Callable[[str], object] = lambda _: None,
    deadline: Deadline | None = None,
    log: Path | None = None,
    started: "subprocess.Popen[str] | None" = None,
) -> AnyReply:
    """Run a worker, unless `waiting` has yielded it, and return its reply.

    `tool` is the subject of messages, `log` the file for what the tool prints. Raises TooSlow after the deadline, and
    SurroundingsError if the worker ends without a reply; its last lines are shown.
    """
    of_tool: list[str] = []

    def take(line: str) -> None:
        if line.startswith(PROGRESS):
            console.progress(line.removeprefix(PROGRESS))
        elif line.startswith(STEP):
            on_step(line.removeprefix(STEP))
        else:
            of_tool.append(line)

    if started:
        process.resume(started)
    # Not masked, unlike what is shown or kept: a path may contain the text of a secret.
    text = json.dumps(dataclasses.asdict(request))  # type: ignore[call-overload]  # mypy cannot demand a dataclass
    done = process.run(
        command, env=env, cwd=cwd, stdin=text, separate=True, on_line=take, timeout=deadline, started=started
    )
    shown = without_secrets(masked("\n".join(of_tool)))  # at once: tools wrap long lines
    if log and of_tool:
        log.write_text(shown + "\n", encoding="utf-8", errors="backslashreplace")
    if done.timed_out:
        raise TooSlow
    try:
        return typed_json.from_json(kind, json.loads(done.stdout))
    except ValueError as error:
        console.output("\n".join(shown.splitlines()[-LINES_SHOWN:]))
        ended = "ended by a bug of notebook-ci" if done.returncode == EXIT_BUG else how_it_ended(done.returncode)
        hint = "The lines above may say why. If the machine had enough memory, please report them."
        raise SurroundingsError(f"{tool} {ended}.", hint=hint) from error


@contextlib.contextmanager
def waiting(command: Sequence[Argument], *, env: Mapping[str, str], cwd: Path) -> Iterator["subprocess.Popen[str]"]:
    """Start a worker before its request is known. Yields it when it loads its libraries, or has ended."""
    with process.start(command, env=env, cwd=cwd, takes_input=True, separate=True) as started:
        try:
            if started.stdout:
                started.stdout.readline()
            yield started
        finally:
            started.kill()  # unless `ask` has ended it


def serve(
    kind: type[AnyRequest],
    reply: AnyReply,
    work: Callable[[AnyRequest, AnyReply], None],
    load: Callable[[], object] = lambda: None,
) -> NoReturn:
    """Do the work of a worker, which fills the reply, and end this process. `load` imports what the work needs."""
    status: Any = 0
    try:
        # What a library prints must not get into the reply.
        answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        answer.write("\n")
        answer.flush()
        load()
        text = sys.stdin.read()
        if not text:
            sys.exit(0)  # it was started for nothing
        request = typed_json.from_json(kind, json.loads(text))
        signal.signal(signal.SIGTERM, _stop)
        try:
            work(request, reply)
        except NotebookCiError as error:
            reply.fail(error)
        except OSError as error:
            what = f"{error.filename} cannot be read or written: {error.strerror or error}."
            reply.fail(SurroundingsError(what, hint=DISK))
        with answer:
            answer.write(json.dumps(dataclasses.asdict(reply)) + "\n")
        status = int(bool(reply.failures))
    except SystemExit as stopped:
        status = stopped.code
    except BaseException:  # noqa: BLE001 - shown here; the stage reports a bug
        sys.excepthook(*sys.exc_info())
        status = EXIT_BUG
    sys.stderr.flush()
    # At once: a thread that waits for a silent server cannot be ended in another way.
    os._exit(status if isinstance(status, int) else 1)


def progress(text: str) -> None:
    sys.stderr.write(f"{PROGRESS}{text}\n")  # which Python writes line by line


def step(text: str) -> None:
    sys.stderr.write(f"{STEP}{text}\n")


def _stop(number: int, _: FrameType | None) -> NoReturn:
    """End through `finally` blocks, which remove temporary files."""
    raise SystemExit(128 + number)
