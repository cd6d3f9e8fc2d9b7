"""Keeps the last messages of a kernel. Runs in the user's interpreter; the worker reads the messages with `read`.

ZeroMQ sends from its own thread, which dies with the kernel: in one of five deaths, output flushed just before was
lost. So the kernel also writes its last messages to memory that it shares with its worker. A forked kernel gets this
module from its server; a started one gets the text of this file from `hooks.py`.

The memory begins with the number of bytes in use. A message is its number of frames; a frame is its size and its bytes.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import select
import struct
import sys
import threading
from contextlib import suppress
from typing import Any, Callable, Iterator

NAME = "notebook-ci-messages"
SIZE = 1 << 20
NUMBER = struct.Struct("=I")
READ_BYTES = 1000  # the same as in ipykernel
FAILED = ctypes.c_void_p(-1).value  # MAP_FAILED of mmap(2)
if sys.platform == "linux":
    LIBC = ctypes.PyDLL(None)  # calls do not release Python's lock
    LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
    LIBC.mmap.restype = ctypes.c_void_p


def begin(shell: Any, descriptor: int) -> None:
    """Keep the messages of a running kernel. `descriptor` is that of the memory."""
    thread = shell.kernel.iopub_thread
    thread.send_multipart = keeping(thread.send_multipart, descriptor)
    for stream in (sys.stdout, sys.stderr):
        own = vars(stream)
        if "_original_stdstream_fd" in own and replace_watch(type(stream)):
            # Its thread already runs: end it as ipykernel's `OutStream.close` does.
            own["_should_watch"] = False
            os.write(own["_original_stdstream_fd"], b"\0")
            own["watch_fd_thread"].join()
            own["_should_watch"] = True
            own["watch_fd_thread"] = threading.Thread(target=_watch_pipe_fd, args=(stream,), daemon=True)
            own["watch_fd_thread"].start()


def keeping(send: Callable[..., Any], descriptor: int) -> Callable[..., Any]:
    """Return a `send` that keeps each message before sending it. Closes the descriptor of the memory."""
    # `mmap.mmap` would keep a descriptor that the notebook would see.
    address = LIBC.mmap(None, SIZE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, descriptor, 0)
    os.close(descriptor)
    if address == FAILED:
        return send
    memory = memoryview((ctypes.c_char * SIZE).from_address(address)).cast("B")
    kernel, lock, used = os.getpid(), threading.RLock(), NUMBER.size

    def keep(message: bytes) -> None:
        nonlocal used
        if used + len(message) > SIZE:  # the older messages were sent long ago
            used = NUMBER.size
            NUMBER.pack_into(memory, 0, used)
        memory[used : used + len(message)] = message
        used += len(message)
        NUMBER.pack_into(memory, 0, used)

    def send_and_keep(frames: Any, *args: Any, **kwargs: Any) -> Any:
        # A child process forked by the notebook sends its messages differently.
        if os.getpid() == kernel and sum(memoryview(frame).nbytes for frame in frames) < SIZE // 2:
            sized = (NUMBER.pack(len(frame)) + frame for frame in map(bytes, frames))
            with lock:
                keep(NUMBER.pack(len(frames)) + b"".join(sized))
        return send(frames, *args, **kwargs)

    return send_and_keep


def read(memory: bytes) -> Iterator[list[bytes]]:
    """Yield the messages, oldest first. Stops at anything else that a notebook has written there."""
    with suppress(struct.error):
        (used,) = NUMBER.unpack_from(memory)
        position = NUMBER.size
        while position < used:
            (count,), frames = NUMBER.unpack_from(memory, position), []
            position += NUMBER.size
            for _ in range(count):
                (size,) = NUMBER.unpack_from(memory, position)
                position += NUMBER.size + size
                frames.append(memory[position - size : position])
            yield frames


def replace_watch(streams: Any) -> bool:
    """Make ipykernel's streams use `_watch_pipe_fd`; return whether this version has the attributes that it needs."""
    own = getattr(streams, "_watch_pipe_fd", None)
    if own and {"_fid", "_should_watch", "_original_stdstream_copy"} <= set(own.__code__.co_names):
        setattr(streams, own.__name__, _watch_pipe_fd)
        return True
    return own is _watch_pipe_fd


def _watch_pipe_fd(stream: Any) -> None:
    """Read what a program writes to a standard stream, like `OutStream._watch_pipe_fd` (ipykernel 7.4).

    That method waits for Python's lock between reading the pipe and passing the text on: in two of five deaths the text
    was lost. Here the text is written to the log at once.
    """
    own, taken = vars(stream), ctypes.create_string_buffer(READ_BYTES)
    try:
        while True:
            select.select([own["_fid"]], [], [])
            size = LIBC.read(own["_fid"], taken, READ_BYTES)
            if size <= 0 or not own["_should_watch"]:
                return
            LIBC.write(own["_original_stdstream_copy"], taken, size)
            stream.write(taken.raw[:size].decode(errors="replace"))
    except Exception:  # noqa: BLE001 - the stream shows it when it is closed
        own["_exc"] = sys.exc_info()
