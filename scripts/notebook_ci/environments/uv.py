"""Runs uv for the user's environment: with the user's own settings, and pip's index if uv has none."""

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from notebook_ci.base import isolation, pip_settings, process, uv_settings
from notebook_ci.base.console import Console
from notebook_ci.base.errors import NotebookCiError, SurroundingsError
from notebook_ci.base.heartbeat import heartbeat
from notebook_ci.base.index_settings import IndexSettings
from notebook_ci.base.masking import learn, masked
from notebook_ci.base.process import Argument, program_in
from notebook_ci.base.texts import listed, without_users
from notebook_ci.base.workspace import Workspace
from notebook_ci.tools import installing
from notebook_ci.tools.installing import DESCRIBE, IDENTIFY, RETRIES, SILENCE_SECONDS

PROGRAM = program_in(Path(sys.prefix), "uv")  # of the tool environment
PROBE_SECONDS = 60
LINES_SHOWN = 30
# With these variables, uv would use another environment or Python than the given one.
FOREIGN = ("VIRTUAL_ENV", "CONDA_PREFIX", "UV_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_SYSTEM_PYTHON")

MOST_NAMED = 3
# Words with which lines of uv (0.13) begin: `Downloading torch (2.1GiB)`, ` Downloaded torch`, `Resolved 2 packages`.
_BEGINS, _ENDS = {"Downloading", "Building", "Updating"}, {"Downloaded", "Built", "Updated"}
_NEXT = {"Resolved": "downloading", "Prepared": "installing"}

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class PythonIdentity:
    version: str  # of Python
    implementation: str  # `CPython` ...
    platform: str  # of `sysconfig.get_platform()`


@dataclass(frozen=True)
class Installed(PythonIdentity):
    packages: dict[str, str]  # versions by normalized name (PEP 503)
    conda: dict[str, str] = field(default_factory=dict)  # versions and builds by name


@dataclass(frozen=True)
class Uv:
    workspace: Workspace
    console: Console
    log: Path  # file that keeps the output

    def run(
        self,
        what: str,
        arguments: Sequence[Argument],
        *,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        explain: Callable[[str], NotebookCiError | None] = lambda _: None,
    ) -> str:
        """Run uv, and return its output. If it fails, show its last lines, and raise the error of `explain`.

        `what` begins the message: `The packages of x could not be installed`. `explain` gets the output; if it returns
        None, the general error of `installing.explain` is raised.
        """
        completed = self.attempt(arguments, env=env, stdin=stdin)
        if completed.returncode:
            self.console.output("\n".join(completed.output.splitlines()[-LINES_SHOWN:]))
            raise explain(completed.output) or installing.explain(
                what, completed.output, elsewhere="set `venv` or `UV_CACHE_DIR` to another folder"
            )
        return completed.output

    def attempt(
        self, arguments: Sequence[Argument], *, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> process.Completed:
        """Run uv, and return how it ended, without secrets."""
        lines: list[str] = []
        env = self._environment() | dict(env or {})
        with self.log.open("a", encoding="utf-8") as log, heartbeat(self.console.progress, lambda: doing(lines)):
            completed = process.run(
                [PROGRAM, *arguments], env=env, cwd=self.workspace.cwd, stdin=stdin, on_line=lines.append
            )
            output = without_users(masked(completed.output))
            log.write(output + "\n")
        return process.Completed(completed.returncode, output, completed.timed_out)

    def _environment(self) -> dict[str, str]:
        theirs = isolation.for_others(self.workspace.environ)
        kept = {name: value for name, value in theirs.items() if name not in FOREIGN and not name.startswith("PYTHON")}
        limits = {"UV_HTTP_TIMEOUT": str(SILENCE_SECONDS), "UV_HTTP_RETRIES": RETRIES}
        return limits | self.pip.for_uv() | kept | {"UV_NO_PROGRESS": "1", "NO_COLOR": "1"}

    @functools.cached_property
    def pip(self) -> IndexSettings:
        """The settings of pip, unless uv has its own index."""
        has_own = uv_settings.read(self.workspace.environ, self.workspace.cwd).names_packages
        settings = IndexSettings() if has_own else pip_settings.read(self.workspace.environ)
        learn(settings.for_uv())
        return settings


def doing(lines: Sequence[str]) -> str:
    """Return what uv is doing, as far as its output tells."""
    step, parts = "resolving", dict[str, str]()
    for line in lines:
        word, _, what = line.strip().partition(" ")
        if word in _BEGINS:
            parts[what.partition(" ")[0]] = without_users(f"{word.lower()} {what}")
        elif word in _ENDS:
            parts.pop(what.partition(" ")[0], None)
        step = _NEXT.get(word, step)
    return listed(list(parts.values()), MOST_NAMED) or step


@functools.cache
def identify(python: Path) -> PythonIdentity:
    """Ask an interpreter what it is. Raises SurroundingsError if it does not answer."""
    return ask(python, IDENTIFY, PythonIdentity, "-S")  # without its packages: there may be many


def describe(python: Path) -> Installed:
    """Ask an interpreter for its installed packages, too. Raises SurroundingsError if it does not answer."""
    return ask(python, DESCRIBE, Installed)


def ask(python: Path, script: str, kind: Callable[..., Answer], *flags: str, question: object = None) -> Answer:
    """Run a script in an interpreter, and return the JSON object that it prints, as `kind`.

    `question` is its standard input, as JSON. Raises SurroundingsError if it does not answer.
    """
    try:
        answer = subprocess.run(
            [python, "-I", *flags, "-c", script],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=True,
            input=json.dumps(question),
            env=isolation.for_others(os.environ),
        )
        return kind(**json.loads(answer.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError) as error:
        # Without the command, which contains the script.
        said = str(getattr(error, "stderr", None) or type(error).__name__).strip().splitlines()
        hint = "Delete the environment, and run setup-env again."
        raise SurroundingsError(f"The Python `{python}` does not answer: {said[-1]}.", hint=hint) from error


def newest_upload(pylock: str) -> datetime | None:
    """Return when the newest file of a lock (PEP 751) was uploaded; None if the index does not say."""
    times = re.findall(r"upload-time = (\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d))", pylock)
    return max(map(datetime.fromisoformat, times), default=None)
