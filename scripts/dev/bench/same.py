"""Checks that forked kernels, which have imported modules before, do the same as kernels that are started."""

import copy
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dev.bench import contest, environments, notebooks, real
from dev.bench.notebooks import Notebooks
from dev.bench.works import LAUNCH
from notebook_ci.compare.normalise import shown

CORPUS = Path(__file__).resolve().parents[3] / "tests" / "corpus"
GENERATED = 100
RUN = ".run"
CHECKS = ("outputs", "imports", "real-imports")
HELP = (
    "in their outputs of the real notebooks; in their failures without one import each, of the corpus and generated "
    "notebooks, or of the real ones"
)
STARTED, FORKED = "--kernel-start spawn", "--kernel-start fork"
# An import, and what needs it: most fail without it, some in another way than by a `NameError`.
USES = (
    ("import numpy as np", "print(np.arange(3).sum())"),
    ("import numpy.random", "print(numpy.random.default_rng(1).integers(9))"),
    ("import pandas as pd", "print(pd.Series([1, 2]).mean())"),
    ("import pandas", "print(pandas.tseries.offsets.Day(1), pandas.plotting.autocorrelation_plot.__name__)"),
    ("import matplotlib", "print(matplotlib.rcParams['figure.dpi'], matplotlib.pyplot.get_backend())"),
    ("import matplotlib.pyplot as plt", "plt.plot([1, 2])\nplt.show()"),
    ("import matplotlib.dates", "print(matplotlib.dates.num2date(1))"),
    ("from sklearn.linear_model import LinearRegression", "print(LinearRegression().fit([[0], [1]], [0, 1]).coef_)"),
    ("import sklearn", "print(sklearn.tree.DecisionTreeClassifier(), sklearn.__version__)"),
    ("import sklearn.tree", "print(sklearn.tree.DecisionTreeClassifier())"),
    ("from sklearn import metrics", "print(metrics.accuracy_score([0, 1], [1, 1]))"),
    ("import scipy", "print(scipy.__version__)"),
    ("import scipy.stats", "print(scipy.stats.norm.cdf(0))"),
    ("from scipy import linalg, optimize", "print(linalg.norm([3, 4]), optimize.__name__)"),
    ("import xml.dom.minidom", "print(xml.dom.minidom.parseString('<a/>').documentElement.tagName)"),
    ("import xml", "print(xml.etree.ElementTree, xml.sax)"),
    ("import concurrent.futures.thread", "print(concurrent.futures.process)"),
    ("import email.mime.text", "print(email.mime.text.MIMEText('a').get_payload(), email.mime.image)"),
)
LAST = """\
import sys
raise LookupError(sorted(name for name in sys.modules if name.partition(".")[0] in PACKAGES))
""".replace("PACKAGES", repr(tuple(sorted({use.split()[1].partition(".")[0] for use, _ in USES} | {"joblib", "PIL"}))))
_IMPORT = re.compile(r"^([ \t]*)(?:import [^\n;#]+|from [\w.]+ import (?:\([^)]*\)|[^\n;(#]+))", re.MULTILINE)


# What is compared of a failure.
SHOWN = ("kind", "ename", "evalue", "cell", "points_to", "line")


def check(what: str, folder: Path, environ: Mapping[str, str]) -> list[str]:
    """Return the differences that one of CHECKS finds. `folder` is created."""
    environ = {**environ, "PEERS": environments.python_of(real.LOCK)}
    if what == "imports":
        shutil.copytree(CORPUS, folder)
        (folder / "plain" / "sqlite.ipynb").unlink()  # its copies would share the file that it writes
        notebooks.write(using(GENERATED), folder / "using")
    else:
        notebooks.write(real.read(), folder)
    with folder.with_suffix(".log").open("wb") as log:
        contest.start('"$PEERS" -c "import matplotlib.font_manager"', folder, environ, log).wait()  # finds fonts once
    return different_outputs(folder, environ) if what == "outputs" else different_failures(folder, environ)


