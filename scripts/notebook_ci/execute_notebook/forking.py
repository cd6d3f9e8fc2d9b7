"""Kernels that are forked from a server which has imported ipykernel: see `scripts/kernel_server/`."""

import array
import contextlib
import json
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

SERVER = Path(__file__).resolve().parents[2] / "kernel_server" / "start.py"
READY = "-ready"  # as the server has it
CHANGED = "packages or files changed: "  # as the server has it
SILENT = "the server does not answer"
MOST_WAITING = 100
# Variables whose paths Python takes from its working directory when it begins.
RELATIVE = {"PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX"}
READY_SECONDS = 60.0  # on a slow machine
FORK_SECONDS = 10.0
KILL_SECONDS = 1.0
END_SECONDS = 6.0  # a little more than a keeper takes
POLL_SECONDS = 0.01


class NotForkedError(Exception):
    """No kernel was forked: it has to be started. The text says why."""


class ForkedKernel:
    """A forked kernel, with what jupyter_client needs of a `subprocess.Popen`.

    Args:
        keeper: The connection to its keeper.
        seconds: How long the server may take.

    Attributes:
        pid: Its process id.
        has_imports: Its server had imported what notebooks import.
        returncode: Its exit code; negative: the signal that ended it; None: it runs.
        peak: The most bytes of memory that it had, once it has ended; 0: not known.

    Raises:
        NotForkedError: The server does not fork.
    """

    stdin = stdout = stderr = None

    def __init__(self, keeper: socket.socket, seconds: float) -> None:
        self.returncode: int | None = None
        self.peak = 0
        self._channel = keeper
        # The watch asks from a thread of its own.
        self._lock = threading.Lock()
        keeper.settimeout(seconds)
        try:
            self.has_imports = bool(self._told("imported"))
            self._keeper = self._told("keeper")
            keeper.sendall(b"\0")
            self.pid = self._told("pid")
        except OSError as error:
            raise NotForkedError(SILENT) from error

    def poll(self) -> int | None:
        """Return the exit code, once it has ended."""
        with self._lock, contextlib.suppress(OSError):
            if self.returncode is None and select.select([self._channel], [], [], 0)[0]:
                try:
                    self.peak = self._told("peak")
                    self.returncode = self._told("code")
                except NotForkedError:
                    self._end_without_keeper()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return the exit code.

        Raises:
            subprocess.TimeoutExpired: It did not come in time.
        """
        ends = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if ends is not None and time.monotonic() > ends:
                raise subprocess.TimeoutExpired("kernel", timeout or 0)
            time.sleep(POLL_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal to its process group, if it runs."""
        with contextlib.suppress(OSError):
            self._channel.sendall(bytes([number]))
        if number == signal.SIGKILL:
            try:
                self.wait(KILL_SECONDS)
            except subprocess.TimeoutExpired:  # the keeper was stopped by its kernel
                self._end_without_keeper()

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def end(self) -> None:
        """End it and all that it has started, whatever its state."""
        self.kill()
        try:
            self._channel.settimeout(END_SECONDS)
            self._told("ended")
        except (OSError, NotForkedError):  # the keeper was stopped or killed by its kernel
            self._end_without_keeper()
        with self._lock:
            self._channel.close()

    def _end_without_keeper(self) -> None:
        if self.returncode is None:
            self.returncode = -signal.SIGKILL
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.kill(self._keeper, signal.SIGCONT)

    def _told(self, name: str) -> int:
        """Return the number that the keeper gives under a name. What it has said before is of no use any more.

        Raises:
            NotForkedError: The keeper has ended, or there is none.
            OSError: It says nothing.
        """
        while name not in (told := self._line()):
            if "refused" in told:
                raise NotForkedError(told["refused"])
        return int(told[name])

    def _line(self) -> dict[str, Any]:
        line = b""
        while not line.endswith(b"\n"):
            piece = self._channel.recv(1)
            if not piece:
                raise NotForkedError("the server ended")
            line += piece
        return dict(json.loads(line))


@dataclass(frozen=True)
class KernelServer:
    """A process that forks kernels of one interpreter.

    Attributes:
        address: Its socket.
    """

    address: Path

    def fork(
        self, argv: Sequence[str], environ: Mapping[str, str], cwd: str, log: IO[bytes], memory: IO[bytes]
    ) -> ForkedKernel:
        """Fork a kernel.

        Args:
            argv: The command that would start it: `PYTHON -m MODULE ...`.
            environ: Its environment.
            cwd: Its working directory.
            log: Takes what it prints beside its messages.
            memory: Takes its last messages.

        Raises:
            NotForkedError: It was not forked.
        """
        env = {_raw(name): _raw(value) for name, value in environ.items()}
        request = {"argv": [_raw(each) for each in argv], "env": env, "cwd": _raw(cwd)}
        # As a started one's: a pipe that jupyter_client has closed.
        stdin, write = os.pipe()
        os.close(write)
        try:
            connection = self._asked(request, [stdin, log.fileno(), log.fileno(), memory.fileno()])
        finally:
            os.close(stdin)
        try:
            return ForkedKernel(connection, FORK_SECONDS if self._is_ready else READY_SECONDS)
        except BaseException:
            connection.close()
            raise

    def grow(self, modules: Sequence[str], cwd: str, listener: socket.socket) -> socket.socket:
        """Have it fork another server, which imports modules.

        Args:
            modules: What it imports.
            cwd: Its working directory.
            listener: Its socket.

        Returns:
            A connection that tells what it does. The server ends when that is closed.

        Raises:
            NotForkedError: It cannot be asked.
        """
        return self._asked({"preload": list(modules), "cwd": _raw(cwd)}, [listener.fileno()])

    def _asked(self, request: Mapping[str, object], descriptors: Sequence[int]) -> socket.socket:
        """Return a connection that has asked for something."""
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

    @property
    def _is_ready(self) -> bool:
        return Path(f"{self.address}{READY}").exists()


def listening(address: Path) -> socket.socket:
    """Return a socket for a server.

    Raises:
        NotForkedError: It cannot be made.
    """
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(address))
    except OSError as error:  # the disk is full
        listener.close()
        raise NotForkedError(f"no socket can be made: {error.strerror}") from error
    listener.listen(MOST_WAITING)
    return listener


@contextlib.contextmanager
def serving(python: Path, environ: Mapping[str, str], folder: Path, remains: Path) -> Iterator[KernelServer]:
    """Run a server. It is used while it still imports; kernels that run at the end are not its concern.

    Args:
        python: The interpreter.
        environ: The environment that its kernels have in common: an import may look at it.
        folder: A folder to run in, where nothing stands in the way of an import.
        remains: A folder that it removes when this process is killed.

    Raises:
        NotForkedError: It cannot be started, or would not be as its kernels would be.
    """
    for name in RELATIVE:
        folders = environ.get(name, "")  # an empty variable counts as none, an empty entry as the working directory
        if folders and not all(Path(each).is_absolute() for each in folders.split(os.pathsep)):
            raise NotForkedError(f"{name} has a relative or empty path, which is another one for each notebook")
    address = folder / "server"
    with listening(address) as listener:
        try:
            process = subprocess.Popen(
                [python, SERVER, str(listener.fileno()), remains],
                env=dict(environ),
                cwd=folder,
                stdin=subprocess.PIPE,  # as a kernel's; and the server ends when it is closed
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
    """Return text as the bytes it is for the system, each as a character: JSON has no bytes."""
    return os.fsencode(text).decode("latin-1")
