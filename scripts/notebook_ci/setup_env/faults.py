"""Explains what is wrong with a lock, from the output of uv (0.13)."""

import functools
import re
from collections.abc import Mapping

from notebook_ci.base import known_errors, requirements_file
from notebook_ci.base.errors import InputError, NotebookCiError
from notebook_ci.base.known_errors import KnownError, find
from notebook_ci.base.locks import Lock, StaleError
from notebook_ci.base.project import names_code
from notebook_ci.base.texts import quote

_CORRECT = "Correct the file."
_NAME_AT = r"(?P<name>[\w.-]+)(?:\[.*\])?\s*@\s*"
_in_lock = functools.partial(KnownError, kind=InputError)
_FAULTS = (
    KnownError(
        r"lockfile at `.*?` needs to be updated",
        "{lock} no longer matches its `pyproject.toml`.",
        "Run `uv lock`, and commit the new `uv.lock`.",
        kind=StaleError,
    ),
    _in_lock(
        r"all requirements must have (?:a hash, but (?:none|there were no hashes).*?|.* pinned .*, but found): "
        r"(?P<what>\S+)",
        "{lock} has hashes, but not for every package: {what} has none.",
        "Compile it again, for example with `uv pip compile --generate-hashes`.",
    ),
    _in_lock(
        r"Couldn't parse requirement in `(?P<file>.+?)` at position (?P<position>\d+)\s+cause: no such .* \"=\",",
        "A requirement has a single `=`, as conda writes it.",
        "Write `==`, or save the environment with `conda env export --from-history > environment.yml`.",
    ),
    _in_lock(
        r"Couldn't parse requirement in `(?P<file>.+?)` at position (?P<position>\d+)\s+cause: (?P<what>.+)",
        "A requirement is not valid: {what}.",
        _CORRECT,
    ),
    _in_lock(
        r"Unsupported editable requirement in `(?P<file>.+?)` at line (?P<line>\d+)(?:.*\n)\s+cause: (?P<what>.+)",
        "An editable requirement (`-e`) is not possible here: {what}.",
        "Remove `-e`.",
    ),
    _in_lock(
        r"(?P<what>(?:Unexpected|Unsupported|Expected) .+?): (?P<file>[^\s:]+):(?P<line>\d+):\d+",
        "A line is not valid: {what}.",
        _CORRECT,
    ),
    _in_lock(
        r"TOML parse error at line (?P<line>\d+)[^\n]*(?:\n.*){3}\n\s*(?P<what>.+)",
        "{lock} is not a valid lock: {what}.",
        _CORRECT,
    ),
    _in_lock(
        r"incompatible with the project's Python requirement: `?(?P<what>[^`\n]+)`?",
        "The project of {lock} requires Python {what}, which this environment does not have.",
        "Correct `python-version`, or `requires-python` in `pyproject.toml`.",
    ),
    _in_lock(
        r"(?:Because|cause:) you require (?P<what>[^\n]+?),\s+(?:which are incompatible|we can conclude that "
        r"your\s+requirements are unsatisfiable)",
        "{lock} contradicts itself: it requires {what}.",
        _CORRECT,
    ),
    _in_lock(r"Distribution not found at: (?P<url>\S+)", "{lock} names `{url}`, which does not exist.", _CORRECT),
)
# The index lacks a package or a version: the lock may be right. If uv names no version, no file of the package fits.
_OWN_INDEX = "If you use your own index, check that it has the package."
_NOT_IN_INDEX = (
    KnownError(
        r"Because (?P<what>\S+) was not found in the package registry",
        "The package index has no package `{what}`.",
        f"Check the name. {_OWN_INDEX}",
    ),
    *(
        KnownError(
            pattern,
            "The package index has no `{what}` for {python} on this platform.",
            f"Check name and version. {_OWN_INDEX}",
        )
        for pattern in (
            r"there (?:is|are) no versions? of (?P<what>[^\s,]+)",
            r"Because only \S+ (?:is|are) available and (?:you require|\S+ depends on) (?P<what>[^\s,]+),",
            r"Because (?P<what>\S+) has no wheels with a matching Python",
        )
    ),
)
# The backends setuptools, hatchling, uv_build, poetry-core and flit: they find no code, or too much, to package.
_NO_PACKAGE = re.compile(
    r"Multiple top-level \w+ discovered in a flat-layout|Unable to determine which files to ship|"
    r"Expected a Python module at|No file/folder found for|not possible in non-package mode"
)
# Other failures: the lock may be right.
_BUILD = (
    KnownError(
        r"build backend returned an error(?s:.*)Read-only file system",
        "{what}: a build writes into a read-only folder.",
        "See the lines above. If it builds your own project, run in a writable copy of the workspace.",
    ),
    KnownError(
        r"build backend returned an error",
        "{what}: a package must be built from source, and the build failed.",
        "See the lines above. A version with a wheel for this Python and platform needs no build.",
    ),
)


