"""Problems of executions."""

from notebook_ci.base.errors import Problem
from notebook_ci.execute_notebook.outcome import about, problem
from notebook_ci.records.execute_notebook import Failure, FailureKind, NotebookResult

PLAIN = NotebookResult(path="deep/train.ipynb", name="deep/train.ipynb")
SWEPT = NotebookResult(path="deep/train.ipynb", name="deep/train@small.ipynb")


def failure(kind: FailureKind = "cell-error", message: str = "no") -> Failure:
    return Failure(kind=kind, title="ValueError in cell 3", message=message, line=7, source="raise", hint="Mend it.")


def error(title: str, message: str) -> Problem:
    return Problem(severity="error", title=title, message=message, hint="Mend it.", file="deep/train.ipynb", line=7)


def test_a_failure_becomes_an_error_on_its_line() -> None:
    assert problem(PLAIN, failure()) == error("ValueError in cell 3", "no\nraise")
    assert problem(PLAIN, failure(message="")) == error("ValueError in cell 3", "raise")


def test_an_execution_of_a_sweep_is_named_once() -> None:
    assert problem(SWEPT, failure()) == error("ValueError in cell 3 of train@small.ipynb", "no\nraise")
    assert problem(SWEPT, failure("surroundings")) == error("", "train@small.ipynb: no\nraise")
    assert about(SWEPT, "warning", "Look.").message == "train@small.ipynb: Look."
    assert about(PLAIN, "warning", "Look.").message == "Look."


def test_messages_that_name_their_file_need_no_title() -> None:
    assert problem(PLAIN, failure("invalid-notebook")).title == ""
    assert problem(PLAIN, failure("kernel-died")).title


def test_a_failure_that_did_not_occur_again_is_a_warning_that_says_so() -> None:
    result = NotebookResult(path="a.ipynb", name="a.ipynb", status="passed", earlier_failures=[failure(), failure()])
    found = problem(result, result.earlier_failures[0])
    assert (found.severity, found.title, found.line) == ("warning", "Flaky: ValueError in cell 3", 7)
    assert found.hint == "Mend it. It passed at attempt 3. Look for random numbers, races, the network."
