import random
from collections import Counter

import pytest

from kernel_server.client.sharing import Group, Wish, reasons, shared, useful


def wishes(*lists: str, shadowed: str = "") -> dict[int, Wish]:
    return {
        place: Wish(Group("folder"), tuple(text.split()), frozenset(shadowed.split()))
        for place, text in enumerate(lists)
    }


def paths(*lists: str, refused: str = "", shadowed: str = "") -> list[str]:
    """Return what is imported for each notebook, as text."""
    return [" ".join(path) for path in shared(wishes(*lists, shadowed=shadowed), refused.split()).values()]


def test_what_several_import_is_shared() -> None:
    assert paths("numpy pandas", "numpy", "numpy pandas scipy") == ["numpy pandas", "numpy", "numpy pandas"]


def test_notebooks_share_only_what_they_import_in_the_same_order() -> None:
    """The last one fails: `sklearn.impute` has this name once the experiment is enabled."""
    enabled = "sklearn.experimental sklearn.experimental:enable sklearn.impute sklearn.impute:Imputer"
    too_early = "sklearn.impute sklearn.impute:Imputer sklearn.experimental sklearn.experimental:enable"
    found = paths(enabled, enabled, too_early)
    assert found == [enabled, enabled, too_early]
    assert useful(Counter(tuple(path.split()) for path in found)) == {tuple(enabled.split())}


def test_what_one_alone_imports_ends_what_is_shared() -> None:
    assert paths("numpy mine pandas", "numpy pandas") == ["numpy", "numpy"]


def test_what_is_refused_ends_it_too() -> None:
    assert paths("numpy noisy pandas", "numpy noisy pandas", refused="noisy") == ["numpy", "numpy"]
    assert paths("noisy numpy", "noisy numpy", "numpy", "numpy", refused="noisy") == ["", "", "numpy", "numpy"]
    assert paths("a a:noisy numpy", "a a:noisy numpy", "a numpy", refused="a:noisy") == ["a", "a", "a"]


def test_the_standard_library_is_left_out_and_ends_nothing() -> None:
    assert paths("json numpy os.path", "numpy") == ["numpy", "numpy"]


def test_a_module_beside_the_notebook_that_has_its_name_ends_it() -> None:
    assert paths("json numpy", "json numpy", "numpy", "numpy", shadowed="json", refused="json")[0] == ""


def test_a_name_that_one_alone_takes_from_a_shared_module_ends_nothing() -> None:
    assert paths("a a:b numpy", "a a:c numpy", "a a:c") == ["a numpy", "a a:c numpy", "a a:c"]


def test_what_is_left_after_a_cut_is_counted_again() -> None:
    """The second imports `b` behind something of its own: then the first is the only one that imports it."""
    assert paths("a b c", "a mine b", "a c") == ["a", "a", "a"]


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
    """And nothing behind an import that is not made before: unless that is a name, or of the standard library."""
    draw = random.Random(5)  # noqa: S311 - the same each time
    servers = 0
    for _ in range(300):
        lists = [draw.sample(["a", "b", "c", "d", "a:x", "json", "noisy"], draw.randint(0, 6)) for _ in range(5)]
        given = {}
        for place, modules in enumerate(lists):
            each_after_its_module = [name for module in modules for name in (module.partition(":")[0], module)]
            given[place] = Wish(Group("folder"), tuple(dict.fromkeys(each_after_its_module)))
        found = shared(given, ["noisy"])
        for place, path in found.items():
            own = given[place].modules
            assert set(path) <= set(own) - {"noisy", "json"}
            assert path == tuple(module for module in own if module in path)
            left = [module for module in own if module not in path and ":" not in module and module != "json"]
            first_left = own.index(left[0]) if left else len(own)
            assert all(own.index(module) < first_left for module in path)
        for server in useful(Counter(found.values())):
            assert sum(server == path[: len(server)] for path in found.values()) > 1
            servers += 1
    assert servers > 300


@pytest.mark.parametrize(
    ("modules", "planned", "made", "refused", "expected"),
    [
        ("numpy pandas", "numpy pandas", "numpy pandas", {}, {}),
        ("json numpy", "numpy", "numpy", {}, {}),
        ("numpy own pandas", "numpy", "numpy", {"own": "mine"}, {"own": "mine", "pandas": "comes after `own`"}),
        ("numpy", "numpy", "", {}, {"numpy": "no server had imported it yet"}),
        (
            "rare numpy numpy:array",
            "",
            "",
            {},
            {
                "rare": "no other notebook of the folder can share it",
                "numpy": "comes after `rare`",
                "numpy:array": "comes after `rare`",
            },
        ),
        (
            "numpy numpy:odd pandas",
            "numpy",
            "numpy",
            {"numpy:odd": "prints"},
            {"numpy:odd": "prints", "pandas": "comes after `numpy:odd`"},
        ),
    ],
)
def test_why_an_import_was_not_made_before(
    modules: str, planned: str, made: str, refused: dict[str, str], expected: dict[str, str]
) -> None:
    wish = Wish(Group("folder"), tuple(modules.split()))
    assert reasons(wish, tuple(planned.split()), tuple(made.split()), refused) == expected
