import random
import time
from collections.abc import Iterable
from itertools import pairwise

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.execute_notebook.schedule import Schedule, Scheduled
from notebook_ci.notebooks.order import chains, ordered


def step(name: str, *, needs: Iterable[str] = (), after: Iterable[str] = (), seconds: float = 0.0) -> Scheduled:
    return Scheduled(name, frozenset(needs), frozenset(after), seconds)


def begun(schedule: Schedule) -> list[str]:
    """Return all that may begin at this moment."""
    found = []
    while (name := schedule.next()) is not None:
        found.append(name)
    return found


# --- The order in which notebooks are listed


@pytest.mark.parametrize(
    "expected",
    [
        ["2-a.ipynb", "10-b.ipynb"],
        ["01-a.ipynb", "1.ipynb", "2.ipynb", "010.ipynb"],
        ["a1b2.ipynb", "a1b10.ipynb", "a2.ipynb", "a10.ipynb"],
        ["9/z.ipynb", "10/a.ipynb"],
        ["a/2.ipynb", "a/10.ipynb", "b/1.ipynb"],
        ["01/a.ipynb", "01/c.ipynb", "1/b.ipynb"],
        ["2021-2.ipynb", "2021-10.ipynb"],
        ["2021-01.ipynb", "2021-02.ipynb", "2021-10.ipynb"],
        ["A.ipynb", "a.ipynb", "ä.ipynb"],
        ["8" * 200 + ".ipynb", "9" * 200 + ".ipynb", "1" + "0" * 200 + ".ipynb"],
        ["٣.ipynb", "4.ipynb"],
    ],
    ids=lambda paths: paths[-1],
)
def test_numbers_are_sorted_by_their_values(expected: list[str]) -> None:
    assert ordered(reversed(expected), {}) == expected
    assert ordered(expected, {}) == expected


def test_each_stands_behind_those_that_it_needs_and_else_sorted() -> None:
    paths = ["a.ipynb", "b.ipynb", "c.ipynb", "d.ipynb"]
    assert ordered(paths, {"a.ipynb": ["c.ipynb"]}) == ["b.ipynb", "c.ipynb", "a.ipynb", "d.ipynb"]
    assert ordered(paths, {"a.ipynb": {"d.ipynb"}, "d.ipynb": {"c.ipynb"}}) == [
        "b.ipynb",
        "c.ipynb",
        "d.ipynb",
        "a.ipynb",
    ]


@pytest.mark.parametrize(
    ("needs", "circle"),
    [
        ({"a": ["a"]}, "a needs a"),
        ({"a": ["b"], "b": ["a"]}, "a needs b needs a"),
        ({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]}, "a needs b needs c needs a"),
    ],
)
def test_a_circle_is_named(needs: dict[str, list[str]], circle: str) -> None:
    with pytest.raises(InputError) as caught:
        ordered("abcd", needs)
    said = caught.value.message.removeprefix("Notebooks need each other in a circle: ").removesuffix(".")
    turned, expected = said.split(" needs "), circle.split(" needs ")
    assert turned[0] == turned[-1]
    assert sorted(turned[1:]) == sorted(expected[1:])
    assert all(other in needs[each] for each, other in pairwise(turned)), said
    assert caught.value.hint == "Correct `needs`."


# --- What runs one after the other


@pytest.mark.parametrize(
    ("order", "paths", "expected"),
    [
        ("auto", ["01-a.ipynb", "02_b.ipynb", "3.c.ipynb", "4 d.ipynb"], [[0, 1, 2, 3]]),
        ("auto", ["01-a.ipynb", "x/01-b.ipynb", "x/02-c.ipynb", "y/02-d.ipynb"], [[1, 2]]),
        ("auto", ["01-a.ipynb", "02-b.ipynb", "x/01-b.ipynb", "x/02-c.ipynb"], [[0, 1], [2, 3]]),
        ("auto", ["01-a.ipynb", "a-02.ipynb", "b.ipynb"], []),
        ("auto", ["2021.ipynb", "2022.ipynb"], [[0, 1]]),  # `.` of the suffix: years are an order, too
        ("auto", ["3d-plot.ipynb", "4k-video.ipynb"], []),
        ("auto", ["a.ipynb", "b.ipynb"], []),
        ("sorted", ["a.ipynb", "x/01-b.ipynb", "y/c.ipynb"], [[0, 1, 2]]),
        ("sorted", ["a.ipynb", "b.ipynb"], [[0, 1]]),
        ("sorted", ["a.ipynb"], []),
        ("parallel", ["01-a.ipynb", "02-b.ipynb"], []),
        ("auto", [], []),
    ],
)
def test_chains(order: str, paths: list[str], expected: list[list[int]]) -> None:
    assert chains(paths, order) == [[paths[place] for place in chain] for chain in expected]


# --- What begins next


def test_all_that_awaits_nothing_may_begin_at_once_in_the_given_order() -> None:
    schedule = Schedule([step("a"), step("b"), step("c")])
    assert begun(schedule) == ["a", "b", "c"]
    assert schedule.next() is None


