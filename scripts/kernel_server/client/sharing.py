"""Decides which modules are imported once for several notebooks. Pure: it imports nothing.

A kernel may be forked from a server only if the server has imported nothing except what the notebook itself imports
first (see `imports.py`). The first import that the server does not make ends the list: those after it would
come too early. Exceptions are the standard library, which imports quickly and does not affect others, and names from a
module that the server imports, unless one is refused.
"""

import sys
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

Modules = tuple[str, ...]

# The tool environment's list: the notebooks' Python differs little. setuptools must be imported before distutils.
STANDARD = sys.stdlib_module_names - {"distutils"}


class Group(NamedTuple):
    """Notebooks that may share servers."""

    folder: str
    inline: bool = False  # `%matplotlib inline` may come before some of their imports


@dataclass(frozen=True)
class Wish:
    group: Group
    modules: Modules  # in order: `a.b`, and for `from a.b import c` also `a.b:c` after it
    shadowed: frozenset[str] = frozenset()  # files and folders next to it, which come before the standard library
    later: Mapping[str, str] = field(default_factory=dict)  # its other imports -> why they come too late


def shared(wishes: Mapping[int, Wish], refused: Collection[str] = ()) -> dict[int, Modules]:
    """Return what servers import for each notebook, in its own order: an import may fail unless another comes first.

    `wishes` are those of a group; `refused` modules cannot be imported in advance.
    """
    kept = {index: wish.modules for index, wish in wishes.items()}
    while True:
        counts = Counter(module for modules in kept.values() for module in modules)
        several = {module for module, count in counts.items() if count > 1}
        shorter = {index: _until_other(wish, several, refused) for index, wish in wishes.items()}
        if shorter == kept:
            return kept
        kept = shorter


def reasons(wish: Wish, planned: Modules, done: Modules, refused: Mapping[str, str]) -> dict[str, str]:
    """Return why modules that could have been imported in advance for a notebook were not, per name.

    `planned` is what should be imported for it, `done` what was, `refused` why other modules may not be.
    """
    found: dict[str, str] = {}
    earlier = ""
    for module in wish.modules:
        if module in refused:
            found[module] = refused[module]
        elif module in done or _is_standard(module, wish):
            continue
        elif module in planned:
            found[module] = "no server had imported it yet"
        else:
            found[module] = f"comes after `{earlier}`" if earlier else "no other notebook of the folder can share it"
        if module not in planned and (":" not in module or module in refused):
            earlier = earlier or module
    return found


def useful(paths: Mapping[Modules, int]) -> set[Modules]:
    """Return the beginnings of these lists that servers should import, so that each serves several notebooks.

    `paths` are the imports for notebooks, in order, with the number of notebooks.
    """
    counts: Counter[Modules] = Counter()
    for path, count in paths.items():
        counts.update({path[:length]: count for length in range(1, len(path) + 1)})
    longer: Counter[Modules] = Counter()
    for path, count in counts.items():
        longer[path[:-1]] = max(longer[path[:-1]], count)
    # If several serve the same notebooks, only the one with most imports is useful.
    return {path for path, count in counts.items() if count > 1 and longer[path] != count}


def _until_other(wish: Wish, allowed: Collection[str], refused: Collection[str]) -> Modules:
    """Return the imports of a notebook that are in `allowed`, up to one that is refused, or another module."""
    kept = []
    for module in wish.modules:
        if _is_standard(module, wish):
            continue
        if module in refused:
            break
        if module in allowed:
            kept.append(module)
        elif ":" not in module:
            break
    return tuple(kept)


def _is_standard(module: str, wish: Wish) -> bool:
    top = module.partition(":")[0].partition(".")[0]
    return top in STANDARD and top not in wish.shadowed
