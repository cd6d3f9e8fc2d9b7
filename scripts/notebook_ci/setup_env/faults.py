"""Explains what is wrong with a lock, from the output of uv (0.13)."""

import re
from collections.abc import Mapping
from pathlib import Path

from notebook_ci.base.errors import InputError, NotebookCiError, SurroundingsError
from notebook_ci.base.locks import Lock
from notebook_ci.base.texts import quote

_CORRECT = "Correct the file."
# Errors in the user's files; the groups fill the sentence.
_FAULTS = (
    (
        r"lockfile at `.*?` needs to be updated",
        "{lock} no longer matches its `pyproject.toml`.",
        "Run `uv lock`, and commit the new `uv.lock`.",
    ),
    (
        r"all requirements must have a hash, but (?:none|there were no hashes).*?: (?P<what>\S+)",
        "{lock} has hashes, but not for every package: {what} has none.",
        "Compile it again, for example with `uv pip compile --generate-hashes`.",
    ),
    (
        r"Couldn't parse requirement in `(?P<file>.+?)` at position (?P<position>\d+)\s+cause: (?P<what>.+)",
        "A requirement is not valid: {what}.",
        _CORRECT,
    ),
    (
        r"(?P<what>(?:Unexpected|Unsupported|Expected) .+?): (?P<file>[^\s:]+):(?P<line>\d+):\d+",
        "A line is not valid: {what}.",
        _CORRECT,
    ),
    (
        r"failed to read from file `(?P<included>.+?)`: (?P<what>.+?) \(os error",
        "{lock} includes `{included}`, which cannot be read: {what}.",
        _CORRECT,
    ),
    (
        r"TOML parse error at line (?P<line>\d+)[^\n]*(?:\n.*){3}\n\s*(?P<what>.+)",
        "{lock} is not a valid lock: {what}.",
        _CORRECT,
    ),
    (
        r"incompatible with the project's Python requirement: `?(?P<what>[^`\n]+)`?",
        "The project of {lock} requires Python {what}, which this environment does not have.",
        "Correct `python-version`, or `requires-python` in `pyproject.toml`.",
    ),
    (
        (
            r"(?:Because|cause:) you require (?P<what>[^\n]+?),\s+(?:which are incompatible|we can conclude that "
            r"your\s+requirements are unsatisfiable)"
        ),
        "{lock} contradicts itself: it requires {what}.",
        _CORRECT,
    ),
    (r"Distribution not found at: (?P<what>\S+)", "{lock} names `{what}`, which does not exist.", _CORRECT),
)
# The index lacks a package or a version: the lock may be right. If uv names no version, no file of the package fits.
_OWN_INDEX = "If you use your own index, check that it has the package."
_NO_SUCH_PACKAGE = r"Because (?P<what>\S+) was not found in the package registry"
_NO_SUCH_VERSION = (
    r"there (?:is|are) no versions? of (?P<what>[^\s,]+)",
    r"Because only \S+ (?:is|are) available and (?:you require|\S+ depends on) (?P<what>[^\s,]+),",
    r"Because (?P<what>\S+) has no wheels with a matching Python",
)
# Other failures: the lock may be right.
_OBSTACLES = (
    (
        r"build backend returned an error(?s:.*)Read-only file system",
        "a build writes into a read-only folder",
        "See the lines above. If it builds your own project, run in a writable copy of the workspace.",
    ),
    (
        r"build backend returned an error",
        "a package must be built from source, and the build failed",
        "See the lines above. A version with a wheel for this Python and platform needs no build.",
    ),
)


def explain(what: str, output: str, lock: Lock) -> NotebookCiError | None:
    """Return what is wrong with a lock; None if the failure has another cause. `what` failed, without a full stop."""
    if left := _left_by_conda(output, lock):
        return left
    for pattern, sentence, hint in _FAULTS:
        if found := re.search(pattern, output, re.IGNORECASE):
            groups = {name: value.strip().rstrip(".") for name, value in found.groupdict().items() if value}
            message = sentence.format(lock=quote(lock.name), **groups)
            return InputError(message, hint=hint, file=lock.shown(_path(groups, lock)), line=_line(groups, lock))
    # uv reports an index that refuses like one that has nothing, with the status in a hint.
    if re.search(r"(?<![.\d])40[137](?![.\d])", output):
        return None
    for pattern, reason, hint in _OBSTACLES:
        if re.search(pattern, output, re.IGNORECASE):
            return SurroundingsError(f"{what}: {reason}.", hint=hint)
    return _not_in_index(output, lock)


def _left_by_conda(output: str, lock: Lock) -> InputError | None:
    """Return the error for a line with a local file of the machine on which conda built the package."""
    missing = re.search(r"Distribution not found at: (?P<file>file://\S+)", output)
    found = _find(rf"(?P<name>[\w.-]+)(?:\[.*\])?\s*@\s*{re.escape(missing['file'])}", lock) if missing else None
    if missing is None or found is None:
        return None
    line, file, number = found
    return InputError(
        f"{quote(lock.name)} names `{missing['file']}`, which does not exist.",
        hint="Such a line comes from `pip freeze` in a conda environment: "
        f"write `{line['name']}==<version>` instead, as `pip list --format=freeze` does.",
        file=file,
        line=number,
    )


def _not_in_index(output: str, lock: Lock) -> SurroundingsError | None:
    if found := re.search(_NO_SUCH_PACKAGE, output):
        message = f"The package index has no package `{found['what']}`."
        hint = f"Check the name. {_OWN_INDEX}"
    elif found := next((found for pattern in _NO_SUCH_VERSION if (found := re.search(pattern, output))), None):
        python = re.search(r"^Using (?:C?Python) (3\.\d+)", output, re.MULTILINE)
        message = (
            f"The package index has no `{found['what']}` for {f'Python {python[1]}' if python else 'this Python'} "
            "on this platform."
        )
        hint = f"Check name and version. {_OWN_INDEX}"
    else:
        return None
    name = re.split(r"[^\w.-]", found["what"])[0]
    # uv writes names in their normal form (PEP 503), whatever the file has.
    line = _find(r"[-_.]+".join(map(re.escape, name.split("-"))) + r"(?![\w.-])", lock)
    file, number = line[1:] if line else (lock.name, None)
    return SurroundingsError(message, hint=hint, file=file, line=number)


def _find(pattern: str, lock: Lock) -> tuple[re.Match[str], str, int] | None:
    """Return the first line in the lock's files that begins with `pattern`, maybe quoted; its file and number."""
    for path in lock.files():
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, start=1):
            if found := re.match(rf"[\s\"']*{pattern}", line, re.IGNORECASE):
                return found, lock.shown(path), number
    return None


def _path(groups: Mapping[str, str], lock: Lock) -> Path:
    """Return the file that uv names: absolute, or relative to the workspace."""
    return lock.workspace / groups["file"] if "file" in groups else lock.path


def _line(groups: Mapping[str, str], lock: Lock) -> int | None:
    if "position" in groups:
        data = _path(groups, lock).read_bytes()
        return data.count(b"\n", 0, int(groups["position"])) + 1
    return int(groups["line"]) if "line" in groups else None
