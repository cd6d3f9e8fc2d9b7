"""Starts and ends kernels. With `kernel_client.py` and `kernel_specs.py`, the only adapter of jupyter_client."""

import asyncio
import contextlib
import os
import subprocess
import time
from pathlib import Path
from typing import IO, Any, Literal, Self, cast

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from jupyter_client.session import Session

from kernel_server.interface import (
    ForkedKernel,
    KernelServer,
    NotForkedError,
    memory_for_messages,
    messages_in,
    processes,
)
from notebook_ci.base import signals
from notebook_ci.base.process import KILL, LINUX, POSIX, signal_group
from notebook_ci.base.texts import quote
from notebook_ci.execute_notebook.deaths import LastWords, MemoryWatch
from notebook_ci.execute_notebook.kernel_client import IpykernelClient, KernelClient
from notebook_ci.execute_notebook.outcome import WorkerState

POLL_SECONDS = 0.005


class _Provisioner(LocalProvisioner):  # type: ignore[misc] # mypy cannot see jupyter_client
    """Forks kernels if a server is given and can fork, and starts them otherwise."""

    def __init__(self, server: KernelServer | None, **traits: Any) -> None:
        super().__init__(**traits)
        self._server = server
        self.not_forked = ""  # why the kernel was not forked; empty if it was, or was not meant to be
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
            what = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error
            raise RuntimeError(f"{quote(cmd[0])} cannot be started: {what}") from error

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
    evaluates first; the answer is in `greeted`: see `IpykernelClient.ask`.
    """

    def __init__(
        self,
        kernel: KernelSpec,
        folder: Path,
        server: KernelServer | None,
        state: WorkerState,
        *,
        greeting: str,
        log: IO[bytes],
    ) -> None:
        super().__init__(kernel_name=kernel.name, connection_file=str(folder / "kernel.json"))
        self.is_ipykernel = not kernel.resource_dir  # as `Execution.is_ipykernel` says
        self.greeting = greeting
        self.greeted: dict[str, Any] = {}
        self.last_words = LastWords(log)
        self.memory = memory_for_messages() if LINUX and self.is_ipykernel else None
        self._memory_watch = MemoryWatch()
        self.client_factory = IpykernelClient if self.is_ipykernel else KernelClient
        self.state = state
        self._kernel = kernel
        self._process: Any = None
        self.start: Literal["", "fork", "spawn"] = ""  # how the kernel was started; empty: there is none
        self.has_imports = False  # it was forked after imports of its notebook
        self.provisioner = _Provisioner(server, kernel_spec=self.kernel_spec, kernel_id="", parent=self)
        # No port is open to others. ipykernel 7.4 warns about TCP; other kernels may support nothing else.
        if POSIX and self.is_ipykernel:
            self.transport = "ipc"
            self.ip = str(folder / "socket")  # absolute: with a relative path the kernel hangs

    @property
    def kernel_spec(self) -> KernelSpec:
        return self._kernel

    async def _async_post_start_kernel(self, **kwargs: Any) -> None:
        await super()._async_post_start_kernel(**kwargs)
        self._process = self.provisioner.process
        is_forked = isinstance(self._process, ForkedKernel)
        self.start, self.has_imports = "fork" if is_forked else "spawn", is_forked and self._process.has_imports
        self.state.kernel = self._process.pid

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

    def cell_begins(self, number: int) -> None:
        self.state.cell = number
        self.last_words.cell_begins(self._process.pid)

    def last_messages(self, session: Session) -> list[dict[str, Any]]:
        """Return the last messages of a dead kernel that were not received."""
        if not self.memory:
            return []
        messages: list[dict[str, Any]] = []
        for parts in reversed(messages_in(self.memory)):
            try:
                _, message = session.feed_identities(parts)
                messages.append(dict(session.deserialize(message)))
            except (TypeError, ValueError):  # it was already received, and so were all before it
                break
        return messages[::-1]

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
        elif self._process:  # jupyter_client starts a kernel as the leader of its own process group
            signal_group(self._process.pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what is left of the kernel and of everything it has started."""
        with signals.held_back():
            if isinstance(self._process, ForkedKernel):
                self._process.end()
            elif LINUX:  # a worker adopts the orphans of its kernel
                kernel, code = (self._process.pid, self._process.returncode) if self._process else (0, None)
                processes.end_after(kernel, code)
            else:
                self.signal_now(KILL)
            self.state.kernel = 0
            self.last_words.close()
            if self.memory:
                self.memory.close()