class NotAPackageError(InputError):
    """The project of a `pyproject.toml` cannot be built, but its dependencies may be installable."""

    reason = "its build finds no code to package"


def explain(what: str, output: str, lock: Lock) -> NotebookCiError | None:
    """Return what is wrong with a lock; None if the failure has another cause. `what` failed, without a full stop."""
    is_unnamed = lock.kind == "pyproject" and lock.installs_project and not names_code(lock.project())
    if is_unnamed and (reason := _NO_PACKAGE.search(output)):
        built = re.search(r"Failed to build `[^`]*?(file://[^`]*)`", output)
        if built and built[1].rstrip("/") in {path.as_uri() for path in (lock.path.parent, lock.path.parent.resolve())}:
            return NotAPackageError(f"{quote(lock.name)} is not a package: {reason[0]}.", file=lock.name)
    if found := find(_FAULTS, output):
        known, groups = found
        return _in_file(known.error({"lock": quote(lock.name), **groups}), groups, lock)
    # uv reports an index that refuses like one that has nothing, with the status in a hint.
    if re.search(r"(?<![.\d])40[137](?![.\d])", output):
        return None
    return known_errors.explain(_BUILD, output, what=what) or _not_in_index(output, lock)


def _in_file(error: NotebookCiError, groups: Mapping[str, str], lock: Lock) -> NotebookCiError:
    """Add the place in the lock's files that uv names, and what to do there."""
    if lock.format.tool:
        error.hint, error.file, error.line = _again(lock), lock.name, None
        return error
    folder = lock.path.parent if lock.format.is_conda else lock.workspace  # where uv was started
    path = folder / groups["file"] if "file" in groups else lock.path
    if groups.get("file") == "-":
        text = requirements_file.for_uv(lock.lines(), folder)
        origin = lock.lines()[(error.line or _line_at(text, groups["position"])) - 1]
        path, error.line = origin.file, origin.number
    elif "://" in groups.get("file", ""):
        path, error.hint = lock.path, f"It is in {quote(groups['file'])}, which is included."
    elif "position" in groups:
        error.line = _line_at(requirements_file.read(path, lock.shown(path)), groups["position"])
    error.file = lock.shown(path)
    if "url" in groups and (left := _line_of(_NAME_AT + re.escape(groups["url"]), lock)):
        line, error.file, error.line = left
        if groups["url"].startswith("file://"):  # of the machine on which conda built the package
            error.hint = (
                "Such a line comes from `pip freeze` in a conda environment: "
                f"write `{line['name']}==<version>` instead, as `pip list --format=freeze` does."
            )
    return error


def _again(lock: Lock) -> str:
    """Return what to do about an exported lock that uv cannot install."""
    here = ", on the same platform as this one" if lock.kind == "pipenv" else ""  # it has the hashes of one platform
    return f"Check `{lock.files()[-1].name}`, run `{lock.kind} lock`{here}, and commit both files."


def _line_at(text: str, position: str) -> int:
    """Return the line of a position that uv names: in bytes of UTF-8, whatever the file's encoding."""
    return text.encode().count(b"\n", 0, int(position)) + 1


def _not_in_index(output: str, lock: Lock) -> NotebookCiError | None:
    found = find(_NOT_IN_INDEX, output)
    if not found:
        return None
    known, groups = found
    python = re.search(r"^Using (?:C?Python) (3\.\d+)", output, re.MULTILINE)
    error = known.error({"python": f"Python {python[1]}" if python else "this Python", **groups})
    name = re.split(r"[^\w.-]", groups["what"])[0]
    # uv writes names in their normal form (PEP 503), whatever the file has.
    line = _line_of(r"[-_.]+".join(map(re.escape, name.split("-"))) + r"(?![\w.-])", lock)
    error.file, error.line = line[1:] if line else (lock.name, None)
    return error


def _line_of(pattern: str, lock: Lock) -> tuple[re.Match[str], str, int] | None:
    """Return the first line in the lock's files that begins with `pattern`, maybe quoted; its file and number."""
    for path in lock.files():
        for line in requirements_file.lines(path):
            if found := re.match(rf"[\s\"']*{pattern}", line.text, re.IGNORECASE):
                return found, lock.shown(path), line.number
    return None
