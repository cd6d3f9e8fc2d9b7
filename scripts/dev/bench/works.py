"""The measured works, their contenders and the promises."""

import re
from collections.abc import Sequence
from pathlib import Path

from dev.bench import inputs, processes
from dev.bench.contest import Check, Contender, NotDoneError, Promise, Work
from dev.bench.environments import Environments
from dev.bench.inputs import Notebooks

HERE = Path(__file__).resolve().parent
OURS, NBMAKE, PAPERMILL, NBCLIENT = (
    "execute-notebook",
    "pytest --nbmake -n auto",
    "papermill in a shell loop",
    "nbclient",
)
AT_ONCE, SOME_AT_ONCE = "nbclient, all at once", "nbclient, as many at once as CPUs"
PACKAGES = "numpy, pandas, matplotlib and sklearn"
FORKED, STARTED = "forked kernels", "started kernels"
# For the notebooks with imports, by contender: the flags, the promised ratio, and the ratio we aim for.
IMPORTING: dict[str, tuple[Sequence[str], float, float | None]] = {
    OURS: ((), 5, 8),
    f"{OURS}, preload: off": (("--preload", "off"), 1.5, None),
}
MOST_SAVED = 30_000_000  # bytes, with the default of max-output
OUTPUT = "out"


def works(environments: Environments) -> list[Work]:
    return [
        _trivial_many(environments, 100),
        _trivial_few(environments, 8),
        _importing(environments, 20),
        _long(environments),
        _printing(environments),
        _idle(environments, 20, "idle", "", "pass"),
        _idle(environments, 20, "idle-importing", f" that have imported {PACKAGES}", inputs.IMPORTING[0]),
    ]


def _trivial_many(environments: Environments, count: int) -> Work:
    return Work(
        name=f"trivial-{count}",
        title=f"{count} notebooks of {inputs.TRIVIAL_CELLS} trivial cells",
        notebooks=inputs.trivial(count),
        rehearsal=inputs.trivial(1),
        contenders=[
            _ours(environments),
            _nbmake(environments),
            _papermill(environments),
            _nbclient(environments, AT_ONCE),
            _nbclient(environments, SOME_AT_ONCE, "--some-at-once"),
        ],
        promises=[
            Promise(OURS, [NBMAKE], 6, 10),
            Promise(OURS, [PAPERMILL], 18, 30),
            Promise(OURS, [AT_ONCE, SOME_AT_ONCE], 4, 8),
        ],
    )


def _trivial_few(environments: Environments, count: int) -> Work:
    return Work(
        name=f"trivial-{count}",
        title=f"{count} notebooks of {inputs.TRIVIAL_CELLS} trivial cells",
        notebooks=inputs.trivial(count),
        rehearsal=inputs.trivial(1),
        contenders=[_ours(environments), _nbmake(environments)],
        promises=[Promise(OURS, [NBMAKE], 3, 4)],
    )


def _importing(environments: Environments, count: int) -> Work:
    return Work(
        name=f"importing-{count}",
        title=f"{count} notebooks that import {PACKAGES}, compute and plot",
        notebooks=inputs.importing(count),
        rehearsal=inputs.importing(1),
        contenders=[
            *(_ours(environments, flags, name) for name, (flags, _, _) in IMPORTING.items()),
            _nbmake(environments),
        ],
        promises=[Promise(name, [NBMAKE], at_least, aim) for name, (_, at_least, aim) in IMPORTING.items()],
    )


def _long(environments: Environments) -> Work:
    return Work(
        name="long",
        title=f"one notebook of {inputs.SMALL_CELLS:,} small cells",
        notebooks=inputs.long(),
        rehearsal=inputs.trivial(1),
        contenders=[_ours(environments), _nbclient(environments, NBCLIENT)],
        promises=[Promise(OURS, [NBCLIENT], 1)],
    )


def _printing(environments: Environments) -> Work:
    return Work(
        name="printing",
        title=f"a cell that prints {inputs.PRINTED_BYTES // 10**6} MB: the driver's peak memory",
        notebooks=inputs.printing(),
        rehearsal=inputs.trivial(1),
        contenders=[_ours(environments, check=_saved_bounded), _nbclient(environments, NBCLIENT)],
        promises=[Promise(OURS, [NBCLIENT], 4)],
        counted=processes.drivers,
    )


def _idle(environments: Environments, count: int, name: str, which: str, imports: str) -> Work:
    at_once = ("--workers", str(count), "--kernel-start")
    return Work(
        name=name,
        title=f"{count} idle kernels{which}: their memory",
        notebooks=inputs.idle(count, imports),
        rehearsal=inputs.idle(1, imports),
        contenders=[
            _ours(environments, (*at_once, "fork"), FORKED),
            _ours(environments, (*at_once, "spawn"), STARTED),
        ],
        promises=[Promise(FORKED, [STARTED], 2, 4)],
        counted=processes.kernels,
    )


def _ours(
    environments: Environments, flags: Sequence[str] = (), name: str = OURS, check: Check | None = None
) -> Contender:
    return Contender(name, environments.stage("--notebooks", "*.ipynb", *flags), check or _saved_by_us)


def _nbmake(environments: Environments) -> Contender:
    return Contender(NBMAKE, environments.peer("-m", "pytest", "--nbmake", "-n", "auto"), _passed)


def _papermill(environments: Environments) -> Contender:
    loop = f'mkdir {OUTPUT}; for each in *.ipynb; do "$0" -m papermill "$each" "{OUTPUT}/$each" || exit 1; done'
    return Contender(PAPERMILL, ["sh", "-c", loop, *environments.peer()], _saved, slow=True)


def _nbclient(environments: Environments, name: str, *flags: str) -> Contender:
    return Contender(name, environments.peer(str(HERE / "in_nbclient.py"), OUTPUT, *flags), _saved)


def _saved(folder: Path, _: str, notebooks: Notebooks) -> None:
    _compare(folder / OUTPUT, notebooks)


def _saved_by_us(folder: Path, _: str, notebooks: Notebooks) -> None:
    _compare(_our_outputs(folder), notebooks)


def _saved_bounded(folder: Path, said: str, notebooks: Notebooks) -> None:
    _saved_by_us(folder, said, notebooks)
    for name in notebooks:
        if (_our_outputs(folder) / name).stat().st_size > MOST_SAVED:
            raise NotDoneError(f"{name} was saved with more than `max-output`")


def _our_outputs(folder: Path) -> Path:
    found = list((folder / ".notebook-ci" / "runs").glob("*/execute-notebook"))
    if len(found) != 1:
        raise NotDoneError(f"there are {len(found)} folders of executed notebooks")
    return found[0]


def _compare(outputs: Path, notebooks: Notebooks) -> None:
    for name, cells in notebooks.items():
        if not (outputs / name).exists():
            raise NotDoneError(f"{name} was not saved")
        if inputs.executed_cells(outputs / name) != len(cells):
            raise NotDoneError(f"not all cells of {name} have run")


def _passed(_: Path, said: str, notebooks: Notebooks) -> None:
    """Compare the number of passed tests with that of notebooks: nbmake does not save notebooks by default."""
    if not re.search(rf"\b{len(notebooks)} passed\b", said):
        raise NotDoneError(f"not {len(notebooks)} have passed")
