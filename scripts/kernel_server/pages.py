"""Has kernels share the memory pages of the server that they are forked from.

A page is copied for a kernel when it first writes there; most of what an idle kernel takes, and a good part of the time
that it takes to begin, are such copies. Of a page with thousands of bytes it often writes a few: a new object in a hole
that an older one has left. Runs in the user's interpreter, as `server.py` does.
"""

from __future__ import annotations

import ctypes
import gc
import sys

# Of CPython's allocator: the sizes of small objects, which come from pools, one for each size (Objects/obmalloc.c).
STEP, LARGEST_SMALL = 16, 512
POOL_BYTES = 16 * 1024 if sys.version_info >= (3, 10) else 4 * 1024
POOL_HEAD_BYTES = 48
LARGEST_HOLE = 4 * 1024  # one that is larger is as good as new memory
ABOVE_HOLES = 100 * 1000  # rarely in a hole, and less than what the C library maps by itself
MOST_BYTES = 4 * 1024 * 1024  # more than the holes of any server were
EMPTY = sys.getsizeof(b"")
LIBC = ctypes.PyDLL(None)
KEPT: list[list[bytes]] = []


def settle(*, frozen: bool) -> None:
    """Prepare this process for its forks.

    Args:
        frozen: What is here is never garbage, and has no end that a notebook sees: kernels need not look at it.
    """
    gc.collect()
    clear_caches = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache  # noqa: SLF001 - the only way
    clear_caches()  # a kernel would write to each name that it replaces there
    fill_holes(MOST_BYTES)
    KEPT.append(small_objects(MOST_BYTES))
    if frozen:
        gc.freeze()


def fill_holes(left: int) -> None:
    """Take the holes of the C library's memory, and never give them back. Only glibc's memory has a top.

    Args:
        left: The most bytes to take.
    """
    if not hasattr(LIBC, "gnu_get_libc_version"):
        return
    LIBC.malloc.restype = ctypes.c_void_p
    top = LIBC.malloc(ABOVE_HOLES) or 0
    for size in range(LARGEST_HOLE, 0, -STEP):
        while left > 0 and (LIBC.malloc(size) or top) < top:
            left -= size


def small_objects(left: int) -> list[bytes]:
    """Return objects that fill the holes of the pools, of each size until they lie in a pool of their own.

    Args:
        left: The most bytes they take.
    """
    objects = []
    for size in range(LARGEST_SMALL, EMPTY, -STEP):
        last, row = 0, 0
        while row < (POOL_BYTES - POOL_HEAD_BYTES) // size - 1 and left > 0:
            objects.append(bytes(size - EMPTY))
            row = row + 1 if id(objects[-1]) == last + size else 0
            last, left = id(objects[-1]), left - size
    return objects
