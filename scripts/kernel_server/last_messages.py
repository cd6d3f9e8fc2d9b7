"""Keeps the last messages of a kernel. Runs in the user's interpreter; the worker reads them with `read`.

A forked kernel gets it from its server; a started one gets this file's text from `hooks.py`. ZeroMQ sends from a thread
of its own, which dies with the kernel: in one death of five, output that was flushed just before was lost. So the
kernel also writes its last messages to memory that it shares with its worker.

The memory begins with the number of bytes in use. A message is the number of its frames; a frame is its size and its
bytes.
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
READ_BYTES = 1000  # as ipykernel has it
FAILED = ctypes.c_void_p(-1).value  # MAP_FAILED of mmap(2)
if sys.platform == "linux":
    LIBC = ctypes.PyDLL(None)  # keeps Python's lock
    LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
    LIBC.mmap.restype = ctypes.c_void_p


def begin(shell: Any, descriptor: int) -> None:
    """Keep the messages of a kernel that runs, given IPython's shell and the descriptor of the memory."""
    thread = shell.kernel.iopub_thread
    thread.send_multipart = keeping(thread.send_multipart, descriptor)
    for stream in (sys.stdout, sys.stderr):
        own = vars(stream)
        if "_original_stdstream_fd" in own and replace_watch(type(stream)):
            # Its thread, which runs already, is ended in the way of ipykernel's `OutStream.close`.
            own["_should_watch"] = False
            os.write(own["_original_stdstream_fd"], b"\0")
            own["watch_fd_thread"].join()
            own["_should_watch"] = True
            own["watch_fd_thread"] = threading.Thread(target=_watch_pipe_fd, args=(stream,), daemon=True)
            own["watch_fd_thread"].start()


def keeping(send: Callable[..., Any], descriptor: int) -> Callable[..., Any]:
    """Return a `send` that keeps each message first. The descriptor of the memory is closed."""
    # Not by `mmap.mmap`, which keeps a descriptor that the notebook would find.
    address = LIBC.mmap(None, SIZE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, descriptor, 0)
    os.close(descriptor)
    if address == FAILED:
        return send
    memory = memoryview((ctypes.c_char * SIZE).from_address(address)).cast("B")
    kernel, lock, used = os.getpid(), threading.RLock(), NUMBER.size

    def keep(message: bytes) -> None:
        nonlocal used
        if used + len(message) > SIZE:  # older ones were sent long ago
            used = NUMBER.size
            NUMBER.pack_into(memory, 0, used)
        memory[used : used + len(message)] = message
        used += len(message)
        NUMBER.pack_into(memory, 0, used)

    def send_and_keep(frames: Any, *args: Any, **kwargs: Any) -> Any:
        # A child that the notebook has forked sends in another way.
        if os.getpid() == kernel and sum(memoryview(frame).nbytes for frame in frames) < SIZE // 2:
            sized = (NUMBER.pack(len(frame)) + frame for frame in map(bytes, frames))
            with lock:
                keep(NUMBER.pack(len(frames)) + b"".join(sized))
        return send(frames, *args, **kwargs)

    return send_and_keep


def read(memory: bytes) -> Iterator[list[bytes]]:
    """Yield the messages, oldest first, up to anything else that a notebook has written there."""
    with suppress(struct.error):
        (used,) = NUMBER.unpack_from(memory)
        place = NUMBER.size
        while place < used:
            (count,), frames = NUMBER.unpack_from(memory, place), []
            place += NUMBER.size
            for _ in range(count):
                (size,) = NUMBER.unpack_from(memory, place)
                place += NUMBER.size + size
                frames.append(memory[place - size : place])
            yield frames


def replace_watch(streams: Any) -> bool:
    """Have ipykernel's streams use `_watch_pipe_fd` below, and return whether this version has what that needs."""
    own = getattr(streams, "_watch_pipe_fd", None)
    if own and {"_fid", "_should_watch", "_original_stdstream_copy"} <= set(own.__code__.co_names):
        setattr(streams, own.__name__, _watch_pipe_fd)
        return True
    return own is _watch_pipe_fd


def _watch_pipe_fd(stream: Any) -> None:
    """Read what a program writes to a standard stream, as the method of `OutStream` of that name does (ipykernel 7.4).

    Between reading the pipe and passing the text on, that method waits for Python's lock: in two deaths of five the
    text was lost. Here it is written to the log at once.
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
