"""Clients of kernels: they send and receive messages, and wait no longer than necessary."""

import asyncio
import contextlib
import math
import time
from datetime import datetime
from queue import Empty
from typing import Any

import zmq
import zmq.asyncio
import zmq.utils.garbage  # pyzmq imports it for the first large message; later nothing may be imported
from jupyter_client import jsonutil
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.session import Session
from traitlets import Type

from notebook_ci.base.process import POSIX
from notebook_ci.execute_notebook.outcome import WorkerState

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
        self.state = WorkerState()  # a client sets the one that is shared
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
        while self.state.has_free_cpu and time.monotonic() < ends:
            await asyncio.sleep(0)
            if parts := self._taken():
                return parts
        return []

    async def _coming(self, seconds: float | None) -> list[bytes]:
        """Wait for a message; raise Empty if none comes in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (parts := self._taken()):
                    await self._readable()
                return parts
        if parts := self._taken():  # it came just now
            return parts
        raise Empty

    async def _readable(self) -> None:
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


class KernelClient(AsyncKernelClient):  # type: ignore[misc] # mypy cannot see jupyter_client
    shell_channel_class = Type(_Channel)
    iopub_channel_class = Type(_Channel)

    def execute(self, *code: str, **options: Any) -> str:
        # Cells are sent one at a time, so there is nothing to abort after an error; a cell or a question may follow.
        return str(super().execute(*code, **{**options, "stop_on_error": False}))

    def start_channels(self, *kinds: bool, **named: bool) -> None:
        super().start_channels(*kinds, **named)
        self.shell_channel.state = self.iopub_channel.state = self.parent.state

    def _context_default(self) -> zmq.asyncio.Context:
        context = super()._context_default()
        # No limit: ZeroMQ drops messages while a thousand wait, perhaps the one that says that the cell has ended.
        context.rcvhwm = 0
        return context


class IpykernelClient(KernelClient):
    """A client that uses what ipykernel guarantees, to wait no longer than necessary."""

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

        Returns its value (`data`, like an output) or its error (`ename`, `evalue`), with a `status`. Raises Empty if
        no message comes within `seconds`.
        """
        asked = self.execute("", silent=True, store_history=False, user_expressions={"it": expression})
        while (reply := await self.get_shell_msg(timeout=seconds))["parent_header"].get("msg_id") != asked:
            pass
        while until_idle:
            message = await self.get_iopub_msg(timeout=IDLE_SECONDS)
            idle = message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"
            until_idle = not (idle and message["parent_header"].get("msg_id") == asked)
        return dict(reply["content"].get("user_expressions", {}).get("it", reply["content"]))
