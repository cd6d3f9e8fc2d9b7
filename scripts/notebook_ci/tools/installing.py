"""How uv installs a lock, what is installed, and why pip or uv failed."""

import re

from notebook_ci.base import known_errors
from notebook_ci.base.errors import NotebookCiError, SurroundingsError
from notebook_ci.base.known_errors import KnownError
from notebook_ci.base.locks import Lock, StaleError
from notebook_ci.base.process import Argument
from notebook_ci.base.texts import quote

# How long each try waits for an index that accepts a connection and sends nothing.
SILENCE_SECONDS = 15
RETRIES = "2"
OF_TESTS = r"[/\\]tests?[/\\]"
_COMPILE = (
    "import compileall, concurrent.futures, functools, os, re; "
    "paths = [os.path.join(folder, name) for folder, _, names in os.walk('.') for name in names]; "
    f"sources = [path for path in paths if path.endswith('.py') and not re.search(r'{OF_TESTS}', path)]; "
    "compile = functools.partial(compileall.compile_file, quiet=2); "
    "list(concurrent.futures.ProcessPoolExecutor().map(compile, sources, chunksize=32))"
)
# Arguments of a Python that byte-compile the current folder. Not done by uv, which compiles the packages' own tests,
# too: up to 40% of the code. Not by `compileall -j`, which sends files of all kinds to its processes, four at a time: a
# second per 8,000 files. Some code cannot be compiled, so the exit code means nothing. `-S`: no `.pth` file runs.
COMPILE = ("-I", "-S", "-c", _COMPILE)
_IDENTITY = """
import json, platform, sysconfig
identity = {
    "version": platform.python_version(),
    "implementation": platform.python_implementation(),
    "platform": sysconfig.get_platform(),
}
"""
# Each prints JSON about the Python that runs it; the second one also what is installed in its environment.
IDENTIFY = f"{_IDENTITY}print(json.dumps(identity))\n"
DESCRIBE = f"""{_IDENTITY}
import glob, os, re, sys
try:
    from importlib.metadata import distributions
    named = [(each["Name"], each["Version"]) for each in (found.metadata for found in distributions())]
except ImportError:  # Python 3.7: the names of folders say it
    patterns = [os.path.join(glob.escape(folder), "*.dist-info") for folder in sys.path]
    folders = [os.path.basename(found) for pattern in patterns for found in glob.glob(pattern)]
    named = [folder[: -len(".dist-info")].split("-") for folder in folders]
packages = {{re.sub(r"[-_.]+", "-", name).lower(): version for name, version in named if name}}
paths = glob.glob(os.path.join(glob.escape(sys.prefix), "conda-meta", "*.json"))
found = [os.path.basename(path)[: -len(".json")].rsplit("-", 2) for path in paths]
conda = sorted((name, version + " " + build) for name, version, build in found)
print(json.dumps({{**identity, "packages": dict(sorted(packages.items())), "conda": dict(conda)}}))
"""
STALE = KnownError(
    r"lockfile at `.*?` needs to be updated",
    "{lock} no longer matches its `pyproject.toml`.",
    "Run `uv lock`, and commit the new `uv.lock`.",
    kind=StaleError,
)
_SETTINGS_HINT = "The index settings are those of uv and pip: variables (`UV_DEFAULT_INDEX`), `uv.toml`, `pip.conf`."
_KNOWN = (
    KnownError(
        r"no space left on device|disk quota exceeded", "{what}: the disk is full.", "Free some space, or {elsewhere}."
    ),
    KnownError(
        r"hash mismatch|do not match the hashes",
        "{what}: a package from the index differs from the one in the lock (by its hash).",
        "Nothing was installed. Ask the owner of the index why its files differ from the public ones.",
    ),
    KnownError(
        r"(?<![.\d=])40[17]\b(?!\.| packages)|unauthorized",
        "{what}: the package index{index} or the proxy requires credentials, or rejects yours.",
        f"Check user and password. {_SETTINGS_HINT}",
    ),
    KnownError(
        r"(?<![.\d=])403\b(?!\.| packages)|forbidden",
        "{what}: the package index{index} denies access.",
        f"Check the address of the index, and that the credentials allow reading it. {_SETTINGS_HINT}",
    ),
    KnownError(
        r"certificate|\bssl\b|\btls\b",
        "{what}: the certificate of the package index is not trusted.",
        "Set `SSL_CERT_FILE` to the certificates to trust.",
    ),
    KnownError(
        r"timed out|timeout",
        "{what}: the package index does not answer in time.",
        f"Check the network and the proxy, or set `UV_HTTP_TIMEOUT` to more seconds. {_SETTINGS_HINT}",
    ),
    KnownError(
        r"connection|resolution|dns error|unreachable|not known|sending request|tunnel error|proxyerror",
        "{what}: the package index cannot be reached.",
        f"Check the network and the proxy (`HTTPS_PROXY`). {_SETTINGS_HINT}",
    ),
    KnownError(
        r"server error \((?P<status>[^)]+)\)",
        "{what}: the package index answers with an error ({status}).",
        f"Try again later. {_SETTINGS_HINT}",
    ),
    KnownError(
        r"no matching distribution|not found in the|no solution found|(?<![.\d=])404\b(?!\.| packages)|no usable wheels"
        r"|no version of",
        "{what}: the package index lacks a package of the lock for this Python and platform.",
        f"Check that the index mirrors the public one. {_SETTINGS_HINT}",
    ),
    KnownError(
        r"permission denied|read-only file system",
        "{what}: a folder cannot be written.",
        "Get write permission there, or {elsewhere}.",
    ),
)


def explain(what: str, output: str, *, elsewhere: str) -> NotebookCiError:
    """Return the error for a failed installation, from the output of pip (23 to 26) or uv (0.13).

    `what` failed, without a full stop: `The tool environment x could not be installed`. `elsewhere` says how to install
    into another folder, as part of a sentence: `set X to another folder`.
    """
    other = SurroundingsError(f"{what}: see the lines above.", hint="If they do not help, please report it.")
    refusing = re.search(r"An index (?:URL )?\((\S+)\)", output)
    index = f" {quote(refusing[1])}" if refusing else ""
    return known_errors.explain(_KNOWN, output, what=what, elsewhere=elsewhere, index=index) or other


def install_arguments(lock: Lock, python: Argument, file: Argument, project: Argument) -> list[Argument]:
    """Return the arguments with which uv installs a lock; `file` is the lock, in the folder `project`.

    For `uv.lock`, the variable `UV_PROJECT_ENVIRONMENT` must name the environment of `python`.
    """
    flags: list[Argument] = ["--python", python]
    extras: list[Argument] = [f"--extra={name}" for name in lock.extras]
    match lock.kind:
        case "uv.lock":
            # Without `--python`, uv replaces an environment whose Python the project does not allow.
            flags += ["--no-python-downloads", *(f"--group={name}" for name in lock.groups), *extras]
            return ["sync", *flags, "--project", project]
        case "pylock":
            return ["pip", "sync", *flags, file]
        case "hashed":
            return ["pip", "install", *flags, "--require-hashes", "--requirements", file]
        case "pyproject" | "setup":
            flags += [f"--group={file}:{name}" for name in lock.groups]
            if lock.installs_project:
                editable = f"{project}[{','.join(lock.extras)}]" if lock.extras else project
                return ["pip", "install", *flags, "--editable", editable]
            flags += extras
    flags += ["--no-deps"] if lock.as_listed else []
    return ["pip", "install", *flags, "--requirements", file]
