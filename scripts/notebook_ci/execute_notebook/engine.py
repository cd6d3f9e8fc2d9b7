"""Prepares a notebook, and runs its cells."""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat.corpus.words import generate_corpus_id

from notebook_ci.base.errors import CheckFailed
from notebook_ci.base.masking import hide
from notebook_ci.base.yaml12 import Values
from notebook_ci.execute_notebook import hooks
from notebook_ci.execute_notebook.cell_client import KERNEL_START_SECONDS, CellClient
from notebook_ci.execute_notebook.kernels import UserKernelManager
from notebook_ci.execute_notebook.outputs import LiveLog, OutputBound
from notebook_ci.execute_notebook.papermill_parts import parameterize_notebook, translate_parameters
from notebook_ci.execute_notebook.saving import FAILED, Saver, merged
from notebook_ci.execute_notebook.watch import Watch
from notebook_ci.notebooks.document import Document
from notebook_ci.notebooks.parameters import papermill_language
from notebook_ci.records.execute_notebook import FailureKind

OUTPUT_MESSAGE_SECONDS = 60
SILENT = logging.getLogger("notebook_ci.silent")
SILENT.disabled = True


class StoppedError(Exception):
    """The kernel ended, or the watch interrupted it. The text says why."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind
        self.kernel_log = ""  # what the kernel printed in addition to its messages


class PreparedNotebook:
    """A notebook with its parameters and outputs; raises CheckFailed if its language cannot express a parameter."""

    def __init__(
        self,
        document: Document,
        parameters: Values,
        secrets: Mapping[str, str],
        max_output: int,
        live_log: LiveLog,
        *,
        goes_on: bool,
        hides: bool,
    ) -> None:
        self.document = document
        self.live_log = live_log
        self.goes_on = goes_on  # whether the cells after one that failed run, too
        self.hides = hides  # whether credentials are hidden when it is saved
        self.nb = _loaded(document)
        indices = {id(cell): index for index, cell in enumerate(self.nb.cells)}
        if parameters:
            language = papermill_language(document)
            try:
                self.nb = parameterize_notebook(self.nb, parameters, kernel_name=language, language=language)
            except NotImplementedError as error:
                name = document.path.as_posix()
                what = f"papermill cannot write the parameters of `{name}` in its language: {error}."
                raise CheckFailed(what, hint="Use only text and numbers.", file=document.path) from error
            for cell in self.nb.cells:
                _add_papermill_metadata(cell)
            self._with_secrets = translate_parameters(language, language, {**parameters, **secrets}, "Parameters")
        for name, secret in secrets.items():  # here, because a worker may not be forked
            hide(name, secret)
        # Per cell its index in the source document; None for the injected parameters.
        self.origins = [indices.get(id(cell)) for cell in self.nb.cells]
        self.current: int | None = None  # index in `nb` of the cell that runs or ran last
        self.failed: dict[int, CellExecutionError] = {}  # by index, the exceptions of cells that fail the notebook
        self.has_exited = False  # the current cell ended the notebook successfully, as `sys.exit()` does
        self.begun: set[int] = set()  # indices of the cells sent to the kernel; those tagged `skip-execution` are not
        self.failed_commands: list[hooks.FailedCommand] = []
        self.errors: list[nbformat.NotebookNode] = []  # error outputs of the current cell, also those that it cleared
        self.bound = OutputBound(max_output)

    @property
    def code_cells(self) -> list[int]:
        """Indices of the cells that the author wrote and that run: the injected parameters are left out."""
        return [
            index
            for index, cell in enumerate(self.nb.cells)
            if self.origins[index] is not None and cell.cell_type == "code" and cell.source.strip()
        ]

    def run(
        self,
        manager: UserKernelManager,
        watch: Watch,
        output: Path,
        start: Mapping[str, Any],
        ending: Callable[[], None],
    ) -> None:
        """Execute the cells in order, and keep `output` up to date; a failing cell ends the execution: see `goes_on`.

        `output` is the path of the executed notebook, which is also saved when this raises. `start` are the arguments
        of `start_kernel`. `ending` is called when only the kernel's end is left.

        Raises CellExecutionError if a cell failed, StoppedError if the kernel did not start, died, or was interrupted
        by the watch, and SurroundingsError if the executed notebook cannot be saved.
        """

        def begin(cell_index: int, **_: object) -> None:
            self.current = cell_index
            self.errors.clear()
            self.begun.add(cell_index)
            watch.cell_begins()
            manager.cell_begins(self.number(cell_index))

        def end(**_: object) -> None:
            watch.cell_ends()
            if watch.exceeded:
                raise StoppedError(watch.exceeded, watch.sentence)

        saver = Saver(self.nb, output_path=str(output), progress_bar=False)
        client = CellClient(
            saver,
            km=manager,
            kernel_name="python3",
            startup_timeout=KERNEL_START_SECONDS,
            iopub_timeout=OUTPUT_MESSAGE_SECONDS,
            on_cell_execute=begin,
            on_cell_executed=end,
            log=SILENT,
        )
        client.notebook, client.ending = self, ending
        saver.notebook = self
        saver.notebook_start()
        try:
            client.execute(cleanup_kc=True, **start)
        except BaseException as error:
            self.nb.metadata.papermill["exception"] = True
            if self.current is not None:  # papermill marks it as completed, and the cells after it too
                self.nb.cells[self.current].metadata.papermill.update(status=FAILED, exception=True)
            died = isinstance(error, DeadKernelError)
            # jupyter_client raises RuntimeError while it starts a kernel.
            if not isinstance(error, RuntimeError) or (self.current is not None and not died):
                raise
            if watch.exceeded:
                raise StoppedError(watch.exceeded, watch.sentence) from error
            if died:
                raise _lost(manager, has_given_up=client.has_given_up) from error
            why = manager.death("it") or f"{str(error).rstrip('.')}."
            raise StoppedError("kernel-not-started", f"The kernel did not start: {why}") from error
        finally:
            self.bound.finish()
            self.nb.cells = list(map(merged, self.nb.cells))
            saver.notebook_complete()
        if self.failed:
            raise next(iter(self.failed.values()))

    def code(self, index: int) -> str:
        """Return what is sent to the kernel for a cell: the source of the injected one has no secrets."""
        return str(self.nb.cells[index].source if self.origins[index] is not None else self._with_secrets)

    def number(self, index: int) -> int:
        """Return a cell's number as its author counts: the injected cell counts as the cell before it."""
        return 1 + next((origin for origin in reversed(self.origins[: index + 1]) if origin is not None), 0)


