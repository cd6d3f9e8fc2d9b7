"""Lets kernels share the memory pages of the server that they are forked from.

Linux copies a page for a kernel when the kernel first writes to it. Most of an idle kernel's memory, and much of its
start time, are such copies. Often the kernel writes only a few bytes per page: a new object goes into a hole that an
older one has left. This module fills such holes before a fork. It runs in the user's interpreter, as `server.py` does.
"""

from __future__ import annotations

import ctypes
import gc
import sys

# CPython allocates small objects from pools, one per size; these are its limits (Objects/obmalloc.c).
STEP, LARGEST_SMALL = 16, 512
POOL_BYTES = 16 * 1024 if sys.version_info >= (3, 10) else 4 * 1024
POOL_HEAD_BYTES = 48
LARGEST_HOLE = 4 * 1024  # a larger hole is as good as new memory
ABOVE_HOLES = 100 * 1000  # rarely fits into a hole, and is less than what the C library maps separately
MOST_BYTES = 4 * 1024 * 1024  # no server had more bytes in holes
EMPTY = sys.getsizeof(b"")
LIBC = ctypes.PyDLL(None)
KEPT: list[list[bytes]] = []


def settle(*, frozen: bool) -> None:
    """Prepare this process for its forks.

    `frozen` means that objects of this process never become garbage and have no finalizer that a notebook could notice,
    so kernels need not look at them.
    """
    gc.collect()
    clear_caches = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache  # noqa: SLF001 - the only way
    clear_caches()  # else a kernel would write to each name that it replaces in the cache
    fill_holes(MOST_BYTES)
    KEPT.append(small_objects(MOST_BYTES))
    if frozen:
        gc.freeze()


def fill_holes(left: int) -> None:
    """Allocate at most `left` bytes in the holes of the C library's heap, and never free them. Only for glibc."""
    if not hasattr(LIBC, "gnu_get_libc_version"):
        return
    LIBC.malloc.restype = ctypes.c_void_p
    top = LIBC.malloc(ABOVE_HOLES) or 0
    for size in range(LARGEST_HOLE, 0, -STEP):
        while left > 0 and (LIBC.malloc(size) or top) < top:
            left -= size


def small_objects(left: int) -> list[bytes]:
    """Return objects, at most `left` bytes, that fill holes in CPython's pools: per size, until one pool is new."""
    objects = []
    for size in range(LARGEST_SMALL, EMPTY, -STEP):
        last, row = 0, 0
        while row < (POOL_BYTES - POOL_HEAD_BYTES) // size - 1 and left > 0:
            objects.append(bytes(size - EMPTY))
            row = row + 1 if id(objects[-1]) == last + size else 0
            last, left = id(objects[-1]), left - size
    return objects
