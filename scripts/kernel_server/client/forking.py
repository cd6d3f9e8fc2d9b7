"""Kernels forked from a kernel server that has imported ipykernel: see `inside/server.py`."""

import array
import contextlib
import json
import math
import os
import select
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from kernel_server.client.sharing import Group

SERVER = Path(__file__).resolve().parents[1] / "inside" / "start.py"
READY = "-ready"  # the same as in the server
CHANGED = "packages or files changed: "  # the same as in the server
SILENT = "the server does not answer"
MOST_WAITING = 100
# Python resolves relative paths in these variables when it starts, from its working directory.
RELATIVE = {"PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX"}
READY_SECONDS = 60.0  # on a slow machine
FORK_SECONDS = 10.0
KILL_SECONDS = 1.0
END_SECONDS = 6.0  # a little more than a supervisor takes
POLL_SECONDS = 0.01


class NotForkedError(Exception):
    """No kernel was forked, so it must be started. The text says why."""


class ForkedKernel:
    """A forked kernel, with the part of `subprocess.Popen` that jupyter_client needs.

    Raises NotForkedError if the server does not fork, or does not answer within `seconds`.
    """

    stdin = stdout = stderr = None

    def __init__(self, supervisor: socket.socket, seconds: float) -> None:
        self.returncode: int | None = None  # negative: the signal that ended the kernel; None: it runs
        self.peak = 0  # its most bytes of memory, once it has ended; 0: unknown
        self._supervisor = supervisor
        self._lock = threading.Lock()  # the watch sends signals from its own thread
        supervisor.settimeout(seconds)
        try:
            self.has_imports = bool(self._number("imported"))
            self._supervisor_pid = self._number("supervisor")
            supervisor.sendall(b"\0")
            self.pid = self._number("pid")
        except OSError as error:
            raise NotForkedError(SILENT) from error

    def poll(self) -> int | None:
        with self._lock, contextlib.suppress(OSError):
            if self.returncode is None and select.select([self._supervisor], [], [], 0)[0]:
                try:
                    self.peak = self._number("peak")
                    self.returncode = self._number("code")
                except NotForkedError:
                    self._end_without_supervisor()
        return self.returncode

    def wait(self, seconds: float = math.inf) -> int | None:
        """Return the exit code, or None if it still runs after `seconds`."""
        ends = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() <= ends:
            time.sleep(POLL_SECONDS)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to its process group, if it runs."""
        with contextlib.suppress(OSError):
            self._supervisor.sendall(bytes([number]))
        if number == signal.SIGKILL and self.wait(KILL_SECONDS) is None:  # the supervisor was stopped by its kernel
            self._end_without_supervisor()

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def end(self) -> None:
        """Kill it and everything that it has started, whatever its state."""
        self.kill()
        try:
            self._supervisor.settimeout(END_SECONDS)
            self._number("ended")
        except (OSError, NotForkedError):  # the supervisor was stopped or killed by its kernel
            self._end_without_supervisor()
        with self._lock:
            self._supervisor.close()

    def _end_without_supervisor(self) -> None:
        if self.returncode is None:
            self.returncode = -signal.SIGKILL
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.kill(self._supervisor_pid, signal.SIGCONT)

    def _number(self, name: str) -> int:
        """Read the number that the supervisor writes under this name; earlier lines are dropped.

        Raises NotForkedError if the supervisor has ended or does not exist, and OSError if it does not answer.
        """
        while name not in (message := self._line()):
            if "refused" in message:
                raise NotForkedError(message["refused"])
        return int(message[name])

    def _line(self) -> dict[str, Any]:
        line = b""
        while not line.endswith(b"\n"):
            piece = self._supervisor.recv(1)
            if not piece:
                raise NotForkedError("the server ended")
            line += piece
        return dict(json.loads(line))


@dataclass(frozen=True)
class KernelServer:
    """A process that forks kernels of one interpreter. `address` is its socket."""

    address: Path

    def fork(
        self, argv: Sequence[str], environ: Mapping[str, str], cwd: str, log: IO[bytes], memory: IO[bytes]
    ) -> ForkedKernel:
        """Fork a kernel; raise NotForkedError if this fails.

        `argv` is the command that would start it: `PYTHON -m MODULE ...`. `log` receives what it prints in addition to
        its messages, and `memory` its last messages.
        """
        env = {_raw(name): _raw(value) for name, value in environ.items()}
        request = {"argv": [_raw(each) for each in argv], "env": env, "cwd": _raw(cwd)}
        # The same standard input as a started kernel's: a pipe that jupyter_client has closed.
        stdin, write = os.pipe()
        os.close(write)
        try:
            connection = self._ask(request, [stdin, log.fileno(), log.fileno(), memory.fileno()])
        finally:
            os.close(stdin)
        try:
            is_ready = Path(f"{self.address}{READY}").exists()
            return ForkedKernel(connection, FORK_SECONDS if is_ready else READY_SECONDS)
        except BaseException:
            connection.close()
            raise

    def grow(self, modules: Sequence[str], group: Group, listener: socket.socket) -> socket.socket:
        """Ask for another server that imports `modules` and listens on `listener`; raise NotForkedError if this fails.

        Returns a connection on which that server reports its progress. The server ends when it is closed.
        """
        return self._ask(
            {"preload": list(modules), "cwd": _raw(group.folder), "inline": group.inline}, [listener.fileno()]
        )

    def _ask(self, request: Mapping[str, object], descriptors: Sequence[int]) -> socket.socket:
        text = json.dumps(request).encode("ascii")
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(FORK_SECONDS)
            connection.connect(str(self.address))
            head = struct.pack("!I", len(text))
            connection.sendmsg([head], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])
            connection.sendall(text)
        except BaseException as error:
            connection.close()
            if isinstance(error, OSError):
                raise NotForkedError("the server ended" if isinstance(error, ConnectionError) else SILENT) from error
            raise
        return connection


def listening(address: Path) -> socket.socket:
    """Return a listening socket for a server; raise NotForkedError if it cannot be created."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(address))
    except OSError as error:  # the disk is full
        listener.close()
        raise NotForkedError(f"no socket can be created: {error.strerror}") from error
    listener.listen(MOST_WAITING)
    return listener


@contextlib.contextmanager
def serving(python: Path, environ: Mapping[str, str], folder: Path, remains: Path) -> Iterator[KernelServer]:
    """Run a server. It accepts requests while it still imports. Kernels may outlive it.

    `environ` are the variables that its kernels share: an import may read them. `folder` is its working directory and
    must not contain anything that an import could find. The server removes `remains` when this process is killed.
    Raises NotForkedError if it cannot be started, or its kernels would differ from started ones.
    """
    for name in RELATIVE:
        folders = environ.get(name, "")  # an empty variable counts as unset, an empty entry as the working directory
        if folders and not all(Path(each).is_absolute() for each in folders.split(os.pathsep)):
            raise NotForkedError(f"`{name}` has a relative or empty path, so it differs per notebook")
    address = folder / "server"
    with listening(address) as listener:
        try:
            process = subprocess.Popen(
                [python, SERVER, str(listener.fileno()), remains],
                env=dict(environ),
                cwd=folder,
                stdin=subprocess.PIPE,  # like a kernel's; the server ends when it is closed
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )
        except OSError as error:
            raise NotForkedError(f"the server cannot be started: {error.strerror or error}") from error
    try:
        yield KernelServer(address)
    finally:
        process.kill()
        process.communicate()


def _raw(text: str) -> str:
    """Return text with one character per byte of its file system encoding, because JSON has no bytes."""
    return os.fsencode(text).decode("latin-1")
