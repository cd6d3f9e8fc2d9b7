"""The program that pulls. `notebook_ci.dvc_pull.run` starts it in a tool environment that has DVC.

It reads a `Request` as JSON from standard input and writes a `Result` as JSON to standard output. On standard error,
lines that begin with `PROGRESS` are for the user; the others come from DVC and the libraries below it.
"""

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

# Python runs with -I, so it does not search this file's folder, whose modules would shadow others.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from notebook_ci.base.errors import NotebookCiError, SurroundingsError
from notebook_ci.dvc_pull.pointers import Entry, Pointer
from notebook_ci.dvc_pull.protocol import PROGRESS, Request, Result

DISK = "Check the permissions of the file and its folder, and the free disk space."


def main() -> int:
    """Pull, and write the answer; it includes expected errors."""
    given = json.load(sys.stdin)
    for each in given["pointers"]:
        each["outs"], each["deps"] = ([Entry(**entry) for entry in each[key]] for key in ("outs", "deps"))
    given["pointers"] = [Pointer(**each) for each in given["pointers"]]
    request = Request(**given)
    answer = sys.stdout
    sys.stdout = sys.stderr  # what a library prints must not get into the answer
    signal.signal(signal.SIGTERM, _stop)
    os.chdir(request.directory)
    result = Result()
    try:
        from notebook_ci.dvc_pull.pulling import Pull

        Pull(request, result, _tell).run()
    except NotebookCiError as error:
        result.faults.append(error.as_json())
    except OSError as error:
        reason = error.strerror or str(error)
        fault = SurroundingsError(f"{error.filename} cannot be read or written: {reason}.", hint=DISK)
        result.faults.append(fault.as_json())
    json.dump(dataclasses.asdict(result), answer)
    answer.flush()
    sys.stderr.flush()
    return 0


def _tell(text: str) -> None:
    sys.stderr.write(f"{PROGRESS}{text}\n")
    sys.stderr.flush()


def _stop(number: int, _: FrameType | None) -> NoReturn:
    """End through `finally` blocks, which remove temporary files."""
    raise SystemExit(128 + number)


def _end(code: Any) -> NoReturn:
    """End at once: a thread that waits for a silent server cannot be ended in another way."""
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    try:
        status: Any = main()
    except SystemExit as stopped:
        status = stopped.code
    except BaseException:  # noqa: BLE001 - shown here; the stage reports a bug
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        status = 70
    _end(status)
