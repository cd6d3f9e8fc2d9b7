"""Forks kernels. Runs in the user's interpreter: Python 3.8 and later, the standard library and ipykernel alone.

    python server.py <descriptor>

The descriptor is that of a Unix socket, to the driver. A message there asks for a kernel: its first four bytes are the
length of the JSON that follows (`argv`, `cwd`, `env`), and with them come four descriptors: a socket for this one
kernel, and its standard streams. The server has imported what ipykernel needs, and forks:

    server ── keeper ── kernel

A keeper writes its process id to that socket, forks the kernel when it reads a zero byte, and writes that process id.
Each further byte that it reads is a signal for the kernel's process group. When the kernel has ended, and the keeper
has ended all that the kernel had started, it writes the kernel's exit code. The socket is closed when the driver ends,
however that comes: then the keeper ends all of it. Linux only.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict

Request = Dict[str, Any]

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
STREAMS = 3
# What a kernel imports before its first cell; not all of it is there in all versions.
MODULES = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.core.history",
    "IPython.core.magics",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "jupyter_client.localinterfaces",
    "psutil",
    "sqlite3",
    "tornado.platform.asyncio",
)


def main() -> None:
    """Serve; in the process of a kernel, be that."""
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]  # the folder of this file
    control = socket.socket(fileno=int(sys.argv[1]))
    before = dict(os.environ)
    for name in MODULES:
        with suppress(ImportError):
            importlib.import_module(name)
    imported = {name: value for name, value in os.environ.items() if before.get(name) != value}
    gc.collect()
    gc.freeze()  # so that memory which is shared with the kernels stays so
    control.sendall(b"ready\n")
    request = serve(control)
    if request:
        be_as_started(request, imported)
        # `python -m ipykernel_launcher ...`
        runpy.run_module(request["argv"][2], run_name="__main__", alter_sys=True)


def serve(control: socket.socket) -> Request | None:
    """Fork a kernel for each request. Returns the request in the kernel's process; None when the driver has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how keepers end
    while True:
        request, descriptors = receive(control)
        if request is None:
            return None
        try:
            keeper = os.fork()
        except OSError:  # the driver sees that its socket is closed
            keeper = -1
        if keeper == 0:
            control.close()
            return keep(socket.socket(fileno=descriptors[0]), request, descriptors[1:])
        for descriptor in descriptors:
            os.close(descriptor)


def receive(control: socket.socket) -> tuple[Request | None, list[int]]:
    """Return a request and its descriptors; None where there will be none any more."""
    head, ancillary, _, _ = control.recvmsg(4, socket.CMSG_SPACE((1 + STREAMS) * struct.calcsize("i")))
    descriptors = [number for _, _, data in ancillary for (number,) in struct.iter_unpack("i", data)]
    text = b""
    length = struct.unpack("!I", head)[0] if head else 1
    while len(text) < length:
        piece = control.recv(length - len(text))
        if not piece:
            return None, descriptors
        text += piece
    return json.loads(text.decode("ascii")), descriptors


def keep(driver: socket.socket, request: Request, streams: list[int]) -> Request | None:
    """Fork the kernel and stay with it. Returns the request in the kernel's process, and never in the keeper."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    kernel = 0
    try:
        tell(driver, "keeper", os.getpid())
        if driver.recv(1):
            # ipykernel ends itself when the process with this id is not its parent any more.
            request["env"]["JPY_PARENT_PID"] = str(os.getpid())
            kernel = os.fork()
            if kernel == 0:
                leave(driver, streams)
                return request
            for stream in streams:
                os.close(stream)
            tell(driver, "pid", kernel)
            code = watch(driver, kernel, woken)
            end_all(kernel)
            tell(driver, "code", code)
    except OSError:  # the driver has ended, or there is no process to be had
        if kernel:
            end_all(kernel)
    os._exit(0)


def leave(driver: socket.socket, streams: list[int]) -> None:
    """In the kernel's process: leave the keeper's session, signals and descriptors."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    driver.detach()
    os.closerange(STREAMS, 1 + max(int(path.name) for path in Path("/proc/self/fd").iterdir()))


def watch(driver: socket.socket, kernel: int, woken: int) -> int:
    """Pass on signals until the kernel has ended, or the driver. Returns the exit code as `subprocess` has it."""
    while True:
        sources: list[Any] = [driver, woken]
        ready, _, _ = select.select(sources, [], [])
        if woken in ready:
            os.read(woken, 4096)
            code = reap(kernel)
            if code is not None:
                return code
        if driver in ready:
            number = driver.recv(1)
            if not number:
                return -signal.SIGKILL
            try:
                os.killpg(kernel, number[0])
            except ProcessLookupError:  # it does not lead a group yet
                os.kill(kernel, number[0])


def reap(kernel: int) -> int | None:
    """Collect the processes that have ended. Returns the exit code of the kernel, if it is among them."""
    code = None
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == kernel:
                code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    return code


def end_all(kernel: int) -> None:
    """End what the kernel has started, and what that has: orphans become children of the keeper."""
    with suppress(OSError):
        os.killpg(kernel, signal.SIGKILL)
    with suppress(ChildProcessError):
        while True:
            for pid in children():
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            os.waitpid(-1, 0)


def children() -> list[int]:
    """Return the process ids of the children of this process."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int((path / "stat").read_bytes().rpartition(b")")[2].split()[1]) == os.getpid():
                found.append(int(path.name))
    return found


def be_as_started(request: Request, imported: dict[str, str]) -> None:
    """Take on what a started kernel gets from its driver, from its interpreter and from its imports (variables)."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update({**request["env"], **imported})
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = request["argv"]
    sys.argv[:] = request["argv"][2:]
    if not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, request["cwd"])  # as `python -m` does; ipykernel takes it away
    # ipykernel has read it from the environment when it was imported.
    app = importlib.import_module("ipykernel.kernelapp").IPKernelApp
    app.instance(parent_handle=int(request["env"]["JPY_PARENT_PID"]))


def tell(driver: socket.socket, name: str, number: int) -> None:
    """Write a line to the driver."""
    driver.sendall(json.dumps({name: number}).encode("ascii") + b"\n")


if __name__ == "__main__":
    main()
