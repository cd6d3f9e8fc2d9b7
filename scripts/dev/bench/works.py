"""The measured works, their contenders and the promises."""

import shlex
from pathlib import Path

from dev.bench import notebooks
from dev.bench.model import MEGABYTES, MILLISECONDS, Contender, Difference, Ratio, Work
from notebook_ci.base.launcher import LAUNCHER

LAUNCH = f"bash {shlex.quote(str(LAUNCHER))}"
IN_NBCLIENT = f'"$PEERS" {shlex.quote(str(Path(__file__).with_name("in_nbclient.py")))}'
PACKAGES = "numpy, pandas, matplotlib and sklearn"


def execute_notebook(flags: str = "", name: str = "execute-notebook") -> Contender:
    command = f"""{LAUNCH} execute-notebook --python "$PEERS" --notebooks '*.ipynb' {flags}"""
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
NBCLIENT = Contender("nbclient", f"{IN_NBCLIENT} 1", saves="out")
NBCLIENT_ALL = Contender("nbclient, all at once", f"{IN_NBCLIENT} 100", saves="out")
NBCLIENT_SOME = Contender("nbclient, as many at once as CPUs", f'{IN_NBCLIENT} "$(nproc)"', saves="out")
LAUNCHED = Contender("python, started by launch.sh", f"{LAUNCH} --env execute-notebook --exec python -I -S -c pass")
DIRECT = Contender("python, started directly", '"$OURS" -I -S -c pass')

WORKS = [
    Work(
        name="trivial-100",
        title="100 notebooks of 10 trivial cells",
        notebooks=notebooks.small(100, 10),
        contenders=[OURS, NBMAKE, PAPERMILL, NBCLIENT_ALL, NBCLIENT_SOME],
        promises=[
            Ratio(OURS, [NBMAKE], 6, 10),
            Ratio(OURS, [PAPERMILL], 18, 30),
            Ratio(OURS, [NBCLIENT_ALL, NBCLIENT_SOME], 4, 8),
        ],
    ),
    Work(
        name="trivial-8",
        title="8 notebooks of 10 trivial cells",
        notebooks=notebooks.small(8, 10),
        contenders=[OURS, NBMAKE],
        promises=[Ratio(OURS, [NBMAKE], 3, 4)],
    ),
    Work(
        name="importing-20",
        title=f"20 notebooks that import {PACKAGES}, compute and plot",
        notebooks=notebooks.importing(20),
        contenders=[OURS, NO_PRELOAD, NBMAKE],
        promises=[
            Ratio(OURS, [NBMAKE], 5, 8),
            Ratio(NO_PRELOAD, [NBMAKE], 1.5),
        ],
    ),
    Work(
        name="long",
        title="one notebook of 2,000 small cells",
        notebooks=notebooks.small(1, 2000),
        contenders=[OURS, NBCLIENT],
        promises=[Ratio(OURS, [NBCLIENT], 1)],
    ),
    Work(
        name="printing",
        title="a cell that prints 200 MB: the driver's peak memory",
        notebooks={"printing.ipynb": [notebooks.PRINTING_200_MB]},
        contenders=[OURS, NBCLIENT],
        promises=[Ratio(OURS, [NBCLIENT], 4)],
        memory_of="drivers",
        unit=MEGABYTES,
    ),
    *(
        Work(
            name=name,
            title=f"20 idle kernels{which}: their memory",
            notebooks=notebooks.idle(20, imports),
            contenders=[FORKED, STARTED],
            promises=[Ratio(FORKED, [STARTED], 2, 4)],
            memory_of="kernels",
            unit=MEGABYTES,
        )
        for name, which, imports in (
            ("idle", "", "pass"),
            ("idle-importing", f" that have imported {PACKAGES}", notebooks.IMPORTING[0]),
        )
    ),
    Work(
        name="launcher",
        title="launch.sh with its environment installed",
        notebooks={},
        contenders=[LAUNCHED, DIRECT],
        promises=[Difference(LAUNCHED, DIRECT, 100)],
        unit=MILLISECONDS,
        fewest_rounds=15,
    ),
]
