"""Runs pytest and reports what happens, one JSON object per line. Runs in the user's Python: 3.8 or later.

Called as `main()` with these arguments: the folder of packages that were added to the environment, the file to report
to, a folder for the results of coverage.py or nothing, and the arguments of pytest. `notebook_ci.test_notebook.session`
reads the file.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, Iterable, Iterator

import pytest

from notebook_testing.measuring import measuring

MOST_TEXT = 20_000  # characters


class Reporting:
    """A plugin of pytest. Workers of pytest-xdist do not have it: they report to this process."""

    def __init__(self, file: str, in_worker: str) -> None:
        self._in_worker = in_worker
        # Line by line, so that nothing is lost when a test ends the process.
        self._file = Path(file).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115 - closed by the end of the process
        self._process = os.getpid()

    def tell(self, event: str, **values: Any) -> None:
        if os.getpid() == self._process:  # a test may fork
            self._file.write(json.dumps(dict(values, event=event)) + "\n")

    def broken(self, what: str, error: BaseException) -> None:
        """Report why pytest cannot run: `what` is the part of it that failed."""
        frames: list[tuple[Any, Any]] = [
            (frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)
        ]
        if isinstance(error, SyntaxError):
            frames.append((error.filename, error.lineno))
        message = f"{type(error).__name__}: {error}"[:MOST_TEXT]
        self.tell("broken", what=what, message=message, frames=_lines(frames))

    def pytest_configure(self, config: Any) -> None:
        self.tell("began", version=pytest.__version__, root=str(config.rootpath))

    @pytest.hookimpl(hookwrapper=True)
    def pytest_load_initial_conftests(self) -> Iterator[None]:
        outcome: Any = yield
        if outcome.excinfo:
            error = outcome.excinfo[1]
            cause = getattr(error, "cause", None) or getattr(error, "excinfo", [None, error])[1]  # pytest 8, before
            self.broken("conftest", cause)

    def pytest_internalerror(self, excinfo: Any) -> None:
        self.broken("plugin", excinfo.value)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.tell("not-collected", test=report.nodeid, **_failure(report.longrepr))
        else:
            self.tell("loaded", test=report.nodeid)

    def pytest_collection_finish(self, session: Any) -> None:
        self.tell("collected", tests=[item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Any) -> None:
        self.tell("collected", tests=list(ids))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_newgateway(self, gateway: Any) -> None:
        """Prepare a worker: it imports pytest before it gets the path of this process."""
        gateway.remote_exec(self._in_worker).waitclose()

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        self.tell("test", test=nodeid, **_where(location))

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.tell("end", test=nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.tell(
            "report",
            test=report.nodeid,
            when=report.when,
            outcome=report.outcome,
            is_expected=hasattr(report, "wasxfail"),
            duration=float(getattr(report, "duration", 0.0)),
            **_where(report.location),
            **(_failure(report.longrepr) if report.failed else {}),
        )

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        self.tell("finished")


def _failure(shown: Any) -> dict[str, Any]:
    """Return the message, the text and the frames of a failure as pytest represents it: an object, or only text."""
    text = str(shown)
    crash = getattr(shown, "reprcrash", None)
    entries = getattr(getattr(shown, "reprtraceback", None), "reprentries", [])
    spots = [found for found in (getattr(entry, "reprfileloc", None) for entry in entries) if found]
    if crash:
        spots.append(crash)
    return {
        "message": str(crash.message)[:MOST_TEXT] if crash else "",
        "text": text[-MOST_TEXT:],
        "frames": _lines((spot.path, spot.lineno) for spot in spots),
    }


def _where(location: Any) -> dict[str, Any]:
    path, line, _ = location
    return {"path": str(path), "line": (line or 0) + 1}


def _lines(frames: Iterable[tuple[Any, Any]]) -> list[dict[str, Any]]:
    return [{"path": str(path), "line": int(line)} for path, line in frames if path and line]


def main() -> None:
    layer, file, results, *arguments = sys.argv[1:]
    if hasattr(faulthandler, "register"):  # not on Windows. If pytest is ended, the log says where it was.
        faulthandler.register(signal.SIGTERM, os.dup(2), chain=True)  # pytest captures 2 itself
    data = f"{file}.coverage"
    in_worker = f"import sys; sys.dont_write_bytecode = True; sys.path.append({layer!r})"  # as in this process
    if results:
        # Until the worker ends: then coverage.py saves the data.
        start = f"measuring.start({data!r}, {layer!r}, data_suffix=True, auto_data=True)"
        in_worker += f"; from notebook_testing import measuring; {start}"
    reporting = Reporting(file, in_worker)
    try:
        with measuring(results, data, layer, reporting.tell):
            code = pytest.main(arguments, plugins=[reporting])
    except Exception as error:
        reporting.broken("plugin", error)
        raise
    sys.exit(code)
