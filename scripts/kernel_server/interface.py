"""The only module of this package that other code imports: ask for a kernel of a notebook, get one, end it.

    with serving(python, environ, folder, remains) as first:      # in the stage; may raise NotForkedError
        servers = Servers(first, folder, documents, modules, limits)
        server = servers.server_for(index)                        # the stage sends it to the notebook's worker
        kernel = server.fork(argv, environ, cwd, log, memory)     # in the worker; may raise NotForkedError
        kernel.end()
        servers.ended(index, has_imports=kernel.has_imports)      # in the stage

After a NotForkedError, kernels are started instead. These use the rest of this module: they too keep their last
messages, run hooks and leave processes behind. README.md explains how all this works.
"""

import os
from pathlib import Path
from typing import IO

from kernel_server.client.forking import CHANGED, ForkedKernel, KernelServer, NotForkedError, serving
from kernel_server.client.servers import Limits, Servers, proportional_bytes
from kernel_server.inside import last_messages, processes

__all__ = [
    "CHANGED",
    "KEEP_MESSAGES",
    "ForkedKernel",
    "KernelServer",
    "Limits",
    "NotForkedError",
    "Servers",
    "call_in_kernel",
    "memory_for_messages",
    "messages_in",
    "processes",
    "proportional_bytes",
    "serving",
]

_INSIDE = Path(last_messages.__file__).parent
_HOOKS = (_INSIDE / "hooks.py").read_text(encoding="utf-8")
_LAST_MESSAGES = (_INSIDE / "last_messages.py").read_text(encoding="utf-8")

# For `call_in_kernel`: lets a started kernel keep its last messages. A forked one already does.
KEEP_MESSAGES = f"keep_messages(shell, {last_messages.NAME!r}, {_LAST_MESSAGES!r})"


def call_in_kernel(call: str) -> str:
    """Return an expression for a kernel that evaluates `call` with the functions of `inside/hooks.py`.

    `call` may name `shell`, the kernel's IPython shell.
    """
    define = f"exec(compile({_HOOKS!r}, '<notebook-ci>', 'exec'), hooks)"
    return f"(lambda hooks: ({define}, eval({call!r}, hooks))[1])({{'shell': get_ipython()}})"


def memory_for_messages() -> IO[bytes]:
    """Return memory where a kernel keeps its last messages; a started one must inherit it. Linux only."""
    memory = os.fdopen(os.memfd_create(last_messages.NAME), "r+b")
    memory.truncate(last_messages.SIZE)
    return memory


def messages_in(memory: IO[bytes]) -> list[list[bytes]]:
    """Return the frames of each message that a kernel kept, oldest first."""
    memory.seek(0)
    return list(last_messages.read(memory.read()))