def _lost(manager: UserKernelManager, *, has_given_up: bool) -> StoppedError:
    if not has_given_up:
        return StoppedError("kernel-died", manager.death("The kernel", " while this cell ran"))
    last_line = manager.last_words.text().strip().rpartition("\n")[2]
    said = f": {last_line}" if last_line else ""
    return StoppedError("broken-execution", f"The kernel finished this cell, but sent no reply{said}.")


def _loaded(document: Document) -> nbformat.NotebookNode:
    """Return the document in nbformat's newest minor version of format 4, with everything that papermill expects."""
    nb = nbformat.from_dict(document.converted or json.loads(document.text))
    nb.setdefault("metadata", nbformat.NotebookNode())
    nb.setdefault("nbformat_minor", 0)
    ids = {""}
    for cell in nb.cells:
        _add_papermill_metadata(cell)
        if not isinstance(cell.get("id"), str) or cell.id in ids:  # Jupyter, too, gives the later cell a new id
            cell.id = generate_corpus_id()
        ids.add(cell.id)
        cell.source = "".join(cell.source)
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    nb = nbformat.v4.upgrade(nb)
    nb.metadata.papermill = nbformat.from_dict({"parameters": {}, "input_path": document.path.name})
    return nb


def _add_papermill_metadata(cell: nbformat.NotebookNode) -> None:
    cell.setdefault("metadata", nbformat.NotebookNode())
    cell.metadata.setdefault("tags", [])
    cell.metadata.setdefault("papermill", nbformat.NotebookNode())
