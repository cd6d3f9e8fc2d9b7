"""Fits names and values to what MLflow accepts."""

import re
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from notebook_ci.base.texts import listed, quote

# Limits of MLflow 3.17 (mlflow/utils/validation.py); for a tag's value the limit of older servers.
MOST_NAME = 250
MOST_PARAMETER = 6000
MOST_TAG = 5000
MOST_NAMED = 5


def valid_names(values: Mapping[str, Any], notices: list[str]) -> dict[str, Any]:
    """Return values with unique names that MLflow accepts. Names that are already accepted stay as they are."""
    valid = {name: value for name, value in values.items() if valid_name(name) == name}
    changed = []
    for name in [name for name in values if name not in valid]:
        unique = next(each for each in _numbered(valid_name(name)) if each not in valid)
        valid[unique] = values[name]
        changed.append(f"{quote(name)} is {quote(unique)}")
    if changed:
        notices.append(f"Names that MLflow does not accept were changed: {listed(changed, MOST_NAMED)}.")
    return valid


def valid_name(name: str) -> str:
    """Return a name that MLflow accepts on all systems, and that is not a path that goes up."""
    clean = re.sub(r"[^/\w.\- ]", "_", name)
    parts = [part for part in clean.split("/") if part not in {"", ".", ".."}]
    return "/".join(parts)[:MOST_NAME].rstrip("/") or "_"


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    for number in count(2):
        behind = f"_{number}"
        yield stem[: MOST_NAME - len(behind)] + behind


def bounded(values: Mapping[str, str], most: int, kind: str, notices: list[str]) -> dict[str, str]:
    """Return values cut to `most` characters; the records keep the full values."""
    cut = [quote(name) for name, value in values.items() if len(value) > most]
    if cut:
        notices.append(f"MLflow stores at most {most} characters per {kind}. Shortened: {listed(cut, MOST_NAMED)}.")
    return {name[:MOST_NAME]: f"{value[: most - 1]}…" if len(value) > most else value for name, value in values.items()}
