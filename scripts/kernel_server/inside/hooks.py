"""Runs in a Python kernel, before its first cell and after a cell that failed. Needs only Python 3.8 and IPython.

The worker sends the text of this file in silent requests, so the names and history of the notebook do not change.
"""

from __future__ import annotations

import atexit
import base64
import faulthandler
import json
import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from subprocess import CalledProcessError
from traceback import extract_stack, format_exception
from typing import Any, Callable

CONTROL_SECONDS = 2.0  # half a second before nbclient (0.11) terminates a kernel that does not end


def install(shell: Any, shell_errors: str, message: str) -> None:
    end_in_order(shell)
    # Let outputs wait until the worker reads them: ZeroMQ drops those beyond a thousand.
    thread = shell.kernel.iopub_thread
    thread.schedule(lambda: setattr(thread.socket, "sndhwm", 0))
    # ipykernel's `exit` only asks the kernel to end, which races with the next cells, and reads `exit(1)` as
    # "keep the kernel".
    type(shell.exiter).__call__ = lambda _, *code, **options: leave(*code, **options)
    # IPython hides `exit` and `quit` in scripts of `%run` and in modules.
    shell.builtin_trap.auto_builtins.update(exit=leave, quit=leave)
    # A crash writes its stack to the log: ipykernel would capture standard error, and it has crashed too.
    faulthandler.enable(getattr(sys.stderr, "_original_stdstream_copy", 2), all_threads=False)
    if shell_errors == "ignore":
        return
    publisher = shell.display_pub  # kept now, because `%%capture` replaces it
    common: Any = import_module("IPython.utils._process_common")  # runs `x = !command` and `%sx`
    caller: Any = import_module("ipykernel.zmqshell")  # runs `!command` and `%pip`
    if not hasattr(caller, "system"):  # an older ipykernel
        caller = import_module("IPython.core.interactiveshell")
    system, process_handler = caller.system, common.process_handler

    def check(command: Any, code: int | None) -> None:
        __tracebackhide__ = True  # IPython does not show this frame
        if not code:
            return
        if shell_errors == "fail":
            shell.user_ns["_exit_code"] = code
            raise CalledProcessError(code, command)
        stack = [f'File "{each.filename}", line {each.lineno}, in {each.name}' for each in extract_stack()]
        content = {"exit_code": code, "traceback": stack}
        publisher.session.send(publisher.pub_socket, message, content, parent=publisher.parent_header)

    def checked_system(command: str) -> Any:
        __tracebackhide__ = True
        code = system(command)
        check(command, code)
        return code

    def checked_handler(command: Any, callback: Callable[[Any], Any], *options: Any) -> Any:
        def end(process: Any) -> Any:
            result = callback(process)
            check(command, process.returncode)
            return result

        return process_handler(command, end, *options)

    caller.system, common.process_handler = checked_system, checked_handler


def end_in_order(shell: Any) -> None:
    """Let the control thread, which has been told to end the kernel, finish before ipykernel closes its sockets.

    ipykernel (7.4) closes them while that thread may still report that it is idle on one of them: then both wait
    forever, and the kernel is killed before objects are destroyed. On a busy machine, 3 of 100 kernels were.
    """
    app = getattr(getattr(shell, "kernel", None), "parent", None)
    control = getattr(app, "control_thread", None)
    if control is not None:
        atexit.register(control.join, CONTROL_SECONDS)  # ipykernel has registered its own functions: they run later


def keep_messages(shell: Any, name: str, source: str) -> None:
    """If the worker gave memory to this started kernel, run the text of `last_messages.py` to keep messages there."""
    with suppress(Exception):  # no such folder, an unknown ipykernel: only the last messages of a dying kernel are lost
        for descriptor in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):  # the descriptor of the folder itself
                if os.readlink(descriptor).startswith(f"/memfd:{name} "):
                    module: dict[str, Any] = {}
                    exec(compile(source, "<notebook-ci>", "exec"), module)  # noqa: S102 - no file to import
                    module["begin"](shell, int(descriptor.name))


def leave(code: Any = None, *, keep_kernel: bool = False) -> None:  # noqa: ARG001 - an argument of ipykernel's `exit`
    raise SystemExit(*([] if code is None else [code]))


def last_exception() -> str:
    """Return the last exception as JSON in Base64, which no text formatter changes."""
    # IPython shows no frames for SystemExit, and a notebook may change how it shows exceptions
    # (`rich.traceback.install()`).
    error: Any = sys.last_value
    frames = error.__traceback__ and error.__traceback__.tb_next  # the first frame is IPython's
    lines = [line for line in format_exception(type(error), error, frames) if '"<notebook-ci>"' not in line]
    if any("+ Exception Group Traceback" in line for line in lines):
        lines = ["".join(lines)]  # as IPython shows it
    evalue = str(error)
    if isinstance(error, SystemExit):
        succeeds = error.code is None or (isinstance(error.code, int) and error.code == 0)
        evalue = "0" if succeeds else str(error.code) if str(error.code) not in ("", "0") else repr(error.code)
    error_text = {"ename": type(error).__name__, "evalue": evalue, "traceback": [line.rstrip() for line in lines]}
    return base64.b64encode(json.dumps(error_text).encode()).decode()
