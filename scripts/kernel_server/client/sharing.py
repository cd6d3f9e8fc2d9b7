"""Decides which modules are imported once for several notebooks. Pure: it imports nothing.

A kernel may be forked from a server only if the notebook itself imports, somewhere, all that the server has imported.
"""

import sys
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

Modules = tuple[str, ...]

# The tool environment's list: the notebooks' Python differs little. setuptools must be imported before distutils.
STANDARD = sys.stdlib_module_names - {"distutils"}


@dataclass(frozen=True)
class Wish:
    folder: str
    modules: Modules  # in order: `a.b`, and for `from a.b import c` also `a.b:c` after it
    beside: frozenset[str] = frozenset()  # files and folders next to it, which come before installed modules
    others: Mapping[str, str] = field(default_factory=dict)  # its other imports -> why they are left to it


def shared(wishes: Mapping[int, Wish], refused: Collection[str] = ()) -> dict[int, Modules]:
    """Return what servers import for each notebook, the most shared first.

    `wishes` are those of notebooks in one folder; `refused` modules cannot be imported in advance.
    """
    kept = {
        index: [each for each in wish.modules if each not in refused and not _is_beside_or_standard(each, wish)]
        for index, wish in wishes.items()
    }
    counts = Counter(module for modules in kept.values() for module in modules)
    return {
        index: tuple(sorted((each for each in modules if counts[each] > 1), key=lambda each: -counts[each]))
        for index, modules in kept.items()
    }


def reasons(wish: Wish, planned: Modules, done: Modules, refused: Mapping[str, str]) -> dict[str, str]:
    """Return why modules that could have been imported in advance for a notebook were not, per name.

    `planned` is what should be imported for it, `done` what was, `refused` why other modules may not be.
    """
    found: dict[str, str] = {}
    for module in wish.modules:
        if module in refused:
            found[module] = refused[module]
        elif module in planned and module not in done:
            found[module] = "no server had imported it yet"
        elif module.partition(":")[0].partition(".")[0] in wish.beside:
            found[module] = "it is next to the notebook, not from the installed environment"
        elif module not in done and not _is_beside_or_standard(module, wish):
            found[module] = "no other notebook of the folder imports it"
    return found


def useful(paths: Mapping[Modules, int]) -> set[Modules]:
    """Return the sets of modules that servers should import, so that each serves several notebooks.

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


def _is_beside_or_standard(module: str, wish: Wish) -> bool:
    """Return whether a module is the user's own, or imports quickly."""
    top = module.partition(":")[0].partition(".")[0]
    return top in STANDARD or top in wish.beside
