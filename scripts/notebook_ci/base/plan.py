"""What a stage will do, decided from its inputs and the workspace before anything is installed or started."""

import abc
from collections.abc import Iterable
from dataclasses import dataclass

from notebook_ci.base.records import Problem


@dataclass(frozen=True)
class Nothing:
    """The stage has nothing to do.

    Attributes:
        reason: Why, as a sentence.
        hint: What gives it something to do.
    """

    reason: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Plan(abc.ABC):
    """What a stage will do.

    Attributes:
        problems: Warnings and notices about it.
    """

    problems: tuple[Problem, ...] = ()

    @abc.abstractmethod
    def lines(self) -> Iterable[str]:
        """Return it for a person, one thing per line."""
