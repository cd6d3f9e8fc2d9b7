"""Finds cells whose outputs differ between runs of a notebook, and why.

The first run is compared with others, in which all conditions are changed. If a cell differs, the notebook runs again:
once unchanged, and once per condition, with only that one changed. What differs in only one of these has its cause.
Everything else may be due to the code: see `compare.causes`.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from notebook_ci.compare import outputs
from notebook_ci.compare.causes import causes
from notebook_ci.compare.cells import IGNORE, is_compared
from notebook_ci.compare.texts import Tolerance
from notebook_ci.execute_notebook import machine
from notebook_ci.notebooks.document import Document
from notebook_ci.records.execute_notebook import Cause, Failure, Nondeterminism

SEED = "PYTHONHASHSEED"
THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS",
    "POLARS_MAX_THREADS", "LOKY_MAX_CPU_COUNT",
)  # fmt: skip
FAR_AWAY = "Pacific/Kiritimati"  # 14 hours from UTC: mostly another date
# What to say of each cause, and what to do about it.
EXPLAINED: Mapping[Cause, tuple[str, str]] = {
    "hash-seed": ("the hash seed (it decides the order of sets, and `hash`)", "Sort sets before you show them."),
    "threads": ("the number of threads", "Set `OMP_NUM_THREADS`, or round what is shown."),
    "time-zone": ("the time zone", "Use UTC, or set `TZ`."),
    "random": ("random numbers without a seed", "Set a seed."),
    "time": ("the current time", "Show no times, or set them as a parameter."),
    "network": ("data from the network", "Keep a copy of the data, with DVC for example."),
    "concurrency": ("the order in which threads or processes end", "Sort their results."),
}
UNKNOWN = "Its cause is unknown: the same with all conditions, and not in the code of the cell."
TAG_IT = f"tag the cell `{IGNORE}`"

Outputs = Mapping[int, Sequence[Any]]  # of each cell, by its index


@dataclass(frozen=True)
class Repetition:
    outputs: Outputs
    failure: Failure | None = None  # the first one


def with_seed(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the first run: its hash seed is known, too."""
    seed = environ.get(SEED, "")
    return {**environ, SEED: seed if seed.isdecimal() else "0"}


def conditions(environ: Mapping[str, str], run: int) -> dict[Cause, dict[str, str]]:
    """Return the variables that change each condition, in the repetition with this number."""
    is_single = environ.get(THREADS[0]) == "1" or machine.cpus() == 1
    return {
        "hash-seed": {SEED: str(int(environ[SEED]) ^ run)},
        "threads": dict.fromkeys(THREADS, "2" if is_single else "1"),
        "time-zone": {"TZ": "UTC" if environ.get("TZ") == FAR_AWAY else FAR_AWAY},
    }


def find(
    document: Document,
    first: Outputs,
    repeat: Callable[[Mapping[str, str]], Repetition],
    environ: Mapping[str, str],
    *,
    runs: int,
    tolerance: Tolerance,
) -> list[Nondeterminism]:
    """Repeat a notebook that has passed, and return its cells that differ. `repeat` runs it with more variables."""
    compared = [cell.index for cell in document.cells if cell.index in first and is_compared(cell, "strict")]
    first = {index: first[index] for index in compared}
    found: dict[int, _Differing] = {}
    for run in range(1, runs):
        everything = {name: text for each in conditions(environ, run).values() for name, text in each.items()}
        for index, difference in _differences(first, repeat(everything), tolerance).items():
            if index not in found or found[index].is_close:
                found[index] = difference
    if not found:
        return []
    unchanged = _differences(first, repeat({}), tolerance)
    changed = {
        cause: _differences(first, repeat(variables), tolerance) for cause, variables in conditions(environ, 1).items()
    }
    seen = {
        index: [cause for cause, differing in changed.items() if index in differing and index not in unchanged]
        for index in found
    }
    return [
        Nondeterminism(
            cell=index + 1,
            line=document.line(index),
            message=difference.message,
            within_tolerance=difference.is_close,
            is_failure=difference.is_failure,
            # What differs in several of these may do so by chance.
            causes=seen[index] if len(seen[index]) == 1 else causes(document, index),
        )
        for index, difference in sorted(found.items())
    ]


@dataclass(frozen=True)
class _Differing:
    message: str
    is_close: bool = False  # within the tolerance
    is_failure: bool = False


def _differences(first: Outputs, other: Repetition, tolerance: Tolerance) -> dict[int, _Differing]:
    """Return how cells differ, by index: up to the one that failed, if one did."""
    strict = dataclasses.replace(tolerance, is_exact=True)
    failed = (other.failure.cell or 1) - 1 if other.failure else math.inf
    found: dict[int, _Differing] = {}
    for index, stored in first.items():
        new = other.outputs.get(index, [])
        if index < failed and (exact := outputs.compare(stored, new, strict).differences):
            more = f" (and {len(exact) - 1} more)" if len(exact) > 1 else ""
            is_close = not outputs.compare(stored, new, tolerance).differences
            found[index] = _Differing(exact[0].message + more, is_close)
    if other.failure:
        message = f"a repetition failed: {other.failure.title}: {other.failure.message}"
        found[int(failed)] = _Differing(message, is_failure=True)
    return found


def exempted(document: Document, found: Sequence[Nondeterminism], policy: str) -> list[int]:
    """Return the indices of the cells whose comparison would fail by chance, and that a tag would exempt from it."""
    cells = [document.cells[each.cell - 1] for each in found if not each.is_failure]
    close = {each.cell - 1 for each in found if each.within_tolerance and policy != "strict"}
    # What is compared with `lax` is compared whatever its other tags.
    return [
        cell.index
        for cell in cells
        if cell.index not in close and is_compared(cell, policy) and not is_compared(cell, "lax")
    ]


def sentences(found: Nondeterminism, what_to_do: str = TAG_IT) -> tuple[str, str]:
    """Return the message of a warning, and its hint."""
    close = " (within `rtol` and `atol`)" if found.within_tolerance else ""
    whys, hints = zip(*(EXPLAINED[cause] for cause in found.causes), strict=True) if found.causes else ((), ())
    why = f"Likely cause: {', or '.join(whys)}." if whys else UNKNOWN
    return f"{found.message}{close}. {why}", " ".join([*hints, f"If the outputs must differ, {what_to_do}."])
