"""Finds in the code of a cell what may give other outputs in each run: random numbers, the time, the network ..."""

import ast
import contextlib
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from notebook_ci.notebooks.document import Document, is_python
from notebook_ci.notebooks.imports import runs
from notebook_ci.notebooks.parameters import parse
from notebook_ci.records.execute_notebook import Cause

# How the full names begin that a cell uses. A leading dot: a method of any object.
_NAMES: Mapping[Cause, tuple[str, ...]] = {
    "random": (
        "random.", "numpy.random.", "secrets.", "uuid.uuid1", "uuid.uuid4", "os.urandom", "torch.rand", "torch.normal",
        "tensorflow.random.", "sklearn.cluster.", "sklearn.datasets.make_", "sklearn.ensemble.",
        "sklearn.neural_network.", "sklearn.model_selection.train_test_split", ".sample",
    ),
    "time": (
        "time.time", "time.perf_counter", "time.monotonic", "time.process_time", "time.ctime", "time.asctime",
        "time.strftime", "time.localtime", "time.gmtime", "timeit.", "datetime.datetime.now", "datetime.datetime.today",
        "datetime.datetime.utcnow", "datetime.date.today", "pandas.Timestamp.now", "pandas.Timestamp.today",
        "pandas.Timestamp.utcnow",
    ),
    "network": (
        "requests.", "urllib.request.", "urllib3.", "http.client.", "httpx.", "aiohttp.", "socket.", "ftplib.",
        "boto3.",
    ),
    "concurrency": ("threading.", "multiprocessing.", "concurrent.futures.", "asyncio.", "joblib."),
}  # fmt: skip
_SEEDS = (".seed", ".manual_seed", ".set_seed")  # what they set is no longer a cause
_GENERATORS = (".default_rng", ".RandomState", ".Random", ".PCG64", ".Generator")  # their argument is the seed
_SEED_ARGUMENTS = {"seed", "random_state"}
_URL = re.compile(r"(https?|ftp|s3|gs|abfss?)://")


def causes(document: Document, index: int) -> list[Cause]:
    """Return what the code of a cell, and of those before it whose names it uses, names of these. Empty: nothing."""
    cells = [statements(each.source) for each in document.cells[: index + 1] if runs(each)]
    if not cells or not is_python(document):
        return []
    nodes = [list(_walk(each)) for each in cells]
    imported = dict(pair for each in nodes for pair in _imported(each))
    seeded = [name for each in nodes for name in _full_names(each, imported) if name.endswith(_SEEDS)]
    settled = tuple(f"{name.rpartition('.')[0]}." for name in seeded)
    used = [name for each in _behind(nodes) for name in _full_names(each, imported)]
    used = [name for name in used if not (settled and name.startswith(settled))]
    return [cause for cause, begins in _NAMES.items() if any(name.startswith(begins) for name in used)]


def statements(source: str) -> Sequence[ast.stmt]:
    with contextlib.suppress(SyntaxError):
        return parse(textwrap.dedent(source))
    return []


def _walk(found: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    return (node for statement in found for node in ast.walk(statement))


def _behind(cells: Sequence[list[ast.AST]]) -> Iterator[list[ast.AST]]:
    """Yield the last cell, and those before it that assign or define a name which one of these uses."""
    needed: set[str] = set()
    for number, nodes in enumerate(reversed(cells)):
        names = [node for node in nodes if isinstance(node, ast.Name)]
        given = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        given |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        if number == 0 or given & needed:
            needed |= {node.id for node in names if isinstance(node.ctx, ast.Load)}
            yield nodes


def _imported(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, str]]:
    """Yield the names that imports give, each with its full name."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for each in node.names:
                yield (each.asname, each.name) if each.asname else (each.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom):
            yield from ((each.asname or each.name, f"{node.module}.{each.name}") for each in node.names)


def _full_names(nodes: Sequence[ast.AST], imported: Mapping[str, str]) -> Iterator[str]:
    """Yield the full names that code uses, without calls that pass a seed; reading a URL counts as `requests.`."""
    seeded: set[int] = set()
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        name = _full_name(node.func, imported)
        has_seed = any(each.arg in _SEED_ARGUMENTS for each in node.keywords)
        if has_seed or (name.endswith(_GENERATORS) and node.args):
            seeded.add(id(node.func))
        first = node.args[0] if node.args else None
        if ".read_" in name and isinstance(first, ast.Constant) and _URL.match(str(first.value)):
            yield "requests."
    yield from (
        _full_name(node, imported)
        for node in nodes
        if isinstance(node, ast.Name | ast.Attribute) and id(node) not in seeded
    )


def _full_name(node: ast.expr, imported: Mapping[str, str]) -> str:
    """Return `numpy.random.rand` for `np.random.rand`, and `.sample` for that method of an object."""
    if isinstance(node, ast.Name):
        return imported.get(node.id, "")
    if isinstance(node, ast.Attribute):
        owner = _full_name(node.value, imported)
        return f"{owner if not owner.startswith('.') else ''}.{node.attr}"
    return ""
