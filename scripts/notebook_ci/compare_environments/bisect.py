"""Finds the package that changed or broke each notebook: installs half of the changes, and runs the notebooks again."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from notebook_ci.records.compare_environments import PackageChange

Group = Sequence[PackageChange]  # changes that can only be installed together


class Trial(Protocol):
    """An environment between the two."""

    def install(self, changes: Sequence[PackageChange]) -> Sequence[AbstractSet[str]]:
        """Install these changes and no others. Returns the names of packages that do not fit together: sets of them."""

    def bad(self, notebooks: AbstractSet[str]) -> AbstractSet[str]:
        """Run notebooks, and return those that are as bad as with all changes."""


def culprits(notebooks: AbstractSet[str], changes: Group, trial: Trial) -> dict[str, Group]:
    """Return the changes to blame per notebook. A notebook that is not bad with all of them is left out."""
    trial.install(changes)
    return _search(trial.bad(notebooks), [], [[each] for each in changes], trial) if changes else {}


def _search(notebooks: AbstractSet[str], applied: Group, groups: Sequence[Group], trial: Trial) -> dict[str, Group]:
    """Search in `groups`: notebooks are not bad with the changes that are `applied`, and bad with all groups, too."""
    if not notebooks:
        return {}
    half: Sequence[Group] = []
    while len(groups) > 1:
        half = groups[: len(groups) // 2]
        if not (misfits := trial.install([*applied, *_all(half)])):
            break
        merged = groups
        for names in misfits:
            together = [group for group in merged if any(change.name in names for change in group)]
            if len(together) > 1:
                merged = [_all(together), *(group for group in merged if group not in together)]
        groups = merged if len(merged) < len(groups) else [_all(groups)]
    if len(groups) == 1:
        return dict.fromkeys(notebooks, groups[0])
    bad = trial.bad(notebooks)
    rest = _search(notebooks - bad, [*applied, *_all(half)], groups[len(half) :], trial)
    return _search(bad, applied, half, trial) | rest


def _all(groups: Sequence[Group]) -> Group:
    return [change for group in groups for change in group]
