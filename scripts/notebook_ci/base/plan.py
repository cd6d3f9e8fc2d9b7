"""What a stage will do, decided from its inputs and the workspace before anything is installed or started."""

import abc
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from notebook_ci.base.errors import Problem


@dataclass(frozen=True)
class Nothing:
    """The stage has nothing to do."""

    reason: str  # a sentence
    hint: str = ""  # what gives it something to do
    problems: ClassVar[tuple[Problem, ...]] = ()


@dataclass(frozen=True, kw_only=True)
class Plan(abc.ABC):
    # Warnings and notices about the plan.
    problems: tuple[Problem, ...] = ()
    environment: str = ""  # the tool environment that the work needs, besides that of the stage's script

    @abc.abstractmethod
    def lines(self) -> Iterable[str]:
        """Return the plan for a person, one action per line."""
