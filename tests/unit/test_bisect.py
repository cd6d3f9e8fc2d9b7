"""Which package is to blame: found by installing half of the changes again and again."""

import math
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

import pytest

from notebook_ci.compare_environments.bisect import culprits
from notebook_ci.records.compare_environments import PackageChange

Bad = Callable[[AbstractSet[str]], bool]  # whether a notebook is bad with these packages changed


def changes(names: str) -> list[PackageChange]:
    return [PackageChange(name=name, before="1", after="2") for name in names]


class Shelf:
    """Notebooks by name, and groups of packages that only fit together if all of them are changed, or none."""

    def __init__(self, together: Sequence[str] = (), **notebooks: Bad) -> None:
        self.together, self.notebooks = together, notebooks
        self.installed: AbstractSet[str] = set()
        self.runs: list[AbstractSet[str]] = []

    def install(self, changes: Sequence[PackageChange]) -> list[AbstractSet[str]]:
        self.installed = {change.name for change in changes}
        return [set(group) for group in self.together if 0 < len(self.installed & set(group)) < len(group)]

    def bad(self, notebooks: AbstractSet[str]) -> AbstractSet[str]:
        assert not self.install([PackageChange(name=name, before="", after="") for name in self.installed])
        self.runs.append(set(notebooks))
        return {name for name in notebooks if self.notebooks[name](self.installed)}

    def blame(self, packages: str) -> dict[str, str]:
        found = culprits(self.notebooks.keys(), changes(packages), self)
        return {name: "".join(change.name for change in group) for name, group in found.items()}


@pytest.mark.parametrize("culprit", "abcdefgh")
def test_one_of_eight_is_found_in_four_runs(culprit: str) -> None:
    shelf = Shelf(x=lambda installed: culprit in installed)
    assert shelf.blame("abcdefgh") == {"x": culprit}
    assert len(shelf.runs) == math.log2(8) + 1


def test_notebooks_share_runs_until_their_culprits_differ() -> None:
    shelf = Shelf(x=lambda installed: "a" in installed, y=lambda installed: "b" in installed, z=lambda _: False)
    assert shelf.blame("abcd") == {"x": "a", "y": "b"}
    assert shelf.runs == [{"x", "y", "z"}, {"x", "y"}, {"x", "y"}]


def test_what_is_not_bad_with_all_changes_has_no_culprit() -> None:
    assert Shelf(x=lambda _: False).blame("ab") == {}
    assert Shelf(x=lambda _: True).blame("") == {}


def test_one_change_needs_one_run() -> None:
    shelf = Shelf(x=bool)
    assert shelf.blame("a") == {"x": "a"}
    assert len(shelf.runs) == 1


def test_two_packages_that_are_bad_only_together_blame_the_later_one() -> None:
    assert Shelf(x=lambda installed: {"a", "c"} <= installed).blame("abcd") == {"x": "c"}


@pytest.mark.parametrize("together", ["ad", "bc", "abcd", "cf"])
def test_packages_that_must_move_together_are_blamed_together(together: str) -> None:
    shelf = Shelf([together], x=lambda installed: together[0] in installed, y=lambda installed: "e" in installed)
    found = shelf.blame("abcdef")
    assert (set(found["x"]), found["y"]) == (set(together), "e")


def test_several_groups_that_must_move_together() -> None:
    shelf = Shelf(["ad", "be"], x=lambda installed: "d" in installed, y=lambda installed: "f" in installed)
    found = shelf.blame("abcdef")
    assert (set(found["x"]), found["y"]) == (set("ad"), "f")


def test_a_misfit_that_names_no_second_package_joins_all() -> None:
    class Odd(Shelf):
        def install(self, changes: Sequence[PackageChange]) -> list[AbstractSet[str]]:
            super().install(changes)
            return [{"other"}] if 0 < len(changes) < 3 else []

    assert len(Odd(x=lambda installed: "a" in installed).blame("abc")["x"]) == 3


def test_a_change_in_words() -> None:
    given = [("1", "2"), ("", "2"), ("1", "")]
    shown = [str(PackageChange(name="a", before=before, after=after)) for before, after in given]
    assert shown == ["a 1 -> 2", "new a 2", "removed a 1"]
