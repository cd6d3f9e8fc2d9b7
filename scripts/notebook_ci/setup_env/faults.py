"""Explains what is wrong with a lock, from the output of uv (0.13)."""

import functools
import re
from collections.abc import Mapping

from notebook_ci.base import requirements_file
from notebook_ci.base.errors import InputError, NotebookCiError
from notebook_ci.base.known_errors import KnownError, find
from notebook_ci.base.locks import Lock
from notebook_ci.base.project import names_code
from notebook_ci.base.texts import quote
from notebook_ci.setup_env import no_solution
from notebook_ci.tools.installing import STALE

_CORRECT = "Correct the file."
_NAME_AT = r"(?P<name>[\w.-]+)(?:\[.*\])?\s*@\s*"
_in_lock = functools.partial(KnownError, kind=InputError)
_CHECK_URL = "Check the URL and the network. Private repositories and servers need credentials."
_FAULTS = (
    STALE,
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
        r"^error: (?:Failed to parse|Not a valid)(?!.*uv\.toml).*\n  cause: TOML parse error at line (?P<line>\d+)"
        r"[^\n]*(?:\n.*){3}\n\s*(?P<what>.+)",
        "{lock} is not a valid lock: {what}.",
        _CORRECT,
    ),
    _in_lock(
        r"incompatible with the project's Python requirement: `?(?P<what>[^`\n]+)`?",
        "The project of {lock} requires Python {what}, which this environment does not have.",
        "Correct `python-version`, or `requires-python` in `pyproject.toml`.",
    ),
    KnownError(
        r"network was disabled",
        "{lock} needs packages that are not in uv's cache, but uv must not use the network.",
        "Remove `UV_OFFLINE` or the setting `offline`.",
    ),
    KnownError(  # of a line without a name
        r"^error: Git operation failed\n(?:.*\n)+?.*'(?P<repository>\w+://[^\s']+)'(?:.*\n)+?.*fatal: (?P<why>.+)",
        "The git repository `{repository}` cannot be downloaded: {why}.",
        _CHECK_URL,
    ),
    _in_lock(  # of a project that is installed itself
        r"^error: The build backend returned an error\n(?:.*\n)+?\s+(?P<why>(?:\w*Error|error in .+ command): [^;\n]+)",
        "{lock} cannot be built: {why}.",
        _CORRECT,
    ),
    _in_lock(r"Distribution not found at: (?P<url>\S+)", "{lock} names `{url}`, which does not exist.", _CORRECT),
)
# The backends setuptools, hatchling, uv_build, poetry-core and flit: they find no code, or too much, to package.
_NO_PACKAGE = re.compile(
    r"Multiple top-level \w+ discovered in a flat-layout|Unable to determine which files to ship|"
    r"Expected a Python module at|No file/folder found for|not possible in non-package mode"
)
# Failures of one package, which the lock's files may list.
_URL = r"Failed to download(?: and build)? `(?P<what>\S+) @ (?P<url>[^`]+)`"
_BUILD = r"Failed to build `(?P<what>[^`\s]+)(?:.*\n)+"
_NO_BUILD = "Use a version with a wheel for this Python and platform, which needs no build."
_ON_WINDOWS = "If only Windows needs the package, add `; sys_platform == 'win32'` to its line."
_OF_PACKAGE = (
    KnownError(
        r"hash mismatch for `(?P<what>[^`]+)`",
        "The package `{what}` from the index differs from the one in the lock (by its hash). Nothing was installed.",
        "Ask the owner of the index why its files differ from the public ones.",
    ),
    _in_lock(
        _URL + r"(?:.*\n)+?.*failed to f(?:etch|ind) [a-z, ]+ `(?P<ref>[^`]+)`(?!(?s:.*)(?:not read from|to access))",
        "The git repository of `{what}` has no branch, tag or commit `{ref}`.",
        "Correct what follows the last `@`.",
    ),
    *(
        KnownError(
            _URL + pattern,
            "`{what}` cannot be downloaded from `{url}`: {why}.",
            _CHECK_URL,
        )
        for pattern in (
            r"(?:.*\n)+?.*(?:fatal: |HTTP status )(?P<why>.+?)(?: for url.*)?$",
            r"(?:.*\n)+  cause: (?P<why>.+)",
        )
    ),
    _in_lock(
        _BUILD + r"hint: `[^`]+` is often confused for `(?P<meant>[^`]+)`",  # as `sklearn`
        "`{what}` cannot be built: the package has another name, `{meant}`.",
        "Write `{meant}` instead.",
    ),
    KnownError(
        _BUILD + r".*Read-only file system",
        "`{what}` must be built from source, and the build writes into a read-only folder.",
        "If it builds your own project, run in a writable copy of the workspace.",
    ),
    KnownError(
        _BUILD + r"hint: .* that (?P<why>you need to install .+?) for `",
        "`{what}` must be built from source, but {why}.",
        f"{_NO_BUILD} Or install it before setup-env, such as `apt-get install python3-dev` for `Python.h`.",
    ),
    *(
        KnownError(
            _BUILD + pattern,
            "`{what}` must be built from source, and the build failed: {why}.",
            f"{_NO_BUILD} {_ON_WINDOWS}",
        )
        for pattern in (
            r"\s+(?P<why>(?:\w*Error|error(?: in .+ setup command)?): .{1,200})",
            r"\s+(?:cause: )?(?P<why>(?!hint:)\S.+)",
        )
    ),
)


class NotAPackageError(InputError):
    """The project of a `pyproject.toml` cannot be built, but its dependencies may be installable."""

    reason = "its build finds no code to package"


def explain(output: str, lock: Lock, python: str = "") -> NotebookCiError | None:
    """Return what is wrong with a lock; None if the failure has another cause.

    `python` is the version of the environment's Python, if uv does not print it.
    """
    is_unnamed = lock.kind == "pyproject" and lock.installs_project and not names_code(lock.project())
    if is_unnamed and (reason := _NO_PACKAGE.search(output)):
        built = re.search(r"Failed to build `[^`]*?(file://[^`]*)`", output)
        if built and built[1].rstrip("/") in {path.as_uri() for path in (lock.path.parent, lock.path.parent.resolve())}:
            return NotAPackageError(f"{quote(lock.name)} is not a package: {reason[0]}.", file=lock.name)
    if found := find(_FAULTS, output):
        known, groups = found
        return _in_file(known.error({"lock": quote(lock.name), **groups}), groups, lock)
    if found := find(_OF_PACKAGE, output):
        known, groups = found
        return no_solution.located(known.error(groups), [groups["what"]], lock)
    # uv reports an index that refuses like one that has nothing, with the status in a hint.
    if re.search(r"(?<![.\d=])40[137]\b(?!\.| packages)", output):
        return None
    if not python and (used := re.search(r"^Using (?:C?Python) (3\.[\d.]+)", output, re.MULTILINE)):
        python = used[1]
    return no_solution.explain(output, lock, python)


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
    if "url" in groups and (left := next(no_solution.lines_of(_NAME_AT + re.escape(groups["url"]), lock), None)):
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
