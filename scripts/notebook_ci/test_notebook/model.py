"""What test-notebook takes and gives."""

from dataclasses import dataclass

from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import given
from notebook_ci.base.values import ARGUMENTS, BOOLEAN, LINES, PATH, SECONDS, WORKERS, choice
from notebook_ci.notebooks.inputs import EXECUTE, SelectedNotebooks

OUTPUTS = {
    "tests": "Number of tests that ran, including failed ones.",
    "failed": "Number of tests that failed; a file that cannot be imported counts as one.",
    "coverage": "Percentage of the lines of notebooks and modules that ran. Empty without `coverage`.",
}


@dataclass(frozen=True, kw_only=True)
class PytestInputs(SelectedNotebooks):
    """Test notebooks and modules with pytest in their environment, and annotate the line that failed."""

    tests: tuple[str, ...] = given(
        LINES,
        "Tests to run: files, folders, or pytest's node IDs (`tests/test_a.py::test_b`), one per line. One that does "
        "not exist is an error, and so is a run without any test. `none`: no tests, only `nbval`.",
        default=(),
        shown_default="`testpaths` in pytest's configuration, else the folder `tests`, if it exists",
    )
    nbval: str = given(
        choice("off", "strict", "lax"),
        "Whether nbval also executes the notebooks, and compares their outputs with the stored ones. `strict`: in all "
        "cells. `lax`: in cells marked `NBVAL_CHECK_OUTPUT`. See below.",
        default="off",
    )
    nbval_sanitize: str = given(
        PATH, "File with regular expressions for nbval: what matches in outputs is not compared.", default=""
    )
    pytest_args: tuple[str, ...] = given(
        ARGUMENTS, 'More arguments for pytest: `-x -k "not slow"`. They override those of this action.', default=()
    )
    test_timeout: float | None = given(
        SECONDS,
        "Seconds a test may run, including its fixtures, or a cell that nbval runs. One that takes longer is "
        "interrupted, and fails. If that is impossible, pytest is killed. Importing a file may take ten times as long.",
        default=None,
    )
    workers: int | None = given(
        WORKERS,
        "How many processes run tests at the same time. `auto`: one per CPU. With `nbval`, the cells of a notebook "
        "stay together.",
        default=1,
        tuning=True,
    )
    coverage: bool = given(
        BOOLEAN, "Also measure which lines ran. The result is written as XML, lcov and HTML.", default=False
    )
    python: str = given(
        PATH,
        "Python interpreter that runs pytest. Packages that it lacks (pytest, nbval ...) are used from another folder: "
        "the environment does not change.",
        default="",
        shown_default="as in execute-notebook",
        also_in=EXECUTE,
    )

    pass_env: tuple[str, ...] = given(
        LINES,
        "More variables to pass to the tests although they look like credentials, as in execute-notebook.",
        default=(),
        shown_default="as in execute-notebook",
        tuning=True,
        also_in=EXECUTE,
    )

    def check(self) -> None:
        if self.nbval_sanitize and self.nbval == "off":
            raise InputError("`nbval-sanitize` is set, but `nbval` is off.", hint="Set `nbval` to `strict` or `lax`.")
