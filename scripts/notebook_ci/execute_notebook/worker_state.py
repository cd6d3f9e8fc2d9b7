"""What a worker and the stage's process know of each other while a notebook is executed."""

import ctypes


class WorkerState(ctypes.Structure):
    """Numbers in memory that both processes share: a message per cell would cost more than many a cell."""

    cell: int  # the running one, counted from 1; 0: none yet
    kernel: int  # a kernel runs that leads this process group; 0: it has ended, with everything that it had started
    has_free_cpu: bool  # whether another CPU is free, in addition to the one that the kernel uses
    _fields_ = (("cell", ctypes.c_int), ("kernel", ctypes.c_int), ("has_free_cpu", ctypes.c_bool))
