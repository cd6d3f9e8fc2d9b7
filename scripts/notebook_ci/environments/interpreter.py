"""Finds the Python that runs the kernels, and checks that it can."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from notebook_ci.base.errors import InputError, SurroundingsError
from notebook_ci.base.files import sha256
from notebook_ci.base.isolation import for_others
from notebook_ci.base.process import program_in
from notebook_ci.base.texts import quote
from notebook_ci.base.workspace import Workspace
from notebook_ci.notebooks.needed import MISSING
from notebook_ci.records.environment import default_environment, read_marker
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.records.setup_env import SetupEnvRecord

EARLIER = "an earlier setup-env"
SETUP_ENV = "setup-env"
INPUT = "`python`"
PROBE_SECONDS = 30
# Runs in the user's Python, of any version. It does not import ipykernel, which would take 0.3 seconds, nor
# `importlib.metadata`, which takes longer than all the rest. The working directory is removed from the path, so that a
# `platform.py` in the workspace is not imported.
PROBE = f"""
import sys
sys.path[:] = [folder for folder in sys.path if folder]
import json, os, platform
{MISSING}
"""
PROBE += """
found, names = importlib.util.find_spec("ipykernel"), {"__version__": ""}
if found:
    try:
        with open(os.path.join(os.path.dirname(found.origin), "_version.py")) as file:
            exec(file.read(), names)
    except Exception:
        names["__version__"] = "unknown"
