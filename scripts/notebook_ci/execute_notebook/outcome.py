"""What came of an execution, as a worker tells it."""

from dataclasses import dataclass, field

from notebook_ci.base.records import Problem
from notebook_ci.execute_notebook.model import NotebookResult


@dataclass
class Outcome:
    """What came of an execution.

    Attributes:
        result: How it went.
        problems: Its faults, and what else should be known.
        read: SHA-256 by path of the files that were read.
        made: SHA-256 by path of the files that were made, relative to the run directory where they lie in it.
        has_imports: Its kernel was forked after its imports.
        not_forked: Why its kernel was not forked, where it was to be.
        is_around: It failed for something around it: the disk, for instance.
    """

    result: NotebookResult
    problems: list[Problem] = field(default_factory=list)
    read: dict[str, str] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    has_imports: bool = False
    not_forked: str = ""
    is_around: bool = False
