import pytest

from notebook_ci.base.errors import InputError, SurroundingsError
from notebook_ci.base.known_errors import KnownError, explain

KNOWN = (
    KnownError(r"line (?P<line>\d+): (?P<reason>.+)$", "{what}: {reason}.", "Correct {file}.", InputError),
    KnownError(r"^refused$", "{what} was refused.", "Log in."),
    KnownError(r"refused", "{what}: see above."),
)


def test_the_first_that_fits_has_its_kind_its_line_and_its_groups() -> None:
    error = explain(KNOWN, "ok\nLINE 12:  no {such} thing \nrefused", what="x", file="a.txt")
    assert isinstance(error, InputError)
    assert (error.message, error.hint, error.line) == ("x: no {such} thing.", "Correct a.txt.", 12)


@pytest.mark.parametrize(
    ("output", "message"), [("a\nREFUSED\nb", "x was refused."), ("was refused", "x: see above."), ("fine", None)]
)
def test_a_pattern_may_take_a_whole_line(output: str, message: str | None) -> None:
    error = explain(KNOWN, output, what="x", file="")
    assert (error and error.message) == message
    assert error is None or isinstance(error, SurroundingsError)


@pytest.mark.parametrize("end", ["", ".", "?", "!"])
def test_a_sentence_has_one_mark_at_its_end(end: str) -> None:
    error = explain(KNOWN, f"line 1: why{end}", what="x", file="")
    assert error
    assert error.message == f"x: why{end or '.'}"
