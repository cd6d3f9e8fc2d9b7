"""What the arguments of expectations may contain: a suite is data, and must not be able to run or fetch anything.

Great Expectations 1.24 passes a `row_condition` unchanged to `DataFrame.query`, where
`@pd.io.common.os.system(...)` runs a command and `column.to_csv(...)` writes a file. JSON schemas fetch the URL of a
`$ref` (jsonschema 4).
"""

import re
from collections.abc import Iterator
from typing import Any

from notebook_ci.base.texts import quote

# Methods and attributes of columns that only compare.
METHODS = (
    *("isnull", "isna", "notnull", "notna", "isin", "between", "abs", "eq", "ne", "lt", "le", "gt", "ge"),
    *("str", "contains", "startswith", "endswith", "lower", "upper", "strip", "len"),
    *("dt", "year", "month", "day", "hour", "minute", "second", "dayofweek", "date"),
)
# Text, and columns in backticks. None contains another kind of quote, so that pandas cannot read it differently.
QUOTED = re.compile(r"""'[^'"`\\\n#]*'|"[^'"`\\\n#]*"|`[^'"`\\\n#]*`""")
NOT_PLAIN = frozenset("@'\"`\\#\n\r\f")
LOCAL = "__pd_eval"  # pandas replaces @ with this
ORDERING = re.compile(r"[<>]|\b(?:between|min|max)\b", re.IGNORECASE)
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def wrong(kwargs: dict[str, Any]) -> str:
    """Return what is not accepted in the arguments of an expectation, as a sentence; empty if all is accepted."""
    for key, value in _texts(kwargs.get("row_condition")):
        if key in {"", "pass_through_filter"} and (reason := _wrong_text(value)):
            return f"`row_condition` {quote(value)} {reason}."
        if key in {"name", "column"} and ("`" in value or LOCAL in value):
            return f"`row_condition` names a column {quote(value)}, which cannot be quoted."
    for key, value in _texts(kwargs.get("json_schema")):
        if key in REFERENCES and not value.startswith("#"):
            return f"`json_schema` refers to {quote(value)}: only references inside it, with `#`, are allowed."
    return ""


def members(value: object, key: str = "") -> Iterator[tuple[str, object]]:
    """Yield a value and everything in it, each with its key; elements of a list have that of the list."""
    yield key, value
    if isinstance(value, dict):
        for name, each in value.items():
            yield from members(each, str(name))
    elif isinstance(value, list):
        for each in value:
            yield from members(each, key)


def mention(conditions: object, name: str) -> bool:
    """Return whether conditions, or an SQL query, mention a column."""
    found = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
    return any(found.search(each) for _, each in _texts(conditions))


def compare(conditions: object) -> bool:
    """Return whether conditions, or an SQL query, compare something with greater or lesser values."""
    return any(ORDERING.search(each) for _, each in _texts(conditions))


def _texts(value: object) -> Iterator[tuple[str, str]]:
    return ((key, each) for key, each in members(value) if isinstance(each, str))


def _wrong_text(condition: str) -> str:
    plain = QUOTED.sub(" _ ", condition)
    if LOCAL in condition or not NOT_PLAIN.isdisjoint(plain):
        return "contains more than columns, values and comparisons (`@`, `#`, `\\` or quotes in quotes)"
    other = [name for name in re.findall(r"\.\s*([^\W\d]\w*)", plain) if name not in METHODS]
    return f"uses {quote(other[0])}; allowed are {', '.join(METHODS)}" if other else ""
