"""Runs in a Python kernel: before its first cell, and after a cell that failed. Python 3.8 and later, IPython alone.

The driver sends this file's text in silent requests, so that neither names nor history of the notebook change.
"""

from __future__ import annotations

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


def install(shell: Any, shell_errors: str, message: str) -> None:
    """Make `exit` and `quit` end the cell, and report shell commands that fail.

    ipykernel's `exit` only asks for the kernel's end, which races with the cells that follow, and takes `exit(1)` for
    "keep the kernel".

    Args:
        shell: IPython's shell.
        shell_errors: `warn` sends a message, `fail` raises, `ignore` does nothing.
        message: Type of that message.
    """
    type(shell.exiter).__call__ = lambda _, *code, **options: leave(*code, **options)
    # In scripts of `%run` and in modules IPython has hidden them.
    shell.builtin_trap.auto_builtins.update(exit=leave, quit=leave)
    # A crash shows its stack, in the log: ipykernel itself takes what is written to standard error, and has crashed.
    faulthandler.enable(getattr(sys.stderr, "_original_stdstream_copy", 2), all_threads=False)
    if shell_errors == "ignore":
        return
    publisher = shell.display_pub  # of this moment: `%%capture` puts another one in its place
    common: Any = import_module("IPython.utils._process_common")  # has what is behind `x = !command` and `%sx`
    caller: Any = import_module("ipykernel.zmqshell")  # has what is behind `!command` and `%pip`
    if not hasattr(caller, "system"):  # in an older ipykernel
        caller = import_module("IPython.core.interactiveshell")
    system, process_handler = caller.system, common.process_handler

    def check(command: Any, code: int | None) -> None:
        __tracebackhide__ = True  # IPython shows no such frame
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


def keep_messages(shell: Any, name: str, source: str) -> None:
    """Begin what `last_messages.py` does, where the driver has given memory to a started kernel.

    Args:
        shell: IPython's shell.
        name: Name of the memory.
        source: Text of `last_messages.py`.
    """
    with suppress(OSError):  # no such folder: no such memory
        for descriptor in Path("/proc/self/fd").iterdir():
            with suppress(OSError):  # that of the folder itself
                if os.readlink(descriptor).startswith(f"/memfd:{name} "):
                    module: dict[str, Any] = {}
                    exec(compile(source, "<notebook-ci>", "exec"), module)  # noqa: S102 - there is no file to import
                    module["begin"](shell, int(descriptor.name))


def leave(code: Any = None, *, keep_kernel: bool = False) -> None:  # noqa: ARG001 - ipykernel's `exit` takes it
    """Do what `sys.exit` does."""
    raise SystemExit(*([] if code is None else [code]))


def last_exception() -> str:
    """Return what IPython does not show of the last exception: JSON in Base64, which no formatter of text changes.

    Of SystemExit it shows no frames; a notebook may show exceptions in its own way (`rich.traceback.install()`).
    """
    error: Any = sys.last_value
    frames = error.__traceback__ and error.__traceback__.tb_next  # the first one is IPython's
    lines = [line for line in format_exception(type(error), error, frames) if '"<notebook-ci>"' not in line]
    if any("+ Exception Group Traceback" in line for line in lines):
        lines = ["".join(lines)]  # as IPython shows it
    evalue = str(error)
    if isinstance(error, SystemExit):
        succeeds = error.code is None or (isinstance(error.code, int) and error.code == 0)
        evalue = "0" if succeeds else str(error.code) if str(error.code) not in ("", "0") else repr(error.code)
    told = {"ename": type(error).__name__, "evalue": evalue, "traceback": [line.rstrip() for line in lines]}
    return base64.b64encode(json.dumps(told).encode()).decode()
