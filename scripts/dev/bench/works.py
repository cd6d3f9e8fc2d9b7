"""What is compared: works, their contenders, and what is promised of them."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from dev.bench import notebooks
from dev.bench.notebooks import Notebooks
from notebook_ci.base.launcher import LAUNCHER

LAUNCH = f"bash {shlex.quote(str(LAUNCHER))}"
PACKAGES = "numpy, pandas, matplotlib and sklearn"
# "drivers": without kernels, the servers that fork them, and what these started. "kernels": only these.
Part = Literal["drivers", "kernels"]
LEAST_SECONDS = 0.5  # less is shown in milliseconds


@dataclass(frozen=True)
class Contender:
    name: str  # as in the table
    command: str  # for `sh`, in the folder of the notebooks, with the variables of `environments`
    before: str = ""  # a command that is not timed
    # What shows that the work was done:
    saves: str = ""  # a pattern of the folders that contain all notebooks, executed
    says: str = ""  # a part of what the command prints; `{count}`: the number of notebooks


class Verdict(NamedTuple):
    contenders: str  # that are compared
    reached: str
    promised: str
    kept: bool


@dataclass(frozen=True)
class Ratio:
    """How many times better than its peer one contender must be."""

    ours: Contender
    peer: Contender
    at_least: float

    def verdict(self, medians: Mapping[str, float]) -> Verdict:
        ratio = medians[self.peer.name] / medians[self.ours.name]
        names = f"{self.ours.name} against {self.peer.name}"
        return Verdict(names, f"{ratio:.2f}x", f"{self.at_least:.3g}x", ratio >= self.at_least)


@dataclass(frozen=True)
class Difference:
    """How many milliseconds more than another one contender may take."""

    ours: Contender
    other: Contender
    at_most: float

    def verdict(self, medians: Mapping[str, float]) -> Verdict:
        more = (medians[self.ours.name] - medians[self.other.name]) * 1000
        names = f"{self.ours.name}, less {self.other.name}"
        return Verdict(names, f"{more:.0f} ms", f"{self.at_most:g} ms", more <= self.at_most)


@dataclass(frozen=True)
class Limit:
    """How many seconds one contender may take."""

    ours: Contender
    at_most: float

    def verdict(self, medians: Mapping[str, float]) -> Verdict:
        seconds = medians[self.ours.name]
        return Verdict(self.ours.name, f"{seconds:.2f} s", f"{self.at_most:g} s", seconds <= self.at_most)


@dataclass(frozen=True)
class Work:
    name: str  # on the command line
    title: str  # in the table
    notebooks: Notebooks
    contenders: Sequence[Contender]
    promises: Sequence[Ratio | Difference | Limit]
    memory_of: Part | None = None  # None: measure the time of the command
    installs: bool = False  # whether its contenders install packages
    is_real: bool = False  # its notebooks are those of real.py, and `$PEERS` has what these import
    fewest_rounds: int = 1

    def shown(self, figure: float) -> str:
        """Return a figure, in seconds or bytes, with its unit."""
        if self.memory_of:
            return f"{figure / 1e6:.0f} MB"
        return f"{figure:.1f} s" if figure >= LEAST_SECONDS else f"{figure * 1000:.1f} ms"


def execute_notebook(flags: str = "", name: str = "execute-notebook") -> Contender:
    command = f"""{LAUNCH} execute-notebook --python "$PEERS" {flags}"""
    return Contender(name, command, saves=".notebook-ci/runs/*/execute-notebook")


OURS = execute_notebook()
NO_PRELOAD = execute_notebook("--preload off", "execute-notebook, preload: off")
FORKED = execute_notebook("--workers 20 --kernel-start fork", "forked kernels")
STARTED = execute_notebook("--workers 20 --kernel-start spawn", "started kernels")
# It does not save notebooks by default.
NBMAKE = Contender("pytest --nbmake -n auto", '"$PEERS" -m pytest --nbmake -n auto', says=" {count} passed")
PAPERMILL = Contender(
    "papermill in a shell loop",
    'mkdir out; for each in *.ipynb; do "$PEERS" -m papermill "$each" "out/$each" || exit 1; done',
    saves="out",
)
IN_NBCLIENT = shlex.quote(str(Path(__file__).with_name("in_nbclient.py")))
NBCLIENT = Contender("nbclient", f'"$PEERS" {IN_NBCLIENT}', saves="out")
LAUNCHED = Contender("python, started by launch.sh", f"{LAUNCH} --env execute-notebook --exec python -I -S -c pass")
DIRECT = Contender("python, started directly", '"$OURS" -I -S -c pass')
CHECK_IMPORTS = Contender(
    "import check, as a command of its own",
    f'"$OURS" {shlex.quote(str(Path(__file__).with_name("check_imports.py")))} "$PEERS"',
    says="{count} notebooks checked",
)
COMPARE = Contender(
    "comparison, as a command of its own",
    f'"$OURS" {shlex.quote(str(Path(__file__).with_name("compare_outputs.py")))}',
    before=OURS.command,
    says="{count} notebooks and {count} plots compared",
)
HIDING = [
    Contender(
        f"in {where}, as a command of its own",
        f'"$OURS" {shlex.quote(str(Path(__file__).with_name("hide_credentials.py")))} {where}',
        says="100 MB searched",
    )
    for where in ("code", "json", "images")
]
REPORT = Contender(
    "report",
    f"""{LAUNCH} report; grep -c 'data-status="passed"' .notebook-ci/runs/*/report.html""",
    before=OURS.command,
    says="\n{count}\n",
)
OPENED = Contender(
    "Chromium, started for it",
    f'"$PEERS" {shlex.quote(str(Path(__file__).with_name("open_page.py")))}',
    before=f"{OURS.command}; {LAUNCH} report",
    says="{count} notebooks shown, all smooth",
)
# Installing: each contender has a home and caches of its own, where the chain does not look for notebooks. What they
# install, and `$UV`, comes from `environments`.
LOCKED = "a hashed lock of 64 packages"
HERE = 'export HOME="$PWD/.home" UV_CACHE_DIR="$PWD/.cache"; '
WITH_LOCK = 'cp "$LOCK" requirements.txt; '
WITH_LIST = (
    """printf 'channels: [%s]\ndependencies: [%s]\n' "$CHANNEL" "$(echo "$PACKAGES" | tr ' ' ,)" >environment.yml; """
)
# The tool environments without the packages of conda that earlier runs have left beside them.
TOOLS = """\
mkdir -p .tools; for each in setup-env conda; do ln -sf "$NOTEBOOK_CI_CACHE/$each"-???????????????? .tools; done
export NOTEBOOK_CI_CACHE="$PWD/.tools"; """
CREATE = f"{HERE}{LAUNCH} setup-env --venv venv"
CREATE_OF_CONDA = f"{HERE}{TOOLS}{LAUNCH} setup-env --venv venv"
SYNC = f"""\
{HERE}"$UV" venv --python "$PEERS" venv
"$UV" pip sync --compile-bytecode --no-index --find-links "$PIP_FIND_LINKS" --python venv requirements.txt"""
IN_RATTLER = shlex.quote(str(Path(__file__).with_name("in_rattler.py")))
RATTLE = f"""\
{HERE}"$RATTLER" -I {IN_RATTLER} "$CHANNEL" venv .conda $PACKAGES
venv/bin/python -m compileall -q -j 0 venv || true"""
SETUP_ENV = Contender("setup-env", CREATE, before=WITH_LOCK)
UV = Contender("uv pip sync --compile-bytecode", SYNC, before=WITH_LOCK)
INSTALL = f'{HERE}"$PEERS" -m venv venv && venv/bin/python -m pip install -r requirements.txt'
PIP = Contender("pip install -r", INSTALL, before=WITH_LOCK)
# Restored files have other times.
RESTORED = Contender(
    "setup-env",
    CREATE,
    before=f"{WITH_LOCK}{CREATE}; cp -a venv copy; rm -r venv; mv copy venv",
    says="Reusing the environment",
)
UV_WARM = Contender(UV.name, SYNC, before=f"{WITH_LOCK}{SYNC}; rm -r venv")
CONDA = Contender("setup-env", CREATE_OF_CONDA, before=WITH_LIST)
RATTLER = Contender("py-rattler, compileall", RATTLE)
CONDA_WARM = Contender("setup-env", CREATE_OF_CONDA, before=f"{WITH_LIST}{CREATE_OF_CONDA}; rm -r venv")
RATTLER_WARM = Contender(RATTLER.name, RATTLE, before=f"{RATTLE}; rm -r venv")
CHAIN = Contender(
    "pipeline",
    f'{HERE}NOTEBOOK_CI_CACHE="$PWD/.tools" {LAUNCH} pipeline',
    before=WITH_LOCK,
    saves=".notebook-ci/runs/*/execute-notebook",
    says="Logged the run",
)
# A repository in which the first notebook has changed.
CHANGED = """\
git init --quiet; git add --all; commit() { git -c user.name=bench -c user.email=bench@localhost commit -qm "$1"; }
commit first; echo >>importing000.ipynb; git add --all; commit second"""
PLANNED = Contender(
    "plan-notebooks",
    f"{LAUNCH} plan-notebooks --base HEAD~1",
    before=CHANGED,
    says="importing000.ipynb: it changed",
)
# The chain on a laptop where it has run before, and its stages as single commands.
STAGES = "setup-env dvc-pull validate-data execute-notebook log-run"
RUN_ALL = f"{HERE}{LAUNCH} pipeline --stages {STAGES}"
PENGUINS = f'cp -R "$PENGUINS"/. .; git init --quiet; git add --all; {RUN_ALL}'
WARM_CHAIN = Contender("pipeline", RUN_ALL, before=PENGUINS, says="Logged the run")
ONE_BY_ONE = Contender(
    "its stages, one after the other",
    f"{HERE}for each in {STAGES}; do {LAUNCH} $each --run-dir run; done",
    before=PENGUINS,
    says="Logged the run",
)
ALONE = Contender(
    "uv pip sync --compile-bytecode, nbclient",
    f"{SYNC} && venv/bin/python {IN_NBCLIENT}",
    before=WITH_LOCK,
    saves="out",
)

