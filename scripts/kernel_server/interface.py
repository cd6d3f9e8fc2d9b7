"""The only module of this package that other code imports: ask for a kernel of a notebook, get one, end it."""

from kernel_server.client.forking import CHANGED, ForkedKernel, KernelServer, NotForkedError, serving
from kernel_server.client.servers import Limits, Servers, proportional_bytes
from kernel_server.inside import last_messages, processes

__all__ = [
    "CHANGED",
    "ForkedKernel",
    "KernelServer",
    "Limits",
    "NotForkedError",
    "Servers",
    "last_messages",
    "processes",
    "proportional_bytes",
    "serving",
]
