import json
from pathlib import Path

import pytest

from notebook_ci.base import errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.CheckFailed, 1),
        (errors.InputError, 2),
        (errors.SurroundingsError, 3),
        (errors.NotebookCiError, errors.EXIT_BUG),
    ],
)
def test_each_class_has_its_exit_code(kind: type[errors.NotebookCiError], code: int) -> None:
    assert kind("what happened").exit_code == code


def test_an_error_carries_message_hint_and_place() -> None:
    error = errors.CheckFailed("It broke.", hint="Mend it.", file=Path("a") / "b.ipynb", line=3)
    assert (str(error), error.message, error.hint, error.file, error.line) == (
        "It broke.",
        "It broke.",
        "Mend it.",
        "a/b.ipynb",
        3,
    )
    assert errors.CheckFailed("It broke.").file is None


@pytest.mark.parametrize("kind", [errors.CheckFailed, errors.InputError, errors.SurroundingsError])
def test_an_error_can_be_told_to_another_program(kind: type[errors.NotebookCiError]) -> None:
    class Special(kind):  # type: ignore[valid-type,misc] # one of a domain, which the other program does not know
        """As `NoEngine`."""

    for told in (kind, Special):
        error = errors.from_json(json.loads(json.dumps(told("Bad.", hint="Mend it.", file="a", line=2).as_json())))
        assert type(error) is kind
        assert vars(error) == {"message": "Bad.", "hint": "Mend it.", "file": "a", "line": 2}


def test_a_cancelled_job_is_no_exception_that_a_stage_would_swallow() -> None:
    cancelled = errors.Cancelled(15)
    assert cancelled.exit_code == 143
    assert not isinstance(cancelled, Exception)
