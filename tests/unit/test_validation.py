"""New outputs are checked, without compiling the schema for it."""

from collections.abc import Iterator

import nbformat
import pytest

from notebook_ci.execute_notebook.validation import of_parts_only


@pytest.fixture(autouse=True)
def chosen() -> Iterator[None]:
    validators = nbformat.validator.validators
    before = dict(validators)
    validators.clear()
    of_parts_only()
    yield
    validators.clear()
    validators.update(before)


def test_nothing_is_compiled_for_a_new_output() -> None:
    nbformat.v4.new_output("stream", text="fine")
    assert {each.name for each in nbformat.validator.validators.values()} == {"jsonschema"}


def test_a_wrong_output_is_refused() -> None:
    with pytest.raises(nbformat.ValidationError, match="3 is not valid"):
        nbformat.v4.new_output("stream", text=3)


def test_a_wrong_notebook_is_refused_if_it_is_checked_after_all() -> None:
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    nb.cells[0]["wrong"] = 1
    with pytest.raises(nbformat.ValidationError, match="wrong"):
        nbformat.validate(nb)
