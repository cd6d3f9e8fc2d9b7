"""Plans a comparison of two environments: which locks, which notebooks. Runs nothing."""

from collections.abc import Iterator
from dataclasses import dataclass

from notebook_ci.base import locks
from notebook_ci.base.errors import InputError, Problem
from notebook_ci.base.locks import Lock
from notebook_ci.base.plan import Plan
from notebook_ci.base.texts import listed, quote
from notebook_ci.base.workspace import Workspace
from notebook_ci.compare_environments.model import CompareEnvironmentsInputs
from notebook_ci.notebooks.selection import select
from notebook_ci.records.run_directory import RunDirectory

MOST_LISTED = 10
NOT_NAMED = Problem(
    severity="notice",
    message="Only one file lists packages of conda, so none is named for a notebook that differs.",
    hint="Compare two files of conda, or two of other kinds.",
)


@dataclass(frozen=True, kw_only=True)
class ComparisonPlan(Plan):
    base: Lock
    head: Lock
    notebooks: tuple[str, ...]
    is_mixed: bool  # whether only one lock lists packages of conda

    def lines(self) -> Iterator[str]:
        yield f"install {quote(self.base.name)} and {quote(self.head.name)}"
        yield f"compare the results of {len(self.notebooks)} notebooks: {listed(self.notebooks, MOST_LISTED)}"


def make(inputs: CompareEnvironmentsInputs, workspace: Workspace) -> ComparisonPlan:
    """Find the locks and the notebooks. Raises InputError if a lock is missing or wrong, or both are the same file."""
    if not inputs.head:
        raise InputError("`head` is not set.", hint="Set it to the file that lists the packages as they will be.")
    base, head = (_lock(name, getattr(inputs, name), workspace) for name in ("base", "head"))
    if base.path.resolve() == head.path.resolve():
        raise InputError(f"`base` and `head` are the same file: {quote(head.name)}.", hint="Set them to two files.")
    outputs = [RunDirectory.location(inputs.run_dir, workspace)]
    found = select(inputs.notebooks, inputs.exclude, workspace.cwd, never=outputs)
    is_mixed = base.format.is_conda != head.format.is_conda
    problems = (NOT_NAMED,) if is_mixed else ()
    return ComparisonPlan(base=base, head=head, notebooks=tuple(found), is_mixed=is_mixed, problems=problems)


def _lock(name: str, given: str, workspace: Workspace) -> Lock:
    if given and not (workspace.cwd / given).is_file():
        hint = "Correct it. Paths are relative to the workspace."
        raise InputError(f"`{name}` is {quote(given)}, which is not a file.", hint=hint)
    lock = locks.find(given, workspace.cwd)
    locks.check(lock)
    return lock
