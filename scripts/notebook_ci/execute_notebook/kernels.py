"""Kernels that run. With `kernel_specs.py` the one adapter of jupyter_client."""

import asyncio
import contextlib
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from queue import Empty
from typing import IO, Any, Literal, cast

import zmq
import zmq.asyncio
from jupyter_client import jsonutil
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from jupyter_client.session import Session
from traitlets import Type

from kernel_server import last_messages, processes
from notebook_ci.base.process import LINUX, POSIX
from notebook_ci.base.texts import quote
from notebook_ci.execute_notebook.deaths import LastWords, MemoryWatch
from notebook_ci.execute_notebook.forking import ForkedKernel, KernelServer, NotForkedError
from notebook_ci.execute_notebook.kernel_specs import Kernel
from notebook_ci.execute_notebook.listener import Listener

POLL_SECONDS = 0.005
WATCH_SECONDS = 0.001
REPLY_SECONDS = 1.0
IDLE_SECONDS = 0.2
ASK_SECONDS = 10.0
SILENCE_SECONDS = 60.0

# jupyter_client (8.10) has dateutil read the two dates of each message: a tenth of what executing takes here.
jsonutil._dateutil_parse = datetime.fromisoformat  # noqa: SLF001 - there is no other way to say so


class _Channel(AsyncZMQSocketChannel):  # type: ignore[misc] # jupyter_client is not seen by mypy
    """Takes messages as its socket's descriptor tells of them.

    zmq.asyncio (pyzmq 27.3) takes four turns of the event loop for a message, a fifth of a worker's CPU time with small
    cells. And jupyter_client (8.10) sends through another handle of the socket, which can use up what the descriptor
    tells: a reply that is there was never read, and a cell with an Output widget of ipywidgets was seen to hang so.
    """

    def __init__(self, socket: zmq.asyncio.Socket, session: Session, loop: object = None) -> None:
        super().__init__(socket, session, loop)
        self._plain = zmq.Socket.shadow(socket.underlying)
        self.has_free_cpu: Callable[[], bool] = lambda: False
        self._waiting: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None  # watches the descriptor
        self._count = 0

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        parts = self._taken() or await self._watched() or await self._coming(timeout)
        self._count += 1
        _, message = self.session.feed_identities(parts)
        return dict(self.session.deserialize(message))

    async def silence(self) -> None:
        """Wait until no message has come for a while: a dead kernel sends no more."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SILENCE_SECONDS):  # another process may send in the place of a dead kernel
                before = -1
                while before != self._count:
                    before = self._count
                    await asyncio.sleep(IDLE_SECONDS)

    def send(self, msg: dict[str, Any]) -> None:
        super().send(msg)
        if self._waiting:
            self._look()

    def close(self) -> None:
        self._leave()
        if self._waiting:
            self._waiting.cancel()
        super().close()

    stop = close

    def _taken(self) -> list[bytes]:
        """Take a message that is there; nothing: none is."""
        try:
            return list(self._plain.recv_multipart(zmq.NOBLOCK))
        except zmq.Again:
            return []

    async def _watched(self) -> list[bytes]:
        """Look for a message again and again for a while, if a CPU is free for that; nothing: none has come.

        To wake up takes longer than many a cell: on two CPUs, 2,000 small ones take 6 seconds so, and 8.7 without.
        """
        ends = time.monotonic() + WATCH_SECONDS
        while self.has_free_cpu() and time.monotonic() < ends:
            await asyncio.sleep(0)
            if parts := self._taken():
                return parts
        return []

    async def _coming(self, seconds: float | None) -> list[bytes]:
        """Wait for a message.

        Raises:
            Empty: None has come in time.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (parts := self._taken()):
                    await self._told()
                return parts
        if parts := self._taken():  # it has come at this very moment
            return parts
        raise Empty

    async def _told(self) -> None:
        """Wait until there may be a message."""
        if not POSIX:  # the event loop of Windows watches no descriptors
            await asyncio.sleep(POLL_SECONDS)
            return
        if not self._loop:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._plain.fileno(), self._look)
        waiting = self._waiting = self._loop.create_future()
        try:
            await waiting
        finally:
            if self._waiting is waiting:
                self._waiting = None

    def _look(self) -> None:
        """Wake who waits, if a message has come. While nobody does, the descriptor would tell of it without end."""
        if not self._waiting or self._waiting.done():
            self._leave()
        elif self._plain.get(zmq.EVENTS) & zmq.POLLIN:
            self._waiting.set_result(None)

    def _leave(self) -> None:
        if self._loop:
            self._loop.remove_reader(self._plain.fileno())
            self._loop = None


