"""The messages between a stage and the worker that exports a lock."""

from dataclasses import dataclass, field

from notebook_ci.base.locks import LockKind
from notebook_ci.base.worker import Reply


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to export. The working directory contains only a copy of the lock and of its project file."""

    kind: LockKind
    groups: list[str]  # besides the main dependencies
    extras: list[str]
    python: str  # version of the environment's Python; empty: not known


@dataclass(kw_only=True)
class Export(Reply):
    is_stale: bool = False  # whether the lock no longer matches its project file
    requirements: str = ""  # in the format of a requirements file
    urls: list[str] = field(default_factory=list)  # packages of conda, with their hashes
    required_python: str = ""  # which Python the project requires, if that of the request does not fit
