"""Notebooks divided among jobs that take equally long."""

import random
from itertools import pairwise

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.plan_notebooks.shards import RunsOn, divide, expected, units

CPU, GPU = RunsOn(("ubuntu-latest",), ""), RunsOn(("self-hosted", "gpu"), "cuda:12")


def loads(seconds: dict[str, float], most: int) -> list[float]:
    """Return the seconds per shard, of notebooks that do not wait for each other."""
    shards = divide([[path] for path in seconds], dict.fromkeys(seconds, CPU), seconds, most)
    assert sorted(path for shard in shards for path in shard.notebooks) == sorted(seconds)
    assert [shard.name for shard in shards] == [str(number) for number in range(1, len(shards) + 1)]
    return [sum(seconds[path] for path in shard.notebooks) for shard in shards]


def test_shards_take_equally_long() -> None:
    chosen = random.Random(7)  # noqa: S311 - nothing secret
    found = loads({f"{number}.ipynb": chosen.lognormvariate(3, 1) for number in range(500)}, 8)
    assert len(found) == 8
    assert max(found) <= 1.05 * sum(found) / 8


@pytest.mark.parametrize(("shape", "scale"), [(0.5, 2.0), (1.0, 3.0), (2.0, 3.0)], ids=["even", "usual", "few long"])
def test_ten_thousand_notebooks_on_256_runners(shape: float, scale: float) -> None:
    chosen = random.Random(11)  # noqa: S311 - nothing secret
    seconds = {f"{number}.ipynb": min(chosen.lognormvariate(scale, shape), 3600.0) for number in range(10_000)}
    found = loads(seconds, 256)
    assert max(found) <= 1.1 * max(sum(found) / 256, *seconds.values())
    assert len(found) == 256


@pytest.mark.parametrize(
    ("seconds", "most", "count"),
    [
        ({}, 4, 4),
        ({"a": 1.0}, 4, 1),
        ({"a": 20.0, "b": 20.0}, 4, 4),
        ({"a": 20.0}, 4, 4),
        ({"a": 8.0}, 4, 2),
        ({"a": 600.0}, 3, 3),
        ({"a": 600.0}, 256, 6),
    ],
)
def test_a_job_has_half_a_minute_of_work_or_more(seconds: dict[str, float], most: int, count: int) -> None:
    paths = list("abcdef")
    assert len(divide([[path] for path in paths], dict.fromkeys(paths, CPU), seconds, most)) == count


def test_what_is_not_known_takes_the_median() -> None:
    known = {"a.ipynb": 1.0, "b.ipynb": 5.0, "c@small.ipynb": 40.0, "c@large.ipynb": 60.0, "gone.ipynb": 1e5}
    paths = ["a.ipynb", "b.ipynb", "c.ipynb", "new.ipynb"]
    assert expected(paths, known) == ({"a.ipynb": 1.0, "b.ipynb": 5.0, "c.ipynb": 100.0, "new.ipynb": 5.0}, True)
    assert expected(paths, {"gone.ipynb": 3.0}) == (dict.fromkeys(paths, 1.0), False)


def test_notebooks_that_wait_for_each_other_stay_together() -> None:
    paths = ["a", "b", "c", "d", "e", "f"]
    found = units(paths, {"c": {"a"}, "e": {"b", "gone"}}, [["a", "d"], ["e"]])
    assert found == [["a", "c", "d"], ["b", "e"], ["f"]]
    shards = divide(found, dict.fromkeys(paths, CPU), {}, 2)
    assert [shard.notebooks for shard in shards] == [["a", "c", "d"], ["b", "e", "f"]]
    assert [shard.seconds for shard in shards] == [0.0, 0.0]


def test_a_long_chain_of_needs_is_one_unit() -> None:
    paths = [str(number) for number in range(3000)]
    assert units(paths, {later: {earlier} for earlier, later in pairwise(paths)}, []) == [paths]


def test_runners_share_no_shard_and_the_busiest_gets_most() -> None:
    paths = [*"abcdefgh"]
    jobs = {path: GPU if path in "gh" else CPU for path in paths}
    seconds = dict.fromkeys(paths, 100.0)
    shards = divide([[path] for path in paths], jobs, seconds, 4)
    assert [(shard.notebooks, shard.runner, shard.container) for shard in shards] == [
        (["a", "d"], ["ubuntu-latest"], ""),
        (["b", "e"], ["ubuntu-latest"], ""),
        (["c", "f"], ["ubuntu-latest"], ""),
        (["g", "h"], ["self-hosted", "gpu"], "cuda:12"),
    ]


def test_runners_that_cannot_share_a_shard() -> None:
    with pytest.raises(InputError) as refused:
        divide([["a", "b"]], {"a": CPU, "b": GPU}, {}, 4)
    assert refused.value.message == (
        "`a` and `b` must run in one job, one after the other, but have different runners or containers: "
        "ubuntu-latest; self-hosted, gpu in cuda:12."
    )


def test_more_kinds_of_runners_than_shards() -> None:
    with pytest.raises(InputError) as refused:
        divide([["a"], ["b"]], {"a": CPU, "b": GPU}, {}, 1)
    assert refused.value.message == (
        "`shards` is 1, but the notebooks need 2 kinds of jobs: `ubuntu-latest`, `self-hosted, gpu in cuda:12`."
    )
    assert refused.value.hint == "Set `shards` to 2 or more."


def test_nothing_to_divide() -> None:
    assert divide([], {}, {}, 4) == []
