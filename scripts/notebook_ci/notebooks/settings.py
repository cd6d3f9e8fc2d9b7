"""Settings of single notebooks: entries of the input `for` of a stage, and a notebook's own metadata."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import unknown
from notebook_ci.base.texts import quote
from notebook_ci.base.values import GLOBS, Kind, YamlKind
from notebook_ci.base.yaml12 import Value

METADATA = "notebook-ci"  # the key in the metadata of a notebook
OWN = f"`{METADATA}` in the notebook's metadata"
NOTEBOOKS = "notebooks"
MOST_LABELS = 20
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_IMAGE = re.compile(  # `host:port/path:tag@digest` by the grammar of github.com/distribution/reference, or nothing
    rf"(?:[a-zA-Z0-9][a-zA-Z0-9.-]*(?::\d+)?/)?{_PART}(?:/{_PART})*(?::\w[\w.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?|",
    re.ASCII,
)


def _labels(value: object) -> tuple[str, ...]:
    labels = value.splitlines() if isinstance(value, str) else value
    if not isinstance(labels, list) or not 0 < len(labels) <= MOST_LABELS:
        raise ValueError
    found = [label.strip() if isinstance(label, str) and label.isprintable() else "" for label in labels]
    if not all(found):
        raise ValueError
    return tuple(found)


def _image(value: object) -> str:
    if not isinstance(value, str) or not _IMAGE.fullmatch(value.strip()):
        raise ValueError
    return value.strip()


# Where a notebook runs: plan-notebooks reads these, and execute-notebook, which runs there, ignores them.
OF_JOBS: Mapping[str, Kind] = {
    "runner": Kind(f"up to {MOST_LABELS} labels, one per line or as a list", _labels, "LABEL", many=True),
    "container": Kind("the name of an image", _image, "IMAGE"),
}


@dataclass(frozen=True)
class NotebookRule:
    """An entry of `for`."""

    notebooks: tuple[str, ...]  # globs
    settings: Mapping[str, object]  # by name, as written


def kind_of_rules(kinds: Mapping[str, Kind], hint: str) -> YamlKind:
    """Return the kind of an input `for` whose entries have settings of these kinds."""
    parse = partial(_rules, kinds=kinds, hint=hint)
    return YamlKind("YAML: a list of maps with `notebooks` and settings", parse, "YAML", hint=hint)


def _rules(value: Value, origin: str, kinds: Mapping[str, Kind], hint: str) -> tuple[NotebookRule, ...]:
    found = []
    for entry in value if isinstance(value, list) else [value]:
        given = dict(checked(entry, origin, {NOTEBOOKS: GLOBS, **kinds}))
        globs = GLOBS.parse(given.pop(NOTEBOOKS, ""))
        if not globs or not given:
            raise InputError(f"{origin} has {quote(entry)}, without notebooks or without settings.", hint=hint)
        found.append(NotebookRule(globs, given))
    return tuple(found)


def checked(value: object, origin: str, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Return a map of settings. Raises InputError if it is not one, or has an unknown or wrong setting."""
    if not isinstance(value, dict):
        hint = f"Write a map of {', '.join(map(quote, kinds))}."
        raise InputError(f"{origin} has {quote(value)}, which is not a map.", hint=hint)
    for name in value:
        if name not in kinds:
            raise unknown(f"{origin} has an unknown key {quote(name)}", name, kinds)
        kinds[name].read(value[name], f"`{name}` of {origin}")
    return value