def test_what_is_needed_and_what_is_before_it_must_have_ended() -> None:
    schedule = Schedule([step("a"), step("b", needs="a"), step("c", after="b"), step("d", needs="a", after="c")])
    for name in "abcd":
        assert begun(schedule) == [name]
        assert schedule.ended(name, well=True) == []
    assert begun(schedule) == []


def test_those_that_need_one_that_failed_are_skipped_and_those_that_need_these() -> None:
    schedule = Schedule(
        [
            step("a"),
            step("b", needs="a"),
            step("c", needs="b"),
            step("d", needs="ac"),
            step("e", after="a"),
            step("f", after="b"),
            step("g", needs="e"),
        ]
    )
    assert begun(schedule) == ["a"]
    assert sorted(schedule.ended("a", well=False)) == [("b", "a"), ("c", "b"), ("d", "a")]
    assert begun(schedule) == ["e", "f"], "to be behind one that failed or was skipped is no reason not to run"
    assert schedule.ended("e", well=True) == []
    assert begun(schedule) == ["g"]


def test_a_step_that_needs_two_that_fail_is_skipped_once() -> None:
    schedule = Schedule([step("a"), step("b"), step("c", needs="ab")])
    assert begun(schedule) == ["a", "b"]
    assert schedule.ended("b", well=False) == [("c", "b")]
    assert schedule.ended("a", well=False) == []
    assert begun(schedule) == []


def test_the_longest_begins_first() -> None:
    assert begun(Schedule([step("a", seconds=1), step("b", seconds=3), step("c", seconds=2)])) == ["b", "c", "a"]


def test_the_longest_way_counts_not_the_longest_step() -> None:
    steps = [
        step("long", seconds=5),
        step("first", seconds=1),
        step("second", needs=["first"], seconds=1),
        step("third", after=["second"], seconds=4),
        step("short", seconds=0.5),
    ]
    assert begun(Schedule(steps)) == ["first", "long", "short"]
    steps[3] = step("third", after=["second"], seconds=2.5)
    assert begun(Schedule(steps)) == ["long", "first", "short"]


def test_a_long_chain() -> None:
    count = 3000
    names = [f"{number:04}" for number in range(count)]
    needs = {name: [before] for before, name in pairwise(names)}
    began = time.monotonic()
    assert ordered(names, needs) == names
    schedule = Schedule([step(name, needs=needs.get(name, ()), seconds=1) for name in names])
    for name in names[:-1]:
        assert schedule.next() == name
        schedule.ended(name, well=True)
    assert schedule.next() == names[-1]
    failing = Schedule([step(name, needs=needs.get(name, ())) for name in names])
    assert failing.next() == names[0]
    skipped = failing.ended(names[0], well=False)
    assert skipped == list(zip(names[1:], names[:-1], strict=True))
    assert time.monotonic() - began < 60


# --- Any graph


def random_steps(chance: random.Random) -> list[Scheduled]:
    names = [f"n{number}" for number in range(chance.randrange(1, 25))]
    steps = []
    for place, name in enumerate(names):
        others = chance.sample(names[:place], chance.randrange(min(place, 4) + 1))
        cut = chance.randrange(len(others) + 1)
        seconds = chance.choice([0.0, 1.0, chance.random()])
        steps.append(step(name, needs=others[:cut], after=others[cut:], seconds=seconds))
    chance.shuffle(steps)
    return steps


def skipped_by(failed: set[str], steps: Iterable[Scheduled]) -> set[str]:
    """Return what needs one that failed, by however many others: the plain definition."""
    lost: set[str] = set()
    while more := {each.name for each in steps if each.needs & (failed | lost)} - lost:
        lost |= more
    return lost


@pytest.mark.parametrize("seed", range(150))
def test_whatever_the_graph_each_is_taken_once_and_in_its_time(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    steps = random_steps(chance)
    by_name = {each.name: each for each in steps}
    schedule = Schedule(steps)
    workers = chance.randrange(1, 5)
    running: list[str] = []
    taken: list[str] = []
    skipped: dict[str, str] = {}
    ended: set[str] = set()
    failed: set[str] = set()
    while True:
        while len(running) < workers and (name := schedule.next()):
            assert by_name[name].awaits <= ended | skipped.keys(), name
            running.append(name)
            taken.append(name)
        if not running:
            break
        name = running.pop(chance.randrange(len(running)))
        well = chance.random() > 0.3
        ended.add(name)
        failed |= set() if well else {name}
        for other, needed in schedule.ended(name, well=well):
            assert other not in skipped
            assert needed in by_name[other].needs
            assert needed in failed | skipped.keys()
            skipped[other] = needed
    assert len(taken) == len(set(taken))
    assert set(taken) | skipped.keys() == by_name.keys()
    assert not set(taken) & skipped.keys()
    assert skipped.keys() == skipped_by(failed, steps)


@pytest.mark.parametrize("seed", range(50))
def test_whatever_the_graph_the_order_keeps_needs_and_is_the_same_each_time(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    needs = {each.name: each.awaits for each in random_steps(chance)}
    paths = list(needs)
    found = ordered(paths, needs)
    assert sorted(found) == sorted(paths)
    for place, path in enumerate(found):
        assert needs[path] <= set(found[:place])
    chance.shuffle(paths)
    assert ordered(paths, needs) == found
