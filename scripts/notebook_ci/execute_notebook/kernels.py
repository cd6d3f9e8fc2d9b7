"""Running kernels. With `kernel_specs.py`, the only adapter of jupyter_client."""

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

from kernel_server.interface import ForkedKernel, KernelServer, NotForkedError, last_messages, processes
from notebook_ci.base.process import LINUX, POSIX
from notebook_ci.base.texts import quote
from notebook_ci.execute_notebook.deaths import LastWords, MemoryWatch
from notebook_ci.execute_notebook.kernel_specs import Kernel
from notebook_ci.execute_notebook.listener import Listener

POLL_SECONDS = 0.005
WATCH_SECONDS = 0.001
REPLY_SECONDS = 1.0
IDLE_SECONDS = 0.2
ASK_SECONDS = 10.0
SILENCE_SECONDS = 60.0

# jupyter_client (8.10) parses the two dates of each message with dateutil: a tenth of the time of an execution.
jsonutil._dateutil_parse = datetime.fromisoformat  # noqa: SLF001 - there is no public setting


class _Channel(AsyncZMQSocketChannel):  # type: ignore[misc] # mypy cannot see jupyter_client
    """Receives messages when the descriptor of its socket becomes readable.

    zmq.asyncio (pyzmq 27.3) takes four turns of the event loop per message: with small cells, a fifth of a worker's CPU
    time. And jupyter_client (8.10) sends through another handle of the socket, which can clear the descriptor's state:
    a reply was never read, and a cell with an Output widget of ipywidgets was seen to hang.
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
            async with asyncio.timeout(SILENCE_SECONDS):  # a child of a dead kernel may go on sending
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
        """Receive a message without waiting; empty if none has come."""
        try:
            return list(self._plain.recv_multipart(zmq.NOBLOCK))
        except zmq.Again:
            return []

    async def _watched(self) -> list[bytes]:
        """Poll for a message for a short time, if a CPU is free; empty if none has come.

        Waking up takes longer than many cells: on two CPUs, 2,000 small cells take 6 seconds with this, and 8.7
        without.
        """
        ends = time.monotonic() + WATCH_SECONDS
        while self.has_free_cpu() and time.monotonic() < ends:
            await asyncio.sleep(0)
            if parts := self._taken():
                return parts
        return []

    async def _coming(self, seconds: float | None) -> list[bytes]:
        """Wait for a message; raise Empty if none comes in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (parts := self._taken()):
                    await self._told()
                return parts
        if parts := self._taken():  # it came just now
            return parts
        raise Empty

    async def _told(self) -> None:
        """Wait until there may be a message."""
        if not POSIX:  # the event loop of Windows cannot watch descriptors
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
        """Wake the waiting coroutine if a message has come.

        If none waits, stop watching: otherwise the event loop would report the descriptor again and again.
        """
        if not self._waiting or self._waiting.done():
            self._leave()
        elif self._plain.get(zmq.EVENTS) & zmq.POLLIN:
            self._waiting.set_result(None)

    def _leave(self) -> None:
        if self._loop:
            self._loop.remove_reader(self._plain.fileno())
            self._loop = None


class _Client(AsyncKernelClient):  # type: ignore[misc] # as above
    shell_channel_class = Type(_Channel)
    iopub_channel_class = Type(_Channel)

    def start_channels(self, *kinds: bool, **named: bool) -> None:
        super().start_channels(*kinds, **named)
        self.shell_channel.has_free_cpu = self.iopub_channel.has_free_cpu = self.parent.has_free_cpu

    def _context_default(self) -> zmq.asyncio.Context:
        context = super()._context_default()
        # No limit: ZeroMQ drops messages while a thousand wait, perhaps the one that says that the cell has ended.
        context.rcvhwm = 0
        return context


