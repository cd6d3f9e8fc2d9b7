"""Becomes another program, which then cannot make pseudo-terminals: `python no_terminal.py PROGRAM ARGUMENTS...`.

act 0.2.89 runs steps on a pseudo-terminal and, when a step fails, closes it without reading what is still in it: up to
64 kB of a failing step's last output are lost, which is where the errors stand (measured: 4 of 200 runs of
`seq 0 199; exit 1`, and every run that ends with a burst of 40 kB). When it cannot make a pseudo-terminal it takes
pipes, which it reads to their end; and pipes are what steps have on GitHub.

A seccomp filter refuses act the request for a terminal's name. Filters are inherited, but the programs in steps may
need terminals (`!ls` in a notebook takes one). They are told apart by the address of the instruction that asks: Go
links programs to fixed addresses below 4 GiB, while C libraries, through which others ask, are loaded far above.
"""

import ctypes
import os
import platform
import struct
import sys

_IOCTL = {"x86_64": 16, "aarch64": 29}  # number of the system call
_TIOCGPTN = 0x80045430  # request: which number has this terminal?
_ENOTTY = 25

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, _PR_SET_NO_NEW_PRIVS = 22, 2, 38
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # of the classic BPF machine
_REFUSE, _ALLOW = 0x00050000 | _ENOTTY, 0x7FFF0000
# Offsets in struct seccomp_data of linux/seccomp.h, on a little-endian machine.
_CALL, _ADDRESS_HIGH, _REQUEST_LOW = 0, 12, 24


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse_terminals() -> None:
    """Set the filter for this process and all it starts.

    Raises:
        OSError: The system does not allow it.
    """
    instructions = [
        # code, distance to jump if equal, if not equal, value
        (_LOAD, 0, 0, _CALL),
        (_JUMP_IF_EQUAL, 0, 5, _IOCTL[platform.machine()]),
        (_LOAD, 0, 0, _REQUEST_LOW),
        (_JUMP_IF_EQUAL, 0, 3, _TIOCGPTN),
        (_LOAD, 0, 0, _ADDRESS_HIGH),
        (_JUMP_IF_EQUAL, 0, 1, 0),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
    program = _Program(len(instructions), code)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1, 0)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program))


def _prctl(option: int, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, *arguments, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option} was refused")


if __name__ == "__main__":
    refuse_terminals()
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - no shell is wanted
