"""Lets nbformat check new outputs without delay."""

import nbformat


def of_parts_only() -> None:
    """Leave out compiling nbformat's schema: it would only check whole notebooks. nbconvert does, by a relaxed schema.

    nbformat (5.11) checks new cells and outputs with jsonschema in any case, but compiles the schema before, which
    takes as long as ten small cells.
    """
    version = (nbformat.current_nbformat, nbformat.current_nbformat_minor)
    relaxed = False
    validators = nbformat.validator.validators
    validators["fastjsonschema", *version, relaxed] = nbformat.validator.get_validator(*version, name="jsonschema")
