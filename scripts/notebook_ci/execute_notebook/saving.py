"""Saves executed notebooks. With `engine.py` and `cell_client.py`, the only adapter of nbclient and papermill."""

import itertools
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbclient.exceptions import CellExecutionError

from notebook_ci.base.files import unwritable, write
from notebook_ci.base.masking import masked
from notebook_ci.base.typed_json import to_json
from notebook_ci.execute_notebook.folders import OUTPUT_DIR
from notebook_ci.execute_notebook.papermill_parts import NotebookExecutionManager

if TYPE_CHECKING:
    from notebook_ci.execute_notebook.engine import PreparedNotebook

SAVE_EVERY_SECONDS = 10.0
FAILED = NotebookExecutionManager.FAILED
NO_EXCEPTION = ("NoneType", "None")
EXIT = "SystemExit"
SUCCESS = ("", "0")  # texts of SystemExit that mean success, as in papermill


class Saver(NotebookExecutionManager):  # type: ignore[misc] # papermill has no types
    """Saves the notebook atomically, at most every ten seconds, and at the end.

    papermill saves twice per cell, which makes long notebooks with large outputs quadratic. It also writes in place,
    which leaves half a file when the job is killed.
    """

    notebook: "PreparedNotebook"
    last_save_time: datetime

    def save(self, **_: object) -> None:
        now = self.now()
        if not self.end_time and (now - self.last_save_time).total_seconds() <= SAVE_EVERY_SECONDS:
            return
        output = Path(self.output_path)
        try:
            write(output, saved(self.nb, hides=self.notebook.hides) + "\n")
        except OSError as error:
            raise unwritable(f"The executed notebook `{output}` cannot be saved", output, error, OUTPUT_DIR) from error
        self.last_save_time = now

    def get_cell_description(self, cell: nbformat.NotebookNode, escape_str: str = "") -> None:
        """Return nothing: papermill 2.7 fails on a cell that ends with `papermill_description=`."""

    def cell_complete(self, cell: nbformat.NotebookNode, **_: object) -> None:
        """Note how a cell ended, like papermill (2.7), which parses the start time with the slow dateutil."""
        noted, ended = cell.metadata.papermill, self.now()
        noted["end_time"] = ended.isoformat()
        noted["duration"] = (ended - datetime.fromisoformat(noted["start_time"])).total_seconds()
        if noted["status"] != FAILED:
            noted["status"] = self.COMPLETED
        self.save()

    def cell_exception(
        self, cell: nbformat.NotebookNode, cell_index: int | None = None, *, exception: CellExecutionError
    ) -> None:
        """Mark a cell as failed, keep its exception, and make sure that an error output shows it.

        For an exception group and an unknown magic, IPython (8.39, 9.18) only writes text to standard error. An error
        output that the notebook displayed itself does not count. If a `_repr_html_` raises, the reply of ipykernel
        (7.4) names no exception (`NoneType`): then the output counts.
        """
        super().cell_exception(cell, cell_index)
        ename, evalue = named = exception.ename, exception.evalue
        errors = [output for output in cell.outputs if output.output_type == "error"]
        if named not in map(named_by, errors) and not (named == NO_EXCEPTION and errors_shown(cell)):
            written = "".join(output.text for output in cell.outputs if output.get("name") == "stderr")
            cell.outputs.append(nbformat.v4.new_output("error", ename=ename, evalue=evalue, traceback=[written]))
        self.notebook.has_exited = not errors_shown(cell)
        if not self.notebook.has_exited:
            self.notebook.failed[cell_index or 0] = exception


def named_by(output: nbformat.NotebookNode) -> tuple[str, str]:
    return output.ename, output.evalue


def errors_shown(cell: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return the error outputs that fail a cell: all, except for an exit that means success."""
    errors = [output for output in cell.get("outputs", []) if output.output_type == "error"]
    return [error for error in errors if error.ename != EXIT or error.evalue not in SUCCESS]


def saved(nb: nbformat.NotebookNode, *, hides: bool = True) -> str:
    """Return a notebook as strict JSON: NaN and infinities become text. By default, credentials are hidden."""
    nb = nbformat.NotebookNode(nb, cells=list(map(merged, nb.cells)))
    nb = masked(nb) if hides else nb
    # `nbformat.writes` would also validate the notebook, and warn of its author's mistakes.
    try:
        return str(nbformat.v4.writes(nb, allow_nan=False))
    except ValueError:
        return str(nbformat.v4.writes(nbformat.from_dict(to_json(nb)), allow_nan=False))


def merged(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a cell with consecutive stream outputs of the same name joined: a kernel splits printed text anywhere.

    nbclient's `coalesce_streams` would also move text across figures.
    """
    if "outputs" not in cell:
        return cell
    joined: list[Any] = []
    for name, group in itertools.groupby(cell.outputs, lambda output: output.get("name")):
        outputs = list(group)
        if name is not None:
            outputs = [nbformat.NotebookNode(outputs[0], text="".join(output.text for output in outputs))]
        joined += outputs
    return nbformat.NotebookNode(cell, outputs=joined)
