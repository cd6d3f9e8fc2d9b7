"""Runs the cells of one notebook. The only adapter of papermill and nbclient."""

import asyncio
import contextlib
import itertools
import json
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
from jupyter_core.utils import run_sync
from nbclient.client import CellExecutionComplete
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat.corpus.words import generate_corpus_id
from nbformat.v4 import output_from_msg
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NotebookExecutionManager
from papermill.parameterize import parameterize_notebook

from notebook_ci.base.errors import CheckFailed
from notebook_ci.base.files import unwritable, write
from notebook_ci.base.masking import masked
from notebook_ci.base.typed_json import to_json
from notebook_ci.execute_notebook import hooks
from notebook_ci.execute_notebook.folders import OUTPUT_DIR
from notebook_ci.execute_notebook.kernels import UserKernelManager
from notebook_ci.execute_notebook.listener import Listener
from notebook_ci.execute_notebook.outputs import OutputBound
from notebook_ci.execute_notebook.watch import Watch
from notebook_ci.notebooks.document import Document
from notebook_ci.notebooks.parameters import papermill_language

KERNEL_START_SECONDS = 60
OUTPUT_MESSAGE_SECONDS = 60
SAVE_EVERY_SECONDS = 10.0
ALIVE_SECONDS = 0.2
FAILED = NotebookExecutionManager.FAILED
NO_EXCEPTION = ("NoneType", "None")
EXIT = "SystemExit"
SUCCESS = ("", "0")  # texts of SystemExit that mean success, as in papermill
ENDED = ("ok", "error")  # any other status means that the cell was aborted
ALLOWED = "raises-exception"  # nbclient's tag for a cell that may fail
MOST_COMMANDS = 100


class KernelNotStartedError(Exception):
    """The kernel ended or did not answer before its first cell."""


class KernelDiedError(Exception):
    """The kernel ended while a cell ran."""


class TimeIsUpError(Exception):
    """The watch interrupted a cell that exceeded its time."""


class Execution:
    """One notebook, prepared with its parameters; raises CheckFailed if its language cannot express one."""

    def __init__(self, document: Document, parameters: Mapping[str, Any], max_output: int) -> None:
        nb = _loaded(document)
        original = list(nb.cells)
        if parameters:
            nb = _parameterized(nb, document, parameters)
            nb.cells = [_with_papermill_metadata(cell) for cell in nb.cells]
        self.nb = nb
        places = {id(cell): place for place, cell in enumerate(original)}
        # Per cell its index in the source document; None for the injected parameters.
        self.origins = [places.get(id(cell)) for cell in nb.cells]
        self.current: int | None = None  # index in `nb` of the cell that runs or ran last
        self.begun: set[int] = set()  # indices of the cells sent to the kernel; those tagged `skip-execution` are not
        self.failed_commands: list[hooks.FailedCommand] = []
        self._bound = OutputBound(max_output)

    @property
    def left_out(self) -> int:
        """Bytes of outputs that were not kept."""
        return self._bound.left_out

    def run(
        self,
        manager: UserKernelManager,
        watch: Watch,
        output: Path,
        start: Mapping[str, Any],
        listener: Listener,
    ) -> None:
        """Execute the cells in order, and keep `output` up to date; a failing cell ends the execution.

        `output` is the path of the executed notebook, which is also saved when this raises. `start` are the arguments
        of `start_kernel`.

        Raises:
            SurroundingsError: The executed notebook cannot be saved.
            KernelNotStartedError: No cell was run.
            KernelDiedError: The kernel ended by itself.
            TimeIsUpError: The watch stopped the cell, and the cell's own error does not say so.
        """

        def begin(cell_index: int, **_: object) -> None:
            self.current = cell_index
            self.begun.add(cell_index)
            watch.cell_begins()
            manager.cell_begins()
            listener.cell(number(cell_index, self.origins))

        def end(**_: object) -> None:
            watch.cell_ends()
            if watch.exceeded:
                raise TimeIsUpError

        keeper = _Keeper(self.nb, output_path=str(output), progress_bar=False)
        client = _Client(
            keeper,
            km=manager,
            kernel_name="python3",
            startup_timeout=KERNEL_START_SECONDS,
            iopub_timeout=OUTPUT_MESSAGE_SECONDS,
            on_cell_execute=begin,
            on_cell_executed=end,
            log=_silent_logger(),
        )
        client.execution, client.bound, client.ending = self, self._bound, listener.ending
        try:
            self._keep(keeper, lambda: client.execute(cleanup_kc=True, **start))
        except DeadKernelError as error:
            raise KernelDiedError(manager.death("The kernel", " while this cell ran")) from error
        except RuntimeError as error:  # raised by jupyter_client while it starts a kernel
            if self.current is not None:
                raise
            why = manager.death("it") or f"{str(error).rstrip('.')}."
            raise KernelNotStartedError(f"The kernel did not start: {why}") from error

    def _keep(self, keeper: NotebookExecutionManager, execute: Callable[[], object]) -> None:
        keeper.notebook_start()
        try:
            execute()
        except BaseException:
            self.nb.metadata.papermill["exception"] = True
            if self.current is not None:  # papermill marks it as completed, and the cells after it too
                self.nb.cells[self.current].metadata.papermill.update(status=FAILED, exception=True)
            raise
        finally:
            self._bound.finish()
            merge_streams(self.nb)
            keeper.notebook_complete()