WORKS = [
    Work(
        name="trivial-100",
        title="100 notebooks of 10 trivial cells",
        notebooks=notebooks.small(100, 10),
        contenders=[OURS, NBMAKE, PAPERMILL, NBCLIENT],
        promises=[Ratio(OURS, NBMAKE, 6), Ratio(OURS, PAPERMILL, 18), Ratio(OURS, NBCLIENT, 4)],
    ),
    Work(
        name="trivial-8",
        title="8 notebooks of 10 trivial cells",
        notebooks=notebooks.small(8, 10),
        contenders=[OURS, NBMAKE],
        promises=[Ratio(OURS, NBMAKE, 3)],
    ),
    Work(
        name="alone",
        title="one notebook of 10 trivial cells",
        notebooks=notebooks.small(1, 10),
        contenders=[OURS, PAPERMILL],
        promises=[Ratio(OURS, PAPERMILL, 1.4)],
        fewest_rounds=5,
    ),
    Work(
        name="importing-20",
        title=f"20 notebooks that import {PACKAGES}, compute and plot",
        notebooks=notebooks.importing(20),
        contenders=[OURS, NO_PRELOAD, NBMAKE],
        promises=[Ratio(OURS, NBMAKE, 5), Ratio(NO_PRELOAD, NBMAKE, 1.5)],
    ),
    Work(
        name="spread-20",
        title="the same 20, with `%matplotlib inline` first and each import in the cell that needs it",
        notebooks=notebooks.importing(20, notebooks.SPREAD),
        contenders=[OURS, NBMAKE],
        promises=[Ratio(OURS, NBMAKE, 1.5)],
    ),
    Work(
        name="real",
        title="notebooks that statsmodels, sktime and hvplot publish",
        notebooks={},
        contenders=[OURS, NBMAKE],
        promises=[Ratio(OURS, NBMAKE, 1.3)],
        is_real=True,
    ),
    Work(
        name="long",
        title="one notebook of 2,000 small cells",
        notebooks=notebooks.small(1, 2000),
        contenders=[OURS, NBCLIENT],
        promises=[Ratio(OURS, NBCLIENT, 1)],
    ),
    Work(
        name="printing",
        title="a cell that prints 200 MB: the driver's peak memory",
        notebooks={"printing.ipynb": [notebooks.PRINTING_200_MB]},
        contenders=[OURS, NBCLIENT],
        promises=[Ratio(OURS, NBCLIENT, 4)],
        memory_of="drivers",
    ),
    *(
        Work(
            name=name,
            title=f"20 idle kernels{which}: their memory",
            notebooks=notebooks.idle(20, imports),
            contenders=[FORKED, STARTED],
            promises=[Ratio(FORKED, STARTED, at_least)],
            memory_of="kernels",
        )
        for name, which, imports, at_least in (
            ("idle", "", "pass", 1.9),
            ("idle-importing", f" that have imported {PACKAGES}", notebooks.IMPORTING[0], 2),
        )
    ),
    Work(
        name="check-imports",
        title="imports of 200 notebooks of 41 cells, each with a missing one",
        notebooks=notebooks.importing_much(200),
        contenders=[CHECK_IMPORTS],
        promises=[Limit(CHECK_IMPORTS, 1)],
        fewest_rounds=5,
    ),
    Work(
        name="compare",
        title="100 notebooks compared with their stored tables and plots",
        notebooks=notebooks.importing(100),
        contenders=[COMPARE],
        promises=[Limit(COMPARE, 10)],
    ),
    Work(
        name="hide-credentials",
        title="hiding credentials in 100 MB of executed notebooks",
        notebooks={},
        contenders=HIDING,
        promises=[Limit(each, 1.25) for each in HIDING],
        fewest_rounds=5,
    ),
    Work(
        name="report-500",
        title="a report on 500 notebooks, each with one table and one plot",
        notebooks=notebooks.showing(500),
        contenders=[REPORT],
        promises=[Limit(REPORT, 10)],
    ),
    Work(
        name="open-500",
        title="this report in a browser: opened, searched, unfolded, scrolled through; no task above 200 ms",
        notebooks=notebooks.showing(500),
        contenders=[OPENED],
        promises=[Limit(OPENED, 10)],
    ),
    Work(
        name="launcher",
        title="launch.sh with its environment installed",
        notebooks={},
        contenders=[LAUNCHED, DIRECT],
        promises=[Difference(LAUNCHED, DIRECT, 100)],
        fewest_rounds=15,
    ),
    Work(
        name="plan-500",
        title="which of 500 notebooks a change affects",
        notebooks=notebooks.importing(500),
        contenders=[PLANNED],
        promises=[Limit(PLANNED, 2)],
    ),
    Work(
        name="install",
        title=f"cold installation of {LOCKED}",
        notebooks={},
        contenders=[SETUP_ENV, UV, PIP],
        promises=[Ratio(SETUP_ENV, UV, 1 / 1.15), Ratio(SETUP_ENV, PIP, 2)],
        installs=True,
    ),
    Work(
        name="install-again",
        title=f"{LOCKED}, after its environment was restored from a cache, or with a warm cache of uv",
        notebooks={},
        contenders=[RESTORED, UV_WARM],
        promises=[Ratio(RESTORED, UV_WARM, 1)],
        installs=True,
    ),
    *(
        Work(
            name=f"conda-{state}",
            title=f"30 packages of conda, {state} cache",
            notebooks={},
            contenders=[ours, peer],
            promises=[Ratio(ours, peer, 1 / 1.15)],
            installs=True,
        )
        for state, ours, peer in (("cold", CONDA, RATTLER), ("warm", CONDA_WARM, RATTLER_WARM))
    ),
    Work(
        name="cold-runner",
        title="the chain on a new runner: one notebook, executed and logged to a file",
        notebooks=notebooks.small(1, 1),
        contenders=[CHAIN, ALONE],
        promises=[Difference(CHAIN, ALONE, 15_000)],
        installs=True,
    ),
    Work(
        name="chain",
        title="the penguins example, where it has run before",
        notebooks={},
        contenders=[WARM_CHAIN, ONE_BY_ONE],
        promises=[Ratio(WARM_CHAIN, ONE_BY_ONE, 1)],
        installs=True,
    ),
]
