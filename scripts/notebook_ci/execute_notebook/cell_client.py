"""Exchanges messages with a kernel, as nbclient and papermill do, and corrects what they miss."""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import nbformat
from jupyter_core.utils import run_sync
from nbclient.client import CellExecutionComplete
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import output_from_msg

from notebook_ci.execute_notebook import hooks
from notebook_ci.execute_notebook.papermill_parts import PapermillNotebookClient
from notebook_ci.execute_notebook.saving import EXIT, errors_shown, named_by

if TYPE_CHECKING:
    from notebook_ci.execute_notebook.engine import PreparedNotebook

KERNEL_START_SECONDS = 60
ALIVE_SECONDS = 0.2
UNANSWERED_SECONDS = 10.0
ENDED = ("ok", "error")  # any other status means that the cell was aborted
ALLOWED = "raises-exception"  # nbclient's tag for a cell that may fail
MOST_COMMANDS = 100


class CellClient(PapermillNotebookClient):  # type: ignore[misc] # papermill has no types
    """Waits for the kernel's sockets, and kills the kernel if an execution was stopped."""

    notebook: "PreparedNotebook"
    ending: Callable[[], None]  # called when only the kernel's end is left
    has_given_up = False  # on a kernel that did not reply
    _idle_since = math.inf  # when the kernel reported the end of the current cell

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

    def execute_cell(self, cell: Any, cell_index: int, **options: Any) -> Any:
        """Execute a cell. If the notebook goes on after one that fails, its error is kept, and not raised.

        An exit ends the notebook in any case.
        """
        source, cell.source = cell.source, self.notebook.code(cell_index)
        try:
            return super().execute_cell(cell, cell_index, **options)
        except CellExecutionError as error:
            if error.ename == EXIT or not self.notebook.goes_on:
                raise
            self.nb_man.cell_exception(cell, cell_index, exception=error)
            return cell
        finally:
            cell.source = source
            self.notebook.live_log.end()

    async def _check_raise_for_error(self, cell: Any, cell_index: int, exec_reply: dict[str, Any] | None) -> None:
        """Fail a cell that shows an error, even if the kernel's reply says that it succeeded.

        This happens after `%run`, in `%%capture` and `%%time`, and in IPython's hooks after a cell (matplotlib draws
        figures there). papermill and nbmake have the same rule. An error that the cell cleared (`clear_output`) counts,
        too, and is shown again.
        """
        if ALLOWED not in cell.metadata.tags:
            self._restore_errors(cell)
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

    def _restore_errors(self, cell: Any) -> None:
        """Add the errors that a cell cleared, all in the order of their arrival: the first may have caused the others.

        No other output moves: nbclient finds displayed ones by their index.
        """
        errors = self.notebook.errors
        cell.outputs += [error for error in errors if error not in cell.outputs]
        spots = [at for at, output in enumerate(cell.outputs) if output.output_type == "error"]
        for at, error in zip(spots, errors, strict=False):  # of equal ones, not all may have been added
            cell.outputs[at] = error

    async def _complete(self, cell: Any, error: CellExecutionError) -> None:
        """Add frames to an exception: IPython shows none for SystemExit, and no error at all under `rich.traceback`."""
        last = next((output for output in reversed(cell.outputs) if output.output_type == "error"), None)
        is_shown = last is not None and named_by(last) == (error.ename, error.evalue)
        if is_shown and error.ename != EXIT:
            return
        full = await hooks.last_exception(self.kc)
        if full is None or full.ename != error.ename or (error.ename != EXIT and full.evalue != error.evalue):
            return
        error.evalue = full.evalue
        if is_shown:
            cell.outputs.remove(last)
        cell.outputs.append(full)

    async def _async_poll_output_msg(self, *arguments: Any) -> None:
        self._idle_since = math.inf
        await super()._async_poll_output_msg(*arguments)
        self._idle_since = time.monotonic()

    async def _async_poll_kernel_alive(self) -> None:
        """Report the kernel's death, after all its messages have been handled.

        Also give up on a kernel that is idle again, but sends no reply: so does ipykernel (7.4) with a cell that is
        nested too deeply for Python's compiler.
        """
        manager = self.km
        while await manager.is_alive():
            await asyncio.sleep(ALIVE_SECONDS)
            if time.monotonic() - self._idle_since > UNANSWERED_SECONDS:
                self.has_given_up = True
                self.task_poll_for_reply.cancel()
                return
        if self.task_poll_for_reply.done():  # nbclient (0.11) does not stop this coroutine when it gives up
            return
        await self.kc.iopub_channel.silence()
        index = self.notebook.current or 0
        cell = self.nb.cells[index]
        for message in self.km.last_messages(self.kc.session):
            with contextlib.suppress(CellExecutionComplete):
                self.process_message(message, cell, index)
        shown = "".join(output.text for output in cell.outputs if output.output_type == "stream").splitlines()
        written = self.km.last_words.text().splitlines(keepends=True)
        if missing := "".join(line for line in written if line.strip("\r\n") not in shown):
            cell.outputs.append(nbformat.v4.new_output("stream", name="stderr", text=missing))
            self.notebook.bound.hold(index, cell.outputs)
        how = self.km.death("The kernel", " while this cell ran")  # for readers of the notebook or its page
        cell.outputs.append(nbformat.v4.new_output("error", ename="DeadKernelError", evalue=how, traceback=[how]))
        self.task_poll_for_reply.cancel()

    def output(self, outs: list[Any], msg: dict[str, Any], display_id: str, cell_index: int) -> Any:
        if msg["msg_type"] == hooks.COMMAND_FAILED:
            content, commands = msg["content"], self.notebook.failed_commands
            command = hooks.FailedCommand(cell_index, int(content["exit_code"]), tuple(map(str, content["traceback"])))
            if command not in commands and len(commands) < MOST_COMMANDS:
                commands.append(command)
            return None
        out = super().output(outs, msg, display_id, cell_index)
        if out is None and msg["msg_type"] == "error":  # an Output widget of ipywidgets captured it
            outs.append(out := output_from_msg(msg))
        if out and msg["msg_type"] == "error":
            self.notebook.errors.append(out)
        if out:
            self.notebook.live_log.add(out)
            self.notebook.bound.hold(cell_index, outs)
        return out

    def _update_display_id(self, display_id: str, msg: dict[str, Any]) -> None:
        shown = [
            (cell, self.nb.cells[cell].outputs[index])
            for cell, indices in self._display_id_map.get(display_id, {}).items()
            for index in indices
        ]
        if shown:
            self.notebook.bound.replace(msg["content"], shown)
        super()._update_display_id(display_id, msg)