print(json.dumps({
    "version": platform.python_version(),
    "prefix": sys.prefix,
    "ipykernel": names["__version__"],
    "missing": missing(json.load(sys.stdin)),
}))
"""


@dataclass(frozen=True)
class Interpreter:
    path: Path
    origin: str  # where it was found, for the log
    version: str  # such as `3.12.4`
    ipykernel: str  # its version; empty: not installed
    prefix: Path  # `sys.prefix`
    # Of the modules that it was asked for, those that it lacks, and which part of their name: `a` or `a.b` for `a.b.c`.
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """A Python that was found but not tried yet."""

    path: Path
    origin: str  # where it was found, for the log

    @property
    def prefix(self) -> Path:
        """The `sys.prefix` that its path suggests on Linux, where kernels are forked; the real one may differ."""
        return self.path.parent.parent


def find(given: str, slug: str, run_directory: RunDirectory, workspace: Workspace) -> Candidate:
    """Find the interpreter: from the input, setup-env's environment, the active environment, or PATH.

    Raises InputError if setup-env did not pass in this run, or the environment is that of another project, and
    SurroundingsError if none was found.
    """
    if given:
        return Candidate(_named(given, workspace), INPUT)
    record = run_directory.last(SetupEnvRecord, slug, workspace)
    if record and record.status not in {"passed", "skipped"}:
        raise InputError(
            "setup-env did not pass in this run, so there is no environment for the notebooks.",
            hint="Read its errors, or set `python` to an interpreter.",
        )
    if record and record.status == "passed":
        found = Candidate(Path(record.python), SETUP_ENV)
    else:
        found = _without_setup(slug, workspace)
    _refuse_foreign(found, record, run_directory, workspace)
    return found


def _refuse_foreign(
    found: Candidate, own: SetupEnvRecord | None, run_directory: RunDirectory, workspace: Workspace
) -> None:
    """Refuse the environment of another project of this run: it may be active, or have replaced that of this one."""
    every = [each for each in run_directory.records().values() if isinstance(each, SetupEnvRecord)]
    owners = [each for each in every if each.python == str(found.path)]
    if not owners and not own and found.origin != EARLIER:  # a Python that setup-env did not create is hardly meant
        owners = [each for each in every if each.status != "skipped"]
    if owners and (other := owners[-1].source.get("workspace")) != str(workspace.cwd):
        raise InputError(
            f"`{found.path}` is not the environment of `{workspace.cwd}`: setup-env last ran in `{other}`.",
            hint="Run setup-env with the same `working-directory`, or set `python` to an interpreter.",
        )


def _without_setup(slug: str, workspace: Workspace) -> Candidate:
    """Find an interpreter that setup-env did not create in this run."""
    earlier = default_environment(slug, workspace)
    # On a laptop, each run has its own run directory, so setup-env's record is not found there.
    if not workspace.runner_temp and program_in(earlier).exists():
        _refuse_copy(earlier)
        return Candidate(program_in(earlier), EARLIER)
    for variable in ("VIRTUAL_ENV", "pythonLocation"):
        if workspace.environ.get(variable):
            return Candidate(program_in(Path(workspace.environ[variable])), variable)
    for name in ("python", "python3"):
        if found := shutil.which(name, path=workspace.environ.get("PATH")):
            return Candidate(Path(found), "PATH")
    hint = "Run setup-env first, or set `python` to an interpreter."
    raise SurroundingsError("No Python was found to run the notebooks.", hint=hint)


def _refuse_copy(environment: Path) -> None:
    """Refuse an environment that was copied or moved: its programs and `.pth` files point to the original."""
    original = read_marker(environment).path
    if original and original != str(environment.resolve()):
        message = f"The environment `{environment}` was created as `{original}`, and would run the code in that folder."
        raise SurroundingsError(message, hint="Run setup-env here, or delete the environment.")


def changed_since(environment: Path, cwd: Path) -> list[str]:
    """Return the files that setup-env created an environment from, and that have changed since.

    If the environment does not record them, nothing is returned. Relative paths start from `cwd`.
    """
    return [name for name, digest in read_marker(environment).read.items() if _digest(cwd / name) != digest]


def _digest(path: Path) -> str:
    try:
        return sha256(path) if path.is_file() else ""
    except OSError:
        return ""


def _named(given: str, workspace: Workspace) -> Path:
    """Return the interpreter that the input names: a program on PATH, a path, or the folder of an environment."""
    if os.sep not in given and (found := shutil.which(given, path=workspace.environ.get("PATH"))):
        return Path(found)
    path = workspace.cwd / given
    inside = program_in(path)
    return inside if inside.exists() else path


def tried(candidate: Candidate, modules: Iterable[str] = ()) -> Interpreter:
    """Ask an interpreter for its version, its ipykernel, and which modules it lacks.

    If it is not a working Python, raises InputError if the input names it, SurroundingsError otherwise.
    """
    wrong = InputError if candidate.origin == INPUT else SurroundingsError
    who = f"The Python `{candidate.path}` ({candidate.origin})"
    try:
        answer = subprocess.run(
            [candidate.path, "-c", PROBE],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=False,
            input=json.dumps(sorted(set(modules))),
            env=for_others(os.environ),
        )
        seen = json.loads(answer.stdout.splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = error.strerror if isinstance(error, OSError) else "it does not answer"
        hint = "Set `python` to an interpreter: a path, or a program on `PATH`."
        raise wrong(f"{who} cannot be run: {reason}.", hint=hint) from error
    except (ValueError, IndexError) as error:
        what = f"{who} is not a working Python interpreter: {quote(answer.stderr.strip()[-200:])}."
        raise wrong(what, hint="Set `python` to another interpreter.") from error
    return Interpreter(
        candidate.path,
        candidate.origin,
        seen["version"],
        seen["ipykernel"],
        prefix=Path(seen["prefix"]),
        missing=seen["missing"],
    )


def require_ipykernel(interpreter: Interpreter) -> None:
    if not interpreter.ipykernel:
        raise SurroundingsError(
            f"The Python `{interpreter.path}` ({interpreter.origin}) has no ipykernel, so it cannot run notebooks.",
            hint="List your packages in a file for setup-env, such as `requirements.txt`, or install `ipykernel`.",
        )


def environment(environ: Mapping[str, str], python: Candidate | Interpreter, folder: Path) -> dict[str, str]:
    """Return the variables of a kernel: those of the step, with the interpreter's programs first on PATH.

    `folder` is private: IPython keeps history and profile there.
    """
    env = for_others(environ)
    env["PATH"] = os.pathsep.join([str(python.path.parent), environ.get("PATH") or os.defpath])
    env["IPYTHONDIR"] = environ.get("IPYTHONDIR") or str(folder / "ipython")
    if (python.prefix / "pyvenv.cfg").exists():
        env["VIRTUAL_ENV"] = str(python.prefix)
    return env