class _IpykernelClient(_Client):
    """A client that uses what ipykernel guarantees, to wait no longer than necessary."""

    def execute(self, *code: str, **options: Any) -> str:
        # Cells are sent one at a time, so there is nothing to abort after an error; a question may follow.
        return str(super().execute(*code, **{**options, "stop_on_error": False}))

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel has answered its manager's greeting, and all its earlier messages have come.

        jupyter_client (8.10) waits for 0.2 seconds of silence instead, because not every kernel reports that it is
        idle. Raises RuntimeError if the kernel does not answer, or has died.
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
        """Let the kernel evaluate an expression, without a trace in the notebook.

        Returns `status`, and `data` or `ename` and `evalue`. Raises Empty if no message comes within `seconds`.
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
    """Forks kernels if a server is given and can fork, and starts them otherwise."""

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
        except (OSError, ValueError) as error:  # ValueError: null characters, for example
            said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error
            raise RuntimeError(f"{quote(cmd[0])} cannot be started: {said}") from error

    async def poll(self) -> int | None:
        """Return the exit code of the kernel once it has ended, and note its peak memory."""
        process: Any = self.process
        if LINUX and isinstance(process, subprocess.Popen) and process.returncode is None:
            with contextlib.suppress(ChildProcessError):
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    process.returncode, self.peak = os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024
        return cast("int | None", await super().poll())

    async def wait(self) -> int | None:
        while await self.poll() is None:
            await asyncio.sleep(POLL_SECONDS)  # jupyter_client polls only ten times per second
        return cast("int | None", await super().wait())


class UserKernelManager(AsyncKernelManager):  # type: ignore[misc] # mypy cannot see jupyter_client
    """Starts a kernel and ends it.

    `folder` is private, for the connection file and sockets; its path must be short, because a Unix socket's has at
    most 107 bytes. Without a `server` the kernel is started, not forked. `greeting` is an expression that ipykernel
    evaluates first; its result is in `greeted`.
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
        self._memory_watch = MemoryWatch()
        self.client_factory = _IpykernelClient if kernel.is_ipykernel else _Client
        self.has_free_cpu = listener.has_free_cpu
        self._kernel = kernel
        self._listener = listener
        self._process: Any = None
        self.provisioner = _Provisioner(server, kernel_spec=self.kernel_spec, kernel_id="", parent=self)
        # No port is open to others. ipykernel 7.4 warns about TCP; other kernels may support nothing else.
        if POSIX and kernel.is_ipykernel:
            self.transport = "ipc"
            self.ip = str(folder / "socket")  # absolute: with a relative path the kernel hangs

    @property
    def kernel_spec(self) -> KernelSpec:
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
        """Why the kernel was not forked; empty if it was, or was not meant to be."""
        return str(self.provisioner.not_forked)

    @property
    def has_imports(self) -> bool:  # it was forked after imports of its notebook
        return isinstance(self._process, ForkedKernel) and self._process.has_imports

    @property
    def start(self) -> Literal["", "fork", "spawn"]:
        """How the kernel was started; empty if there is none."""
        if self._process is None:
            return ""
        return "fork" if isinstance(self._process, ForkedKernel) else "spawn"

    async def _async_wait(self, pollinterval: float = POLL_SECONDS) -> None:
        await super()._async_wait(min(pollinterval, POLL_SECONDS))  # jupyter_client polls only ten times per second

    async def listening(self, seconds: float) -> None:
        """Wait until the kernel has created its sockets, has died, or time is up: a later connection shows which."""
        if self.transport != "ipc":
            return
        sockets = [Path(f"{self.ip}-{port}") for port in self.ports]
        ends = time.monotonic() + seconds
        while not all(socket.exists() for socket in sockets) and time.monotonic() < ends and await self.is_alive():
            await asyncio.sleep(POLL_SECONDS)

    def cell_begins(self) -> None:
        self.last_words.cell_begins(self._process.pid)

    def last_messages(self, session: Session) -> list[dict[str, Any]]:
        """Return the last messages of a dead kernel that were not received."""
        told: list[dict[str, Any]] = []
        if not self.memory:
            return told
        self.memory.seek(0)
        for parts in reversed(list(last_messages.read(self.memory.read()))):
            try:
                _, message = session.feed_identities(parts)
                told.append(dict(session.deserialize(message)))
            except (TypeError, ValueError):  # it was already received, and so were all before it
                break
        return told[::-1]

    def death(self, who: str, when: str = "") -> str:
        """Return `MemoryWatch.sentence` about the kernel; empty if it is not dead."""
        if self._process is None or self._process.returncode is None:
            return ""
        peak = getattr(self._process, "peak", self.provisioner.peak)
        return self._memory_watch.sentence(who, self._process.returncode, peak, when)

    def signal_now(self, number: int) -> None:
        """Send a signal to the kernel and everything it has started, from any thread, even after its end."""
        if isinstance(self._process, ForkedKernel):
            self._process.send_signal(number)
        elif self._process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if POSIX:  # jupyter_client starts a kernel as the leader of its own process group
                    os.killpg(self._process.pid, number)
                else:
                    os.kill(self._process.pid, signal.SIGTERM)

    def end_now(self) -> None:
        """Kill what is left of the kernel and of everything it has started."""
        if isinstance(self._process, ForkedKernel):
            self._process.end()
        elif LINUX:  # a worker adopts the orphans of its kernel
            kernel, code = (self._process.pid, self._process.returncode) if self._process else (0, None)
            processes.end_after(kernel, code)
        else:
            self.signal_now(signal.SIGKILL if POSIX else signal.SIGTERM)
        self._listener.kernel(0)
        self.last_words.close()
        if self.memory:
            self.memory.close()
