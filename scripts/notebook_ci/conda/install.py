"""Creates an environment of conda: what is installed from where, and the call of the worker."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from notebook_ci.base import conda, isolation, worker, yaml12
from notebook_ci.base.console import Console
from notebook_ci.base.context import Context
from notebook_ci.base.errors import InputError, NotebookCiError, SurroundingsError
from notebook_ci.base.files import read_text
from notebook_ci.base.heartbeat import heartbeat
from notebook_ci.base.locks import Lock
from notebook_ci.base.masking import learn
from notebook_ci.base.process import Deadline
from notebook_ci.base.requirements_file import Line
from notebook_ci.base.temporary import temporary_folder
from notebook_ci.base.texts import quote
from notebook_ci.base.workspace import Workspace
from notebook_ci.conda import settings
from notebook_ci.conda.protocol import Installation, Solution
from notebook_ci.conda.settings import separated
from notebook_ci.tools import tool

WORKER, ENVIRONMENT, NAME = Path(__file__).with_name("worker.py"), "conda", "py-rattler"
SECONDS = 1800
AUTH_FILE = "RATTLER_AUTH_FILE"


@dataclass(frozen=True)
class CondaPlan:
    """What decides how packages of conda are installed."""

    installation: Installation
    python: str  # the version that the environment must have; empty: any
    variables: dict[str, str]  # with which rattler connects

    def of(self, addresses: Sequence[str], lock: Lock) -> "CondaPlan":
        """Return the plan to install packages without solving.

        Raises InputError if Python is not one of them or has another version, or if one is there twice.
        """
        versions = conda.versions(addresses)
        version = dict(versions).get("python", "")
        if len(dict(versions)) < len(versions):
            message = f"{quote(lock.name)} lists a package more than once."
            raise InputError(message, hint="Create the file again.", file=lock.name)
        if not version:
            message = f"{quote(lock.name)} cannot be installed: it lists no Python, which notebooks need."
            raise InputError(message, hint="Add `python`.", file=lock.name)
        if self.python and not f"{version}.".startswith(f"{self.python}."):
            message = f"{quote(lock.name)} has Python {version}, but `python-version` is {self.python}."
            raise InputError(message, hint="Remove `python-version`, or create the file again.", file=lock.name)
        urls, credentials = separated(addresses)
        credentials = {**self.installation.credentials, **credentials}
        return replace(self, installation=replace(self.installation, urls=urls, credentials=credentials))


def plan(lock: Lock, python: str, workspace: Workspace) -> CondaPlan:
    """Raise InputError if a settings file or a list of URLs is wrong."""
    found = settings.read(workspace.environ, sys.platform)
    credentials = _stored(workspace)
    credentials |= separated(found.addresses([*found.channels, *found.custom_channels, "of the alias"]))[1]
    channels: list[str] = []
    packages: list[str] = []
    if lock.kind == "conda":
        listed = [each.text for each in lock.environment.packages]
        split = [each.rpartition("::") for each in (*listed, f"python={python}".rstrip("="))]
        given = [*lock.environment.channels, *(channel for channel, _, _ in split if channel)]
        names = [*given, *([] if "nodefaults" in given else found.channels)]
        channels, of_file = separated(found.addresses(names or ["defaults"]))
        credentials |= of_file
        for channel, _, rest in split:
            urls = [*separated(found.addresses([channel]))[0], channel]  # of `defaults`, the first
            packages.append(f"{urls[0]}::{rest}" if channel else rest)
    planned = CondaPlan(
        Installation(
            packages=packages,
            channels=channels,
            priority=found.priority,
            verifies=found.verifies,
            credentials=credentials,
            variables=dict(lock.environment.variables),
        ),
        python,
        found.variables(workspace.environ),
    )
    return planned.of(conda.urls(lock.path, lock.name), lock) if lock.kind == "explicit" else planned


def _stored(workspace: Workspace) -> dict[str, Any]:
    """Return the credentials that the user has stored for rattler in a file."""
    if not (given := workspace.environ.get(AUTH_FILE)):
        return {}
    return yaml12.mapping(read_text(Path(given), given), origin=f"The file of `{AUTH_FILE}`", file=given)


def solve(lock: Lock, planned: CondaPlan, workspace: Workspace, console: Console) -> CondaPlan:
    """Return the plan with the packages that fit this machine today. Raises like `install`."""
    solution = _ask(lock, planned.installation, planned, workspace, console)
    return replace(planned, installation=replace(planned.installation, records=solution.records))


def install(
    lock: Lock, planned: CondaPlan, prefix: Path, workspace: Workspace, console: Console, *, uses_cache: bool
) -> Sequence[str]:
    """Install the packages of conda into the folder `prefix`. Return those that solving gave, here or in `solve`.

    Raises InputError if the file is wrong or its packages do not exist or fit together, SurroundingsError for a channel
    that cannot be reached.
    """
    order = replace(planned.installation, prefix=str(prefix.resolve()), uses_cache=uses_cache)
    solution = _ask(lock, order, planned, workspace, console)
    return order.records or solution.records


def exchange(lock: Lock, records: Sequence[str], prefix: Path, context: Context) -> dict[str, list[str]]:
    """Leave only these packages of conda in an environment: their files in `conda-meta`. Raises like `install`.

    Returns the names of those that do not fit together: of two by what one requires.
    """
    planned = plan(lock, "", context)
    order = replace(planned.installation, urls=[], records=list(records), prefix=str(prefix.resolve()))
    return _ask(lock, replace(order, finds_misfits=True), planned, context, context.console).misfits


def _ask(lock: Lock, order: Installation, planned: CondaPlan, workspace: Workspace, console: Console) -> Solution:
    learn({**planned.variables, **order.credentials})
    if not order.records:  # solving has installed it
        tool.install(ENVIRONMENT, NAME, workspace.environ, console)
    steps = ["installing packages of conda" if order.prefix else "solving for packages of conda"]
    try:
        with temporary_folder() as scratch, heartbeat(console.progress, lambda: steps[-1]):
            reply = worker.ask(
                tool.worker(ENVIRONMENT, WORKER),
                replace(order, scratch=str(scratch)),
                Solution,
                tool=NAME,
                env=isolation.for_others(workspace.environ) | planned.variables,
                cwd=lock.path.parent,
                console=console,
                on_step=steps.append,
                deadline=Deadline.after(SECONDS),
            )
    except worker.TooSlow as error:
        raise SurroundingsError(f"{NAME} did not install {quote(lock.name)} within {SECONDS} s.") from error
    for problem in reply.errors:
        raise located(problem, lock.name, lock.environment.packages)
    return reply


def located(error: NotebookCiError, lock: str, packages: Sequence[Line] = ()) -> NotebookCiError:
    """Return an error of the worker, with the name of the file if that may be wrong.

    If it names exactly one of the file's `packages`, its line is added.
    """
    if isinstance(error, InputError):
        named = {each.number for each in packages if _is_named(each, error.message)}
        error.line = named.pop() if len(named) == 1 else None
        error.message, error.file = f"{quote(lock)} cannot be installed: {error.message}", lock
    return error


def _is_named(package: Line, message: str) -> bool:
    name = re.match(r"[\w.-]+", package.text.rpartition("::")[2])
    return bool(name and re.search(rf"(?<![\w.-]){re.escape(name[0])}(?![\w.-])", message, re.IGNORECASE))
