import random
from collections import Counter

import pytest

from kernel_server.client.sharing import Wish, reasons, shared, useful


def wishes(*lists: str, beside: str = "") -> dict[int, Wish]:
    return {place: Wish("folder", tuple(text.split()), frozenset(beside.split())) for place, text in enumerate(lists)}


def paths(*lists: str, refused: str = "", beside: str = "") -> list[str]:
    """Return what is imported for each notebook, as text."""
    return [" ".join(path) for path in shared(wishes(*lists, beside=beside), refused.split()).values()]


def test_what_several_import_is_shared_and_the_most_shared_comes_first() -> None:
    assert paths("pandas numpy", "numpy", "numpy pandas") == ["numpy pandas", "numpy", "numpy pandas"]


def test_what_one_alone_imports_is_left_to_it() -> None:
    assert paths("numpy mine pandas", "numpy pandas") == ["numpy pandas", "numpy pandas"]


def test_what_is_refused_is_left_to_the_notebooks() -> None:
    assert paths("numpy noisy pandas", "numpy noisy pandas", refused="noisy") == ["numpy pandas", "numpy pandas"]


def test_the_standard_library_and_what_lies_beside_are_left_out() -> None:
    assert paths("json numpy os.path own", "json numpy own", beside="own") == ["numpy", "numpy"]


def test_a_name_comes_after_its_module() -> None:
    assert paths("a a:b numpy", "a a:c numpy", "a a:c") == ["a numpy", "a a:c numpy", "a a:c"]


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        (["a b", "a b"], ["a b"]),
        (["a b", "a c", "a b", "a c"], ["a", "a b", "a c"]),
        (["a b c", "a b", "a"], ["a", "a b"]),
        (["a", "b"], []),
        (["", ""], []),
    ],
)
def test_a_server_serves_several_and_each_has_what_the_next_lacks(lists: list[str], expected: list[str]) -> None:
    found = useful(Counter(tuple(text.split()) for text in lists))
    assert sorted(" ".join(path) for path in found) == expected


def test_whatever_notebooks_import_none_gets_what_it_does_not() -> None:
    draw = random.Random(5)  # noqa: S311 - the same each time
    servers = 0
    for _ in range(300):
        lists = [draw.sample(["a", "b", "c", "d", "a:x", "json", "noisy"], draw.randint(0, 6)) for _ in range(5)]
        given = {}
        for place, modules in enumerate(lists):
            each_after_its_module = [name for module in modules for name in (module.partition(":")[0], module)]
            given[place] = Wish("folder", tuple(dict.fromkeys(each_after_its_module)))
        found = shared(given, ["noisy"])
        for place, path in found.items():
            own = given[place].modules
            assert set(path) <= set(own) - {"noisy", "json"}
        for server in useful(Counter(found.values())):
            assert sum(server == path[: len(server)] for path in found.values()) > 1
            servers += 1
    assert servers > 300


@pytest.mark.parametrize(
    ("modules", "planned", "made", "refused", "expected"),
    [
        ("numpy pandas", "numpy pandas", "numpy pandas", {}, {}),
        ("json numpy", "numpy", "numpy", {}, {}),
        (
            "numpy own pandas",
            "numpy",
            "numpy",
            {"own": "mine"},
            {"own": "mine", "pandas": "no other notebook of the folder imports it"},
        ),
        ("numpy", "numpy", "", {}, {"numpy": "no server had imported it yet"}),
        (
            "rare numpy numpy:array",
            "",
            "",
            {},
            {
                "rare": "no other notebook of the folder imports it",
                "numpy": "no other notebook of the folder imports it",
                "numpy:array": "no other notebook of the folder imports it",
            },
        ),
        ("numpy numpy:odd pandas", "numpy pandas", "numpy pandas", {"numpy:odd": "prints"}, {"numpy:odd": "prints"}),
    ],
)
def test_why_an_import_was_not_made_before(
    modules: str, planned: str, made: str, refused: dict[str, str], expected: dict[str, str]
) -> None:
    wish = Wish("folder", tuple(modules.split()))
    assert reasons(wish, tuple(planned.split()), tuple(made.split()), refused) == expected
