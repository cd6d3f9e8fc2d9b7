"""Collects the metrics and scraps that a notebook reports in its outputs.

Two conventions are supported. Ours: an output with the MIME type `application/vnd.notebook-ci.metrics+json` that holds
an object of names and finite numbers. Scrapbook's (0.5): one output per scrap, `{"name", "data", "encoder",
"version"}`, with the MIME types `application/scrapbook.scrap.json+json` and `application/scrapbook.scrap.text+json`.
"""

import contextlib
import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from notebook_ci.base.texts import quote
from notebook_ci.notebooks.document import json_kind

METRICS_TYPE = "application/vnd.notebook-ci.metrics+json"
SCRAP_TYPES = ("application/scrapbook.scrap.json+json", "application/scrapbook.scrap.text+json")

MOST_NAME_CHARS = 250  # MLflow's limit
MOST_NAMES = 1000  # of one notebook: MLflow's REST API takes as many at once
MOST_PROBLEMS = 20
MOST_SCRAP_BYTES = 16 * 1024  # scraps are written into the record: data frames belong in files

# JSON has no such numbers: kernels and libraries write them as text.
_NOT_FINITE_AS_TEXT = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)


class _Refused(Exception):
    """A value is not accepted; the text says why."""


def collect(outputs_per_cell: Sequence[Sequence[Mapping[str, Any]]]) -> "Collected":
    """Collect metrics and scraps from the `outputs` of each cell, in order; empty for a cell without outputs."""
    collected = Collected()
    for index, outputs in enumerate(outputs_per_cell):
        for output in outputs:
            collected.take(index, output)
    del collected.problems[MOST_PROBLEMS:]
    return collected


class Collected:
    def __init__(self) -> None:
        self.metrics: dict[str, float | int] = {}  # finite; if a name is used twice, the later value
        self.scraps: dict[str, Any] = {}  # other JSON values
        self.problems: list[tuple[int, str]] = []  # cell index (from 0) and a sentence; at most twenty

    def take(self, index: int, output: Mapping[str, Any]) -> None:
        data = output.get("data")
        if output.get("output_type") not in ("display_data", "execute_result") or not isinstance(data, dict):
            return
        if METRICS_TYPE in data:
            self._take_metrics(index, data[METRICS_TYPE])
        for scrap_type in SCRAP_TYPES:
            if scrap_type in data:
                self._take_scrap(index, data[scrap_type])

    @contextlib.contextmanager
    def _reporting(self, index: int, what: str) -> Iterator[None]:
        try:
            yield
        except _Refused as refused:
            self.problems.append((index, f"{what} {refused}."))

    def _take_metrics(self, index: int, value: object) -> None:
        with self._reporting(index, "The metrics"):
            for name, number in _object(value).items():
                with self._reporting(index, f"The metric {quote(name)}"):
                    self._keep_metric(_checked_name(name), number)

    def _take_scrap(self, index: int, value: object) -> None:
        with self._reporting(index, "A scrap"):
            scrap = _object(value)
            name = _checked_name(scrap.get("name"))
            with self._reporting(index, f"The scrap {quote(name)}"):
                self._keep_scrap(name, scrap)

    def _keep_scrap(self, name: str, scrap: dict[str, Any]) -> None:
        if "data" not in scrap:
            raise _Refused("has no data")
        data = scrap["data"]
        if isinstance(data, int | float) and not isinstance(data, bool):
            self._keep_metric(name, data)
            return
        size = _json_size(data)
        if size > MOST_SCRAP_BYTES:
            raise _Refused(f"has {size} bytes; at most {MOST_SCRAP_BYTES} can be recorded")
        _keep(name, data, self.scraps, self.metrics)

    def _keep_metric(self, name: str, value: object) -> None:
        if isinstance(value, str) and _NOT_FINITE_AS_TEXT.fullmatch(value):
            value = math.nan
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _Refused(f"is {json_kind(value)}, not a number")
        try:
            finite = math.isfinite(value)
        except OverflowError:
            raise _Refused("is too large a number") from None
        if not finite:
            raise _Refused("is not finite (infinite or not a number)")
        _keep(name, value, self.metrics, self.scraps)


def _keep(name: str, value: Any, kept: dict[str, Any], others: dict[str, Any]) -> None:
    if name not in kept and name not in others and len(kept) + len(others) >= MOST_NAMES:
        raise _Refused(f"was left out: a notebook can report at most {MOST_NAMES}")
    kept[name] = value
    others.pop(name, None)


def _object(value: object) -> dict[str, Any]:
    """Return the object in a MIME bundle, which holds it as it is, as JSON text, or as lines of JSON text."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        value = "".join(value)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _Refused("is not valid JSON") from None
    if not isinstance(value, dict):
        raise _Refused(f"must be an object of names and values, not {json_kind(value)}")
    return value


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise _Refused("has no name")
    if len(name) > MOST_NAME_CHARS:
        raise _Refused(f"has a name of {len(name)} characters; at most {MOST_NAME_CHARS} are allowed")
    # Control characters and lone surrogates: they cannot be shown in a log or written to a file.
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise _Refused("has a control character in its name")
    return name


def _json_size(data: object) -> int:
    try:
        return len(json.dumps(data, ensure_ascii=False, allow_nan=False).encode())
    except UnicodeEncodeError:
        raise _Refused("contains half a character (a lone surrogate)") from None
    except (ValueError, RecursionError):
        why = "a number is not finite or too long, or it is nested too deeply"
        raise _Refused(f"cannot be written as JSON: {why}") from None
