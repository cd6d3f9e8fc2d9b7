"""Measures which lines run while pytest does, with coverage.py and its settings of the user."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any, Callable, Iterator


@contextlib.contextmanager
def measuring(results: str, data: str, layer: str, tell: Callable[..., None]) -> Iterator[None]:
    """Measure until the end of the block, and write the results into a folder. If its name is empty, do nothing.

    `data` is a file for this process; workers add others beside it.
    """
    if not results:
        yield
        return
    import coverage

    measured = start(data, layer)
    try:
        yield
    finally:
        measured.stop()
        try:
            measured.save()
            measured.combine()
            percent = measured.report(file=io.StringIO())
            measured.xml_report(outfile=str(Path(results, "coverage.xml")))
            measured.lcov_report(outfile=str(Path(results, "coverage.lcov")))
            measured.html_report(directory=str(Path(results, "html")))
            digits, least = measured.get_option("report:precision"), measured.get_option("report:fail_under")
            tell("coverage", percent=float(percent), is_enough=round(percent, int(digits or 0)) >= float(least or 0))
        except coverage.CoverageException as error:
            tell("coverage", message=str(error))


def start(data: str, layer: str, **more: Any) -> Any:
    """Start to measure. The packages that were added to the environment do not count."""
    import coverage

    measured = coverage.Coverage(data_file=data, **more)
    for name, value in (("run:omit", str(Path(layer, "*"))), ("run:plugins", "notebook_testing.coverage_plugin")):
        measured.set_option(name, [*(measured.get_option(name) or []), value])
    # With workers, this process collects none. If there is no data at all, the report says so.
    measured.set_option("run:disable_warnings", ["no-data-collected"])
    allow_plugins(measured)
    measured.start()
    return measured


def allow_plugins(measured: Any) -> None:
    with contextlib.suppress(Exception):  # of coverage.py, if it is older: then it has only this core
        measured.set_option("run:core", "ctrace")  # `sys.monitoring`, the default in Python 3.14, has no plugins
