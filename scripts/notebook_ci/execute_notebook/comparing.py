"""Compares the outputs of an execution. It imports all that `notebook_ci.compare` needs."""

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from notebook_ci.base.files import write
from notebook_ci.base.masking import masked
from notebook_ci.compare import notebooks
from notebook_ci.compare.cells import IGNORE
from notebook_ci.compare.notebooks import Differences
from notebook_ci.compare.texts import Tolerance
from notebook_ci.compare.updating import updated
from notebook_ci.execute_notebook.engine import PreparedNotebook
from notebook_ci.execute_notebook.model import ExecuteInputs
from notebook_ci.execute_notebook.plan import Execution
from notebook_ci.execute_notebook.saving import saved
from notebook_ci.execute_notebook.settings import Settings
from notebook_ci.notebooks.document import kernel_language


def compare(execution: Execution, notebook: PreparedNotebook, inputs: ExecuteInputs) -> Differences:
    """Compare the outputs of an execution with those of its baseline; if it has none, with the stored ones."""
    if notebook.bound.left_out:
        return notebooks.refused("Outputs were left out: more than `max-output`.", "Raise `max-output`.")
    # As the baseline was saved: without NaN in JSON. Messages and pages show parts of outputs, of which a part of a
    # credential would not be found.
    cells = masked(json.loads(saved(notebook.nb))["cells"] if execution.baseline else notebook.nb.cells)
    outputs = {at: cell.get("outputs", []) for at, cell in zip(notebook.origins, cells, strict=True)}
    # Parameters replace a cell that an earlier run injected: it has no outputs.
    new = [outputs.get(cell.index, []) for cell in notebook.document.cells]
    language = kernel_language(notebook.nb.metadata)
    settings = execution.settings
    tolerance = tolerated(settings, inputs)
    return notebooks.compare(
        notebook.document, new, settings.compare, tolerance, baseline=execution.baseline, language=language
    )


def tolerated(settings: Settings, inputs: ExecuteInputs) -> Tolerance:
    keep, hide = frozenset(inputs.compare_keep), frozenset(inputs.compare_hide)
    return Tolerance(settings.rtol, settings.atol, keep=keep, hide=hide, named=inputs.tolerances)


def write_update(notebook: PreparedNotebook, changed: Iterable[int], exempted: Collection[int], path: Path) -> None:
    """Write a copy of the notebook's file: some cells have their new outputs, some are exempted from comparisons.

    Raises OSError if it cannot be written.
    """
    old = json.loads(notebook.document.text)["cells"]
    new = dict(zip(notebook.origins, json.loads(saved(notebook.nb))["cells"], strict=True))
    names = ("outputs", "execution_count")
    cells = {index: {name: new[index].get(name) for name in names} for index in changed if index in new}
    for index in exempted:
        metadata = old[index]["metadata"]
        cells.setdefault(index, {})["metadata"] = {**metadata, "tags": [*metadata.get("tags", ()), IGNORE]}
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, updated(notebook.document.text, cells))
