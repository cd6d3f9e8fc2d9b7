"""Which cells differ between runs, and why: from what the runs gave."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.compare.texts import Tolerance
from notebook_ci.execute_notebook import determinism
from notebook_ci.execute_notebook.determinism import Repetition, conditions, sentences, with_seed
from notebook_ci.execute_notebook.summary import note, section
from notebook_ci.notebooks import document
from notebook_ci.records.execute_notebook import ExecuteRecord, Failure, Nondeterminism, NotebookResult

Give = Callable[[Mapping[str, str]], str]  # what a cell prints in a run with these variables
SEED, THREADS = "PYTHONHASHSEED", "OMP_NUM_THREADS"


def printed(text: str) -> list[dict[str, Any]]:
    return [{"output_type": "stream", "name": "stdout", "text": text}]


class Study:
    """A notebook whose cells print what functions give; counts its runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs: list[dict[str, str]] = []

    def find(
        self,
        *cells: Give,
        source: str = "f()",
        tags: tuple[str, ...] = (),
        failure: Failure | None = None,
        runs: int = 2,
    ) -> list[Nondeterminism]:
        content = [{"cell_type": "code", "source": source, "metadata": {"tags": tags}} for _ in cells]
        self.path.write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": content}, indent=1))

        def outputs(variables: Mapping[str, str]) -> dict[int, Any]:
            self.runs.append(dict(variables))
            return {index: printed(give({**environ, **variables})) for index, give in enumerate(cells)}

        environ = with_seed({})
        return determinism.find(
            document.read(self.path),
            outputs({}),
            lambda variables: Repetition(outputs(variables), failure),
            environ,
            runs=runs,
            tolerance=Tolerance(1e-6),
        )


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "a.ipynb")


def counter(step: float = 1) -> Give:
    """Return what gives another number each time."""
    numbers = iter(range(100))
    return lambda _: str(1.0 + step * next(numbers))


def test_a_notebook_that_gives_the_same_runs_as_often_as_asked(study: Study) -> None:
    assert study.find(lambda _: "a", runs=4) == []
    assert len(study.runs) == 4
    assert len({each[SEED] for each in study.runs[1:]} | {"0"}) == 4, "each run has its own hash seed"


@pytest.mark.parametrize(
    ("give", "source", "causes"),
    [
        (lambda environ: environ[SEED], "f()", ["hash-seed"]),
        (lambda environ: environ.get(THREADS, "many"), "f()", ["threads"]),
        (lambda environ: environ.get("TZ", "here"), "f()", ["time-zone"]),
        (lambda environ: environ[SEED] + environ.get("TZ", "here"), "f()", []),
        (counter(), "f()", []),
        (counter(), "import random\nrandom.random()", ["random"]),
        (lambda environ: environ[SEED], "import random\nrandom.random()", ["hash-seed"]),
    ],
)
def test_the_likely_cause(study: Study, give: Give, source: str, causes: list[str]) -> None:
    [found] = study.find(give, source=source)
    assert (found.cell, found.line, found.causes) == (1, 7, causes)
    assert len(study.runs) == 6
    message, hint = sentences(found)
    assert ("Likely cause: " in message, "Its cause is unknown" in message) == (bool(causes), not causes)
    assert hint.endswith("tag the cell `compare-ignore`.")


def test_numbers_within_the_tolerance_are_named_as_such(study: Study) -> None:
    close, far = study.find(counter(1e-9), counter())
    assert (close.within_tolerance, far.within_tolerance) == (True, False)
    assert sentences(close)[0].startswith("`stdout`: `1.0` became `1.000000001` (within `rtol` and `atol`). ")


def test_one_run_beyond_the_tolerance_counts(study: Study) -> None:
    texts = iter(["1.0", "1.000000001", "2.0", *["1.0"] * 4])
    [found] = study.find(lambda _: next(texts), runs=3)
    assert (found.message, found.within_tolerance) == ("`stdout`: `1.0` became `2.0`", False)


def test_ignored_cells_are_left_out(study: Study) -> None:
    assert study.find(counter(), tags=("compare-ignore",)) == []
    assert study.find(counter(), source="# NBVAL_IGNORE_OUTPUT") == []
    assert study.find(counter())


@pytest.mark.parametrize(
    ("policy", "expected"), [("off", [0]), ("numbers", [0]), ("warn", [0]), ("strict", [0, 1]), ("lax", [])]
)
def test_which_cells_a_copy_exempts(study: Study, policy: str, expected: list[int]) -> None:
    failure = Failure(kind="cell-error", title="KeyError in cell 3", message="'a'", cell=3)
    found = study.find(counter(), counter(1e-9), counter(), failure=failure)
    assert determinism.exempted(document.read(study.path), found, policy) == expected
    found = study.find(counter(), tags=("compare-output",))
    assert determinism.exempted(document.read(study.path), found, policy) == [], "it is compared whatever its tags"


def test_a_repetition_that_fails(study: Study) -> None:
    failure = Failure(kind="cell-error", title="KeyError in cell 2", message="'a'", cell=2)
    same, failed = study.find(counter(), lambda _: "a", counter(), failure=failure)
    assert (same.cell, failed.cell) == (1, 2), "the cells after it did not run"
    assert failed.message == "a repetition failed: KeyError in cell 2: 'a'"
    assert (same.is_failure, failed.is_failure) == (False, True)


def test_conditions_differ_from_those_of_the_user() -> None:
    environ = with_seed({SEED: "random", "TZ": determinism.FAR_AWAY, THREADS: "1"})
    changed = conditions(environ, 1)
    assert environ[SEED] == "0"
    assert with_seed({SEED: "7"})[SEED] == "7"
    assert (changed["hash-seed"], changed["time-zone"]) == ({SEED: "1"}, {"TZ": "UTC"})
    assert set(changed["threads"].values()) == {"2"}
    assert conditions(with_seed({SEED: "1"}), 1)["hash-seed"] == {SEED: "0"}


def test_the_summary_names_each_cell() -> None:
    found = Nondeterminism(cell=2, line=9, message="`a` became `b`", within_tolerance=False, causes=["random", "time"])
    results = [NotebookResult(path=name, name=name, status="passed") for name in ("a.ipynb", "b.ipynb")]
    results[1].nondeterministic = [found]
    record = ExecuteRecord(stage="execute-notebook", notebooks=results)
    assert note(record) == "2 notebooks passed, outputs of 1 cell differ between runs"
    assert "| `b.ipynb`            | 2    | random, time | `a` became `b` |" in section(record)[-1]
