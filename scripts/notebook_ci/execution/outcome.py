"""What came of an execution, as a worker tells it."""

from dataclasses import dataclass, field

from notebook_ci.execution.model import NotebookResult
from notebook_ci.records import Problem


@dataclass
class Outcome:
    """What came of an execution.

    Attributes:
        result: How it went.
        problems: Its faults, and what else should be known.
        read: SHA-256 by path of the files that were read.
        made: SHA-256 by path of the files that were made, relative to the run directory where they lie in it.
        not_forked: Why kernels cannot be forked any more.
        crash: The traceback of an exception that nobody has foreseen.
    """

    result: NotebookResult
    problems: list[Problem] = field(default_factory=list)
    read: dict[str, str] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    not_forked: str = ""
    crash: str = ""