class _Client(AsyncKernelClient):  # type: ignore[misc] # as above
    """A client with such channels."""

    shell_channel_class = Type(_Channel)
    iopub_channel_class = Type(_Channel)

    def start_channels(self, *kinds: bool, **named: bool) -> None:
        super().start_channels(*kinds, **named)
        self.shell_channel.has_free_cpu = self.iopub_channel.has_free_cpu = self.parent.has_free_cpu

    def _context_default(self) -> zmq.asyncio.Context:
        """Have sockets that take any number of messages.

        ZeroMQ drops messages while a thousand wait here, and with them the one that says that the cell has ended.
        """
        context = super()._context_default()
        context.rcvhwm = 0
        return context


class _IpykernelClient(_Client):
    """A client that does not wait longer than it takes."""

    def execute(self, *code: str, **options: Any) -> str:
        """Have a cell executed.

        One is sent at a time: there is nothing to abort after an error, and a question to the kernel may follow.
        """
        return str(super().execute(*code, **{**options, "stop_on_error": False}))

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel answers its manager's greeting, and all that it has said before has come.

        jupyter_client (8.10) waits for 0.2 seconds of silence instead: not each kernel says that it is idle then.

        Raises:
            RuntimeError: It does not answer, or has died.
        """
        ends = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            with contextlib.suppress(Empty):
                self.parent.greeted = await self.ask(self.parent.greeting, REPLY_SECONDS, until_idle=True)
                return
            if not await self.is_alive():
                raise RuntimeError("Kernel died before replying to its first request")
            if time.monotonic() > ends:
                raise RuntimeError(f"Kernel didn't respond in {timeout} seconds")

    async def ask(self, expression: str, seconds: float = ASK_SECONDS, *, until_idle: bool = False) -> dict[str, Any]:
        """Have the kernel evaluate an expression, without a trace in the notebook.

        Returns:
            `status`, then `data` or `ename` and `evalue`.

        Raises:
            Empty: No message came within `seconds`.
        """
        asked = self.execute("", silent=True, store_history=False, user_expressions={"it": expression})
        while (reply := await self.get_shell_msg(timeout=seconds))["parent_header"].get("msg_id") != asked:
            pass
        while until_idle:
            told = await self.get_iopub_msg(timeout=IDLE_SECONDS)
            idle = told["msg_type"] == "status" and told["content"]["execution_state"] == "idle"
            until_idle = not (idle and told["parent_header"].get("msg_id") == asked)
        return dict(reply["content"].get("user_expressions", {}).get("it", reply["content"]))


class _Provisioner(LocalProvisioner):  # type: ignore[misc] # as above
    """Has kernels forked where a server is given that does, and starts them else."""

    def __init__(self, server: KernelServer | None, **traits: Any) -> None:
        super().__init__(**traits)
        self._server = server
        self.not_forked = ""
        self.peak = 0

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        memory = self.parent.memory
        if self._server and memory:
            try:
                self.process = self._server.fork(cmd, kwargs["env"], kwargs["cwd"], kwargs["stdout"], memory)
            except NotForkedError as error:
                self.not_forked = str(error)
            else:
                self.pid = self.process.pid
                return self.connection_info
        try:
            return await super().launch_kernel(cmd, **kwargs, pass_fds=[memory.fileno()] if memory else ())
        except (OSError, ValueError) as error:  # ValueError: of what no program can be given, as null characters
            said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error
            raise RuntimeError(f"{quote(cmd[0])} cannot be run: {said}") from error

    async def poll(self) -> int | None:
        """Return the exit code of the kernel, once it has ended, and note its peak memory."""
        process: Any = self.process
        if LINUX and isinstance(process, subprocess.Popen) and process.returncode is None:
            with contextlib.suppress(ChildProcessError):
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    process.returncode, self.peak = os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024
        return cast("int | None", await super().poll())

    async def wait(self) -> int | None:
        """Wait for the end of the kernel, and look more often than ten times a second."""
        while await self.poll() is None:
            await asyncio.sleep(POLL_SECONDS)
        return cast("int | None", await super().wait())


class UserKernelManager(AsyncKernelManager):  # type: ignore[misc] # jupyter_client is not seen by mypy
    """Starts a kernel.

    Args:
        kernel: Which one.
        folder: A private folder for connection file and sockets. Its path is short: a Unix socket's has 107 bytes.
        server: Forks the kernel; None: it is started.
        listener: Is told of the kernel's process.
        greeting: An expression that a kernel of the notebooks' Python evaluates first; the result is in `greeted`.
        log: The kernel's log.
    """

    def __init__(
        self,
        kernel: Kernel,
        folder: Path,
        server: KernelServer | None,
        listener: Listener,
        *,
        greeting: str,
        log: IO[bytes],
    ) -> None:
        super().__init__(kernel_name=kernel.name, connection_file=str(folder / "kernel.json"))
        self.is_ipykernel = kernel.is_ipykernel
        self.greeting = greeting
        self.greeted: dict[str, Any] = {}
        self.last_words = LastWords(log)
        self.memory: IO[bytes] | None = None
        if LINUX and kernel.is_ipykernel:
            self.memory = os.fdopen(os.memfd_create(last_messages.NAME), "r+b")
            self.memory.truncate(last_messages.SIZE)
        self._memory = MemoryWatch()
        self.client_factory = _IpykernelClient if kernel.is_ipykernel else _Client
        self.has_free_cpu = listener.has_free_cpu
        self._kernel = kernel
        self._listener = listener
        self._process: Any = None
        self.provisioner = _Provisioner(server, kernel_spec=self.kernel_spec, kernel_id="", parent=self)
        # No port is open to others. ipykernel 7.4 warns of TCP; other kernels need not know anything else.
        if POSIX and kernel.is_ipykernel:
            self.transport = "ipc"
            self.ip = str(folder / "socket")  # absolute: with a relative one it hangs

    @property
    def kernel_spec(self) -> KernelSpec:
        """Its specification."""
        kernel = self._kernel
        return KernelSpec(
            argv=list(kernel.argv),
            display_name=kernel.name,
            language=kernel.language,
            env=dict(kernel.env),
            resource_dir=kernel.folder,
        )

    async def _async_post_start_kernel(self, **kwargs: Any) -> None:
        await super()._async_post_start_kernel(**kwargs)
        self._process = self.provisioner.process
        self._listener.kernel(self._process.pid)

    @property
    def not_forked(self) -> str:
        """Why the kernel was not forked; nothing: it was, or was not meant to be."""
        return str(self.provisioner.not_forked)

    @property
    def has_imports(self) -> bool:
        """Whether it was forked after imports of its notebook."""
        return isinstance(self._process, ForkedKernel) and self._process.has_imports

    @property
    def start(self) -> Literal["", "fork", "spawn"]:
        """How the kernel came to be; nothing: there is none."""
        if self._process is None:
            return ""
        return "fork" if isinstance(self._process, ForkedKernel) else "spawn"

    async def _async_wait(self, pollinterval: float = POLL_SECONDS) -> None:
        """Wait for the kernel's end. jupyter_client looks for it ten times a second only."""
        await super()._async_wait(min(pollinterval, POLL_SECONDS))

    async def listening(self, seconds: float) -> None:
        """Wait until the kernel has made its sockets, has died, or the time is over: who connects then sees which."""
        if self.transport != "ipc":
            return
        sockets = [Path(f"{self.ip}-{port}") for port in self.ports]
        ends = time.monotonic() + seconds
        while not all(socket.exists() for socket in sockets) and time.monotonic() < ends and await self.is_alive():
            await asyncio.sleep(POLL_SECONDS)

    def cell_begins(self) -> None:
        """Note that a cell begins."""
        self.last_words.cell_begins(self._process.pid)

    def last_messages(self, session: Session) -> list[dict[str, Any]]:
        """Return the last messages of a dead kernel that have not come."""
        told: list[dict[str, Any]] = []
        if not self.memory:
            return told
        self.memory.seek(0)
        for parts in reversed(list(last_messages.read(self.memory.read()))):
            try:
                _, message = session.feed_identities(parts)
                told.append(dict(session.deserialize(message)))
            except (TypeError, ValueError):  # it has come, and so have those before it
                break
        return told[::-1]

    def death(self, who: str, when: str = "") -> str:
        """Return `MemoryWatch.sentence` about the kernel; nothing: it is not dead."""
        if self._process is None or self._process.returncode is None:
            return ""
        peak = getattr(self._process, "peak", self.provisioner.peak)
        return self._memory.sentence(who, self._process.returncode, peak, when)

    def signal_now(self, number: int) -> None:
        """Send a signal to the kernel and all it has started, from any thread, also after its end.

        jupyter_client starts a kernel as the leader of its own process group.
        """
        if isinstance(self._process, ForkedKernel):
            self._process.send_signal(number)
        elif self._process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if POSIX:
                    os.killpg(self._process.pid, number)
                else:
                    os.kill(self._process.pid, signal.SIGTERM)

    def end_now(self) -> None:
        """End what is left of the kernel and of all it has started."""
        if isinstance(self._process, ForkedKernel):
            self._process.end()
        elif LINUX:  # a worker adopts what its kernel leaves
            kernel, code = (self._process.pid, self._process.returncode) if self._process else (0, None)
            processes.end_after(kernel, code)
        else:
            self.signal_now(signal.SIGKILL if POSIX else signal.SIGTERM)
        self._listener.kernel(0)
        self.last_words.close()
        if self.memory:
            self.memory.close()
