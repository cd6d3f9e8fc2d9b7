"""Worker processes: each executes one notebook at a time.

On Linux, workers are forked from a process that has imported everything they need, and share its memory. A notebook
that crashes its worker or uses much memory for outputs does not affect the others. A worker ends when its parent ends,
for whatever reason.
"""

import contextlib
import functools
import mmap
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import RawValue
from pathlib import Path
from typing import Any

from kernel_server.interface import KernelServer, processes
from notebook_ci.base import signals
from notebook_ci.base.errors import Cancelled
from notebook_ci.base.process import KILL, LINUX, POSIX, signal_group
from notebook_ci.execute_notebook.deaths import MemoryWatch
from notebook_ci.execute_notebook.engine import StoppedError
from notebook_ci.execute_notebook.outcome import Outcome, WorkerState
from notebook_ci.execute_notebook.plan import Execution
from notebook_ci.execute_notebook.runner import Executor, Shared

END_SECONDS = 5.0  # a runner that cancels a job kills what is left ten seconds later

_PROCESSES: Any = multiprocessing.get_context("fork" if LINUX else "spawn")


class Life:
    """A pipe that closes when the process that created it ends. Nothing is ever written."""

    def __init__(self) -> None:
        self._end, self._held = _PROCESSES.Pipe(duplex=False)

    def __getstate__(self) -> object:
        return {"_end": self._end, "_held": None}  # what a process that is not forked receives

    def wait(self) -> None:
        """In another process: wait for the end of the process that created this pipe."""
        with contextlib.suppress(EOFError, OSError):
            self._end.recv()

    def leave(self) -> None:
        """In another process: close its own copy of the open end."""
        if self._held:
            self._held.close()


class Worker:
    def __init__(self, shared: Shared, executions: Sequence[Execution], life: Life) -> None:
        self.index: int | None = None  # of its execution; None: it waits for one
        self.is_ending = False  # all cells have run; the rest is mostly waiting for the kernel's end
        # On Linux, multiprocessing would need /dev/shm, which may not be writable.
        self.state = WorkerState.from_buffer(mmap.mmap(-1, mmap.PAGESIZE)) if LINUX else RawValue(WorkerState)
        self.connection, theirs = _PROCESSES.Pipe()
        given = (shared, executions, theirs, self.state, life)
        self._process = _PROCESSES.Process(target=_work, args=given, daemon=True)
        with signals.held_back():  # until it can handle signals
            self._process.start()
        theirs.close()

    def begin(self, index: int, server: KernelServer | None) -> None:
        """Start an execution. Without a `server` its kernel is started, not forked."""
        self.index, self._memory = index, MemoryWatch()
        self.state.cell = 0
        with contextlib.suppress(OSError):  # if it has died, `receive` raises
            self.connection.send((index, server))

    def receive(self) -> Outcome | str | None:
        """Return the outcome that has come, and be free again; raise StoppedError if the worker has died.

        Text is for the log. None: only the kernel's end is left.
        """
        try:
            with signals.held_back():
                message: Outcome | str | None = self.connection.recv()
        except (EOFError, OSError) as error:
            self.end()
            how = self._memory.sentence("The process that executed the notebook", self._process.exitcode)
            raise StoppedError("broken-execution", how) from error
        self.is_ending = message is None
        if isinstance(message, Outcome):
            self.index = None
        return message

    def cancel(self) -> None:
        self._process.terminate()

    def leave(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.send(None)

    def end(self, seconds: float = END_SECONDS) -> None:
        """Wait at most `seconds` for its end, then kill it, and kill the kernel that it may have left."""
        self._process.join(max(seconds, 0))
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        signal_group(self.state.kernel, KILL)
        self.state.kernel = 0
        self.connection.close()


def _work(
    shared: Shared, executions: Sequence[Execution], connection: "Connection[Any, Any]", state: WorkerState, life: Life
) -> None:
    life.leave()
    if POSIX:
        os.setsid()  # Ctrl-C in a terminal is for the parent only
    if LINUX:
        processes.adopt()
    threading.Thread(target=_end_with, args=(state, life, shared.folder), daemon=True).start()
    with contextlib.suppress(Cancelled), signals.cancellable():
        if POSIX:  # only in this thread, or `held_back` would have no effect
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.CANCELLING)
        while request := _received(connection):
            index, server = request
            tell = functools.partial(_send, connection)
            connection.send(Executor(shared, executions[index], server, state, tell).execute())


def _send(connection: "Connection[Any, Any]", message: str | None) -> None:
    with signals.held_back():  # a part of a message would spoil what follows
        connection.send(message)


def _received(connection: "Connection[Any, Any]") -> tuple[int, KernelServer | None] | None:
    try:
        return connection.recv()  # type: ignore[no-any-return] # `Worker` sends these
    except (EOFError, OSError):
        return None


def _end_with(state: WorkerState, life: Life, folder: Path) -> None:
    """End this process when its parent was killed, and remove the parent's folder."""
    life.wait()
    if LINUX:
        processes.end_all(state.kernel)
    else:
        signal_group(state.kernel, KILL)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
