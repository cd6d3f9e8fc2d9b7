"""Which imports of notebooks are made once for several. Pure: it imports nothing.

A notebook may be forked from a server that has imported nothing but what the notebook itself imports first (see
`notebooks/imports.py`). An import that is not made there ends what is: those behind it would come before it. Exceptions
are the standard library, which is quick to import and changes nothing for others, and names taken from a module that is
imported there.
"""

import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

Modules = tuple[str, ...]

# Of the Python of the tools: those of the notebooks' differ little. setuptools wants to come before distutils.
STANDARD = sys.stdlib_module_names - {"distutils"}


@dataclass(frozen=True)
class Wish:
    """What one notebook imports first.

    Attributes:
        folder: The folder that it lies in.
        modules: `a.b`, or `a.b:c` for `from a.b import c`, in its order.
        shadowed: Names of what lies beside it, and so comes before the standard library.
    """

    folder: str
    modules: Modules
    shadowed: frozenset[str] = frozenset()


def expanded(first: Iterable[str]) -> Modules:
    """Return imports, each `a.b:c` behind its `a.b`, without repetitions."""
    return tuple(dict.fromkeys(each for item in first for each in ([item.partition(":")[0], item])))


def shared(wishes: Mapping[int, Wish], refused: Collection[str] = ()) -> dict[int, Modules]:
    """Return what servers import for each notebook, the most shared first.

    Args:
        wishes: What notebooks of one folder import.
        refused: What cannot be imported before.
    """
    kept = {place: _until_other(wish, set(wish.modules).difference(refused)) for place, wish in wishes.items()}
    while True:
        counts = Counter(module for modules in kept.values() for module in modules)
        several = {module for module, count in counts.items() if count > 1}
        shorter = {place: _until_other(wishes[place], several.intersection(kept[place])) for place in kept}
        if shorter == kept:
            break
        kept = shorter
    in_order = dict.fromkeys(module for modules in kept.values() for module in modules)
    ranked = sorted(in_order, key=lambda module: -counts[module])
    return {place: tuple(module for module in ranked if module in modules) for place, modules in kept.items()}


def reasons(wish: Wish, planned: Modules, made: Modules, refused: Mapping[str, str]) -> dict[str, str]:
    """Return by name why imports of a notebook, which may have been made before, were not.

    Args:
        wish: What it imports first.
        planned: What was to be imported for it.
        made: What was.
        refused: Why others may not be.
    """
    found: dict[str, str] = {}
    behind = ""
    for module in wish.modules:
        if module in refused:
            found[module] = refused[module]
        elif module in made or _is_standard(module, wish):
            continue
        elif module in planned:
            found[module] = "no server had imported it yet"
        else:
            found[module] = f"stands behind `{behind}`" if behind else "no other notebook of the folder can share it"
        if ":" not in module and module not in planned:
            behind = behind or module
    return found


def useful(paths: Mapping[Modules, int]) -> set[Modules]:
    """Return what servers should have imported, so that each serves several notebooks.

    Args:
        paths: What is imported for notebooks, in the order of import, and for how many.
    """
    counts: Counter[Modules] = Counter()
    for path, count in paths.items():
        counts.update({path[:length]: count for length in range(1, len(path) + 1)})
    longer: Counter[Modules] = Counter()
    for path, count in counts.items():
        longer[path[:-1]] = max(longer[path[:-1]], count)
    # Of those that serve the same notebooks, the one that has imported most.
    return {path for path, count in counts.items() if count > 1 and longer[path] != count}


def _until_other(wish: Wish, wanted: Collection[str]) -> Modules:
    """Return what is wanted of a notebook's imports, up to the first that is not and would matter."""
    kept = []
    for module in wish.modules:
        if _is_standard(module, wish):
            continue
        if module in wanted:
            kept.append(module)
        elif ":" not in module:
            break
    return tuple(kept)


def _is_standard(module: str, wish: Wish) -> bool:
    top = module.partition(":")[0].partition(".")[0]
    return top in STANDARD and top not in wish.shadowed


def beside(names: Sequence[str]) -> frozenset[str]:
    """Return the names of modules that files and folders of these names may be."""
    return frozenset(name.partition(".")[0] for name in names)