class _Client(PapermillNotebookClient):  # type: ignore[misc] # papermill has no types
    """Waits for the kernel's sockets, and kills the kernel if an execution was broken off."""

    execution: Execution
    bound: OutputBound
    ending: Callable[[], None]  # called when only the kernel's end is left

    async def async_start_new_kernel_client(self) -> Any:
        """Connect once the kernel listens: otherwise ZeroMQ only retries after a while, and first messages are lost."""
        await self.km.listening(KERNEL_START_SECONDS)
        return await super().async_start_new_kernel_client()

    start_new_kernel_client = run_sync(async_start_new_kernel_client)

    def papermill_execute_cells(self) -> None:
        try:
            super().papermill_execute_cells()
        except BaseException:
            self.shutdown_kernel = "immediate"
            raise
        finally:
            self.ending()

    async def _check_raise_for_error(self, cell: Any, cell_index: int, exec_reply: dict[str, Any] | None) -> None:
        """Fail a cell that shows an error, even if the kernel's reply says that it succeeded.

        This happens after `%run`, in `%%capture` and `%%time`, and in IPython's hooks after a cell (matplotlib draws
        figures there). papermill and nbmake have the same rule.
        """
        try:
            await super()._check_raise_for_error(cell, cell_index, exec_reply)
        except CellExecutionError as error:
            if self.km.is_ipykernel:
                await self._complete(cell, error)
            raise
        reply = exec_reply["content"] if exec_reply else {}
        if (status := reply.get("status", "ok")) not in ENDED and ALLOWED not in cell.metadata.tags:
            raise CellExecutionError("", status, "The kernel did not finish this cell.")
        payload = reply.get("payload") or ()
        if any(each.get("source") == "ask_exit" for each in payload):  # `q()` in R, `get_ipython().ask_exit()`
            raise CellExecutionError("", EXIT, "0")
        if ALLOWED not in cell.metadata.tags and (shown := errors_shown(cell)):
            raise CellExecutionError("\n".join(shown[0].traceback), *named_by(shown[0]))

    async def _complete(self, cell: Any, error: CellExecutionError) -> None:
        """Add frames to an exception: IPython shows none for SystemExit, and no error at all under `rich.traceback`."""
        last = next((output for output in reversed(cell.outputs) if output.output_type == "error"), None)
        is_shown = last is not None and named_by(last) == (error.ename, error.evalue)
        if is_shown and error.ename != EXIT:
            return
        told = await hooks.last_exception(self.kc)
        if told.get("ename") != error.ename or (error.ename != EXIT and told["evalue"] != error.evalue):
            return
        error.evalue = told["evalue"]
        if is_shown:
            cell.outputs.remove(last)
        cell.outputs.append(nbformat.v4.new_output("error", **told))

    async def _async_poll_kernel_alive(self) -> None:
        """Report the kernel's death, after all its messages have been handled."""
        manager = self.km
        while await manager.is_alive():
            await asyncio.sleep(ALIVE_SECONDS)
        if self.task_poll_for_reply.done():  # nbclient (0.11) does not stop this coroutine when it gives up
            return
        await self.kc.iopub_channel.silence()
        index = self.execution.current or 0
        cell = self.nb.cells[index]
        for message in self.km.last_messages(self.kc.session):
            with contextlib.suppress(CellExecutionComplete):
                self.process_message(message, cell, index)
        shown = "".join(output.text for output in cell.outputs if output.output_type == "stream").splitlines()
        written = self.km.last_words.text().splitlines(keepends=True)
        if missing := "".join(line for line in written if line.strip("\r\n") not in shown):
            cell.outputs.append(nbformat.v4.new_output("stream", name="stderr", text=missing))
            self.bound.hold(index, cell.outputs)
        how = self.km.death("The kernel", " while this cell ran")  # for readers of the notebook or its page
        cell.outputs.append(nbformat.v4.new_output("error", ename="DeadKernelError", evalue=how, traceback=[how]))
        self.task_poll_for_reply.cancel()

    def output(self, outs: list[Any], msg: dict[str, Any], display_id: str, cell_index: int) -> Any:
        if msg["msg_type"] == hooks.COMMAND_FAILED:
            content, commands = msg["content"], self.execution.failed_commands
            command = hooks.FailedCommand(cell_index, int(content["exit_code"]), tuple(map(str, content["traceback"])))
            if command not in commands and len(commands) < MOST_COMMANDS:
                commands.append(command)
            return None
        out = super().output(outs, msg, display_id, cell_index)
        if out is None and msg["msg_type"] == "error":  # an Output widget of ipywidgets captured it
            outs.append(out := output_from_msg(msg))
        if out:
            self.bound.hold(cell_index, outs)
        return out

    def _update_display_id(self, display_id: str, msg: dict[str, Any]) -> None:
        places = self._display_id_map.get(display_id, {}).items()
        shown = [(cell, self.nb.cells[cell].outputs[index]) for cell, indices in places for index in indices]
        if shown:
            self.bound.replace(msg["content"], shown)
        super()._update_display_id(display_id, msg)


