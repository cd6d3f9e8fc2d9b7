"""What is wrong with a lock, from what uv (0.13) says of it."""

import re
from collections.abc import Mapping
from pathlib import Path

from notebook_ci.environment.locks import Lock
from notebook_ci.errors import InputError, NotebookCiError, SurroundingsError

_CORRECT = "Correct the file."
# What is wrong in the user's files; the groups fill the sentence.
_FAULTS = (
    (
        r"lockfile at `.*?` needs to be updated",
        "{lock} does not fit its pyproject.toml any more.",
        "Run `uv lock`, and commit the new uv.lock.",
    ),
    (
        r"all requirements must have a hash, but (?:none|there were no hashes).*?: (?P<what>\S+)",
        "{lock} has hashes, but not for every package: {what} has none.",
        "Compile it again, for example with `uv pip compile --generate-hashes`.",
    ),
    (
        r"Couldn't parse requirement in `(?P<file>.+?)` at position (?P<position>\d+)\s+cause: (?P<what>.+)",
        "A requirement cannot be understood: {what}.",
        _CORRECT,
    ),
    (
        r"(?P<what>(?:Unexpected|Unsupported|Expected) .+?): (?P<file>[^\s:]+):(?P<line>\d+):\d+",
        "A line cannot be understood: {what}.",
        _CORRECT,
    ),
    (
        r"failed to read from file `(?P<included>.+?)`: (?P<what>.+?) \(os error",
        "{lock} includes {included}, which cannot be read: {what}.",
        _CORRECT,
    ),
    (
        r"TOML parse error at line (?P<line>\d+)[^\n]*(?:\n.*){3}\n\s*(?P<what>.+)",
        "{lock} is no such lock: {what}.",
        _CORRECT,
    ),
    (
        r"incompatible with the project's Python requirement: `?(?P<what>[^`\n]+)`?",
        "The project of {lock} asks for Python {what}, which is not the Python of this environment.",
        "Correct the input python-version, or requires-python in pyproject.toml.",
    ),
    (
        r"Because you require (?P<what>.+?), we can conclude that your\s+requirements are unsatisfiable",
        "{lock} contradicts itself: it asks for {what}.",
        _CORRECT,
    ),
    (r"Distribution not found at: (?P<what>\S+)", "{lock} names {what}, which is not there.", _CORRECT),
)
# What stands against a lock that may be right.
_MISSING_HINT = "See the lines above. Correct the version, or check that the index mirrors the public one."
_OBSTACLES = (
    (
        r"no space left on device|disk quota exceeded",
        "the disk is full",
        "Free some space, or name a folder on another disk with the input venv.",
    ),
    (
        r"there (?:is|are) no versions? of (?P<what>[^\s,]+)",
        "the package index does not have what the lock names, {what}, for this Python and platform",
        _MISSING_HINT,
    ),
    (
        r"Because (?P<what>\S+) was not found in the package registry",
        "the package index does not have what the lock names, {what}",
        _MISSING_HINT,
    ),
    (
        r"build backend returned an error",
        "a package has to be built from its source, and that failed",
        "See the lines above. A version that has a wheel for this Python and platform needs no building.",
    ),
)


def explain(what: str, output: str, lock: Lock) -> NotebookCiError | None:
    """Return what is wrong with a lock; None: it lies with something else.

    Args:
        what: What was not done, without a full stop.
        output: What uv printed.
        lock: What was installed from.
    """
    for pattern, sentence, hint in _FAULTS:
        if found := re.search(pattern, output, re.IGNORECASE):
            groups = {name: value.strip().rstrip(".") for name, value in found.groupdict().items() if value}
            message = sentence.format(lock=lock.name, **groups)
            return InputError(message, hint=hint, file=_file(groups, lock), line=_line(groups, lock))
    # An index that refuses is told of as one that has nothing, with the status in a hint.
    refused = re.search(r"\b40[137]\b", output)
    for pattern, reason, hint in () if refused else _OBSTACLES:
        if found := re.search(pattern, output, re.IGNORECASE):
            message = f"{what}: {reason.format(**found.groupdict())}."
            return SurroundingsError(message, hint=hint, file=lock.name if "what" in found.groupdict() else None)
    return None


def _path(groups: Mapping[str, str], lock: Lock) -> Path:
    """Return the file that uv names: as it was given, or relative to the workspace."""
    base = Path(str(lock.path).removesuffix(lock.name) or ".")
    return base / groups["file"] if "file" in groups else lock.path


def _file(groups: Mapping[str, str], lock: Lock) -> str:
    base = Path(str(lock.path).removesuffix(lock.name) or ".")
    path = _path(groups, lock)
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()


def _line(groups: Mapping[str, str], lock: Lock) -> int | None:
    if "position" in groups:
        data = _path(groups, lock).read_bytes()
        return data.count(b"\n", 0, int(groups["position"])) + 1
    return int(groups["line"]) if "line" in groups else None
