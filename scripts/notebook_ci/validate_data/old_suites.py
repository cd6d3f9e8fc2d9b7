"""Rewrites suites of Great Expectations 0.x in the form of 1.x, and keeps everything that decides a verdict.

Compared: 0.13.49, 0.15.50 and 0.18.22 with 1.24. What is neither known here nor to 1.24 stays, and is refused by name.
`$PARAMETER` and `row_condition` work as they did.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from notebook_ci.base.json_walker import JsonWalker

Json = Mapping[str, Any]
# Keys -> their names in 1.x. Those without one name the suite's kind of data, and its copy in the cloud.
IN_SUITE = {
    "expectation_suite_name": "name",
    "evaluation_parameters": "suite_parameters",
    "data_asset_type": "",
    "ge_cloud_id": "",
    "expectation_suite_id": "",
}
IN_EXPECTATION = {"expectation_type": "type", "ge_cloud_id": ""}
# 0.18 read these only to create an expectation (`Validator._build_expectation_configuration`), or to print it.
UNUSED = ("auto", "profiler_config", "include_config")
# Arguments -> values by which 0.18 did what 1.x does; 1.x refuses these arguments or values.
AS_IN_1 = {
    "parse_strings_as_datetimes": (False, None),
    "allow_cross_type_comparisons": (False, None),
    "strict_min": (None,),
    "strict_max": (None,),
}
# The first release that may have been used with pandas 3 (January 2026), which reads text as `str`, not as `object`.
PANDAS_3 = (1, 11)
VERSION_KEYS = ("great_expectations_version", "great_expectations.__version__")  # in `meta`, either
OBJECT = ("object", "object_", "O")


def is_old(content: Json) -> bool:
    """Return whether a suite has keys of 0.x."""
    expectations = content.get("expectations")
    parts = [each for each in expectations if isinstance(each, dict)] if isinstance(expectations, list) else []
    return not IN_SUITE.keys().isdisjoint(content) or any(not IN_EXPECTATION.keys().isdisjoint(each) for each in parts)


def rewritten(text: str) -> str:
    """Return the JSON text of a suite in the form of 1.x. Everything else stays as it is, white space included."""
    walker = JsonWalker(text)
    edits: list[tuple[int, int, str]] = []  # start of a key, end of its value, the new key

    def renaming(names: Mapping[str, str], inner: Mapping[str, Callable[[int], int]]) -> Callable[[str, int], int]:
        def member(key: str, at: int) -> int:
            end = inner.get(key, walker.skip)(at)
            if key in names:
                edits.append((_key_start(text, at), end, names[key]))
            return end

        return member

    def argument(key: str, at: int) -> int:
        value, end = walker.value(at)
        if key in UNUSED or value in AS_IN_1.get(key, ()):
            edits.append((_key_start(text, at), end, ""))
        return end

    in_expectation = renaming(IN_EXPECTATION, {"kwargs": lambda at: walker.object(at, argument)})
    in_list = {"expectations": lambda at: walker.array(at, lambda each: walker.object(each, in_expectation))}
    walker.object(walker.space(0), renaming(IN_SUITE, in_list))
    return _edited(text, edits)


def is_before_pandas_3(content: Json) -> bool:
    """Return whether the version that saved a suite is older than pandas 3; without a version it is not."""
    meta = content.get("meta")
    versions = (meta[key] for key in VERSION_KEYS if key in meta) if isinstance(meta, dict) else ()
    found = re.match(r"(\d+)\.(\d+)", str(next(iter(versions), "")))
    return found is not None and (int(found[1]), int(found[2])) < PANDAS_3


def object_columns(arguments: Iterable[Json]) -> tuple[str, ...]:
    """Return the columns whose type is expected to be that of text in pandas 2."""
    columns = (each.get("column") for each in arguments if _is_text_of_pandas_2(each))
    return tuple(dict.fromkeys(column for column in columns if isinstance(column, str)))


def _is_text_of_pandas_2(arguments: Json) -> bool:
    types = arguments.get("type_list")
    # In a list of types, Great Expectations (1.24) does not know the `str` of pandas 3.
    is_listed = isinstance(types, list) and any(each in (*OBJECT, "str") for each in types)
    return is_listed or arguments.get("type_") in OBJECT


def _key_start(text: str, value_at: int) -> int:
    return text.rindex('"', 0, text.rindex('"', 0, value_at))


def _edited(text: str, edits: Iterable[tuple[int, int, str]]) -> str:
    """Rename a key, or remove it with its value and a comma. From the end, so that earlier offsets stay right."""
    for start, end, name in sorted(edits, reverse=True):
        if name:
            text = f'{text[:start]}"{name}"{text[text.index(":", start) :]}'
        elif follows := re.compile(r"\s*,\s*").match(text, end):
            text = text[:start] + text[follows.end() :]
        else:
            text = text[:start].rstrip().removesuffix(",") + text[end:]
    return text