class _Keeper(NotebookExecutionManager):  # type: ignore[misc] # as above
    """Saves the notebook atomically, at most every ten seconds, and at the end.

    papermill saves twice per cell, which makes long notebooks with large outputs quadratic. It also writes in place,
    which leaves half a file when the job is killed.
    """

    last_save_time: datetime

    def save(self, **_: object) -> None:
        now = self.now()
        if self.end_time or (now - self.last_save_time).total_seconds() > SAVE_EVERY_SECONDS:
            self._save(Path(self.output_path))
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
        """Mark a cell as failed, and make its last error output match the kernel's reply.

        For an exception group and an unknown magic, IPython (8.39, 9.18) only writes text to standard error. An error
        output that the notebook displayed itself does not count. If a `_repr_html_` raises, the reply of ipykernel
        (7.4) names no exception (`NoneType`): then the output counts.
        """
        super().cell_exception(cell, cell_index)
        named = (exception.ename, exception.evalue)
        errors = [output for output in cell.outputs if output.output_type == "error"]
        if named in map(named_by, errors) or (named == NO_EXCEPTION and errors_shown(cell)):
            return
        shown = [output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stderr"]
        cell.outputs.append(
            nbformat.v4.new_output("error", ename=exception.ename, evalue=exception.evalue, traceback=["".join(shown)])
        )

    def _save(self, output: Path) -> None:
        try:
            write(output, _as_json(masked(self.nb)) + "\n")
        except OSError as error:
            raise unwritable(f"The executed notebook {output} cannot be saved", output, error, OUTPUT_DIR) from error


def named_by(output: nbformat.NotebookNode) -> tuple[str, str]:
    return output.ename, output.evalue


def errors_shown(cell: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return the error outputs that fail a cell: all, except for an exit that means success."""
    errors = [output for output in cell.get("outputs", []) if output.output_type == "error"]
    return [error for error in errors if error.ename != EXIT or error.evalue not in SUCCESS]


def compile_schema() -> None:
    """Compile the notebook schema before workers are forked: nbformat does this once per process."""
    nbformat.validator.get_validator(nbformat.current_nbformat, nbformat.current_nbformat_minor)


def _as_json(nb: nbformat.NotebookNode) -> str:
    """Return a notebook as strict JSON: NaN and infinities become text, because JSON does not have them."""
    # `nbformat.writes` would also validate the notebook, and warn of its author's mistakes.
    try:
        return str(nbformat.v4.writes(nb, allow_nan=False))
    except ValueError:
        return str(nbformat.v4.writes(nbformat.from_dict(to_json(nb)), allow_nan=False))


def merge_streams(nb: nbformat.NotebookNode) -> None:
    """Join consecutive stream outputs of the same name: a kernel splits the text of `print` anywhere.

    nbclient's `coalesce_streams` would also move text across figures.
    """
    for cell in nb.cells:
        if "outputs" not in cell:
            continue
        merged: list[Any] = []
        for name, group in itertools.groupby(cell.outputs, lambda output: output.get("name")):
            outputs = list(group)
            if name is None or len(outputs) == 1:
                merged += outputs
            else:
                outputs[0].text = "".join(output.text for output in outputs)
                merged.append(outputs[0])
        cell.outputs = merged


def _loaded(document: Document) -> nbformat.NotebookNode:
    """Return the document in nbformat's newest minor version of format 4, with everything that papermill expects."""
    nb = nbformat.from_dict(json.loads(document.text))
    nb.setdefault("metadata", nbformat.NotebookNode())
    nb.setdefault("nbformat_minor", 0)
    for cell, source in zip(nb.cells, document.cells, strict=True):
        _with_papermill_metadata(cell)
        cell.id = source.id or generate_corpus_id()
        cell.source = "".join(cell.source)
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    nb = nbformat.v4.upgrade(nb)
    nb.metadata.papermill = nbformat.from_dict({"parameters": {}, "input_path": document.path.name})
    return nb


def _parameterized(
    nb: nbformat.NotebookNode, document: Document, parameters: Mapping[str, Any]
) -> nbformat.NotebookNode:
    language = papermill_language(document)
    try:
        return parameterize_notebook(nb, dict(parameters), kernel_name=language, language=language)
    except NotImplementedError as error:
        raise CheckFailed(
            f"papermill cannot write the parameters of {document.path.as_posix()} in its language: {error}.",
            hint="Use only text and numbers.",
            file=document.path,
        ) from error


def _with_papermill_metadata(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    cell.setdefault("metadata", nbformat.NotebookNode())
    cell.metadata.setdefault("tags", [])
    cell.metadata.setdefault("papermill", nbformat.NotebookNode())
    return cell


def number(index: int, origins: list[int | None]) -> int:
    """Return a cell's number as its author counts: the injected cell counts as the cell before it."""
    return 1 + next((origin for origin in reversed(origins[: index + 1]) if origin is not None), 0)


def _silent_logger() -> logging.Logger:
    logger = logging.getLogger("notebook_ci.silent")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