def using(count: int) -> Notebooks:
    """Return notebooks that import and use four of the packages each, in different orders; the last cell always fails.

    Half of them begin with a magic, and import each where it is used.
    """
    sources = {}
    for number in range(count):
        chosen = [USES[(number * 5 + step * (1 + number % 7)) % len(USES)] for step in range(4)]
        first = ["\n".join(each for each, _ in chosen), *(use for _, use in chosen)]
        spread = ["%matplotlib inline", *("\n".join(each) for each in chosen)]
        sources[f"using{number:03}.ipynb"] = [*(spread if number % 2 else first), LAST]
    return sources


def without_imports(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a notebook without one of its imports, for each import. All lines stay where they are."""
    for cell, source in enumerate("".join(cell["source"]) for cell in notebook["cells"]):
        for found in _IMPORT.finditer(source) if notebook["cells"][cell]["cell_type"] == "code" else ():
            less = copy.deepcopy(notebook)
            left = found[1] + "pass" + "\n" * found[0].count("\n")
            less["cells"][cell]["source"] = source[: found.start()] + left + source[found.end() :]
            yield less


def failures(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a record has of the failures of a notebook, without what differs in each run."""
    return [{key: shown(each[key]) if key == "evalue" else each[key] for key in SHOWN} for each in _failures(result)]


def different_outputs(folder: Path, environ: Mapping[str, str]) -> list[str]:
    """Execute the notebooks of a folder, and say what differs between started and forked kernels, and where."""
    base = _executed(folder, "started", STARTED, environ)
    compared = f"--compare strict --baseline {folder.with_name('started')}/{RUN}"
    again = _executed(folder, "again", f"{STARTED} {compared}", environ)
    forked = _forked(folder, compared, environ)
    by_chance = {(name, each["cell"]) for name, result in again.items() for each in _failures(result)}
    return [f"{name}: failed, started" for name, result in base.items() if _failures(result)] + [
        f"{name}, cell {each['cell']}{' (also between started kernels)' * ((name, each['cell']) in by_chance)}: "
        f"{each['title']}: {each['message']}"
        for name, result in forked.items()
        for each in _failures(result)
    ]


def different_failures(folder: Path, environ: Mapping[str, str]) -> list[str]:
    """Execute the notebooks of a folder without each of their imports, and say which fail in another way if forked."""
    for path in sorted(folder.rglob("*.ipynb")):
        for number, less in enumerate(without_imports(json.loads(path.read_text(encoding="utf-8")))):
            path.with_stem(f"{path.stem}-without{number}").write_text(json.dumps(less), encoding="utf-8")
    flags = "--cell-timeout 60 --on-cell-error continue --execution-order parallel --check-imports off"
    started = _executed(folder, "started", f"{flags} {STARTED}", environ)
    forked = _forked(folder, flags, environ)
    print(f"{len(started)} notebooks, {sum(bool(failures(each)) for each in started.values())} of them fail")
    return [
        f"{name}: started: {failures(result)}; forked: {failures(forked[name])}"
        for name, result in started.items()
        if failures(result) != failures(forked[name])
    ]


def _failures(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [each for each in (result["failure"], *result["other_failures"]) if each]


def _forked(folder: Path, flags: str, environ: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """Execute all notebooks of a folder in forked kernels; raises SystemExit if nothing is imported in advance."""
    found = _executed(folder, "forked", f"{flags} {FORKED}", environ)
    if not any(result["preloaded"] for result in found.values()):
        raise SystemExit("No kernel was forked from a server that had imported something: this would compare nothing.")
    return found


def _executed(folder: Path, name: str, flags: str, environ: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """Execute all notebooks of a folder, in a copy of it. Return what the record has of each."""
    copied = shutil.copytree(folder, folder.with_name(name))
    command = f'{LAUNCH} execute-notebook --python "$PEERS" --run-dir {RUN} {flags}'
    with folder.with_suffix(".log").open("ab") as log:
        contest.start(command, copied, environ, log).wait()
    record = json.loads((copied / RUN / "execute-notebook.json").read_text(encoding="utf-8"))
    return {result["name"]: result for result in record["notebooks"]}
