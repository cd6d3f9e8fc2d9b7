"""Creates an environment of conda: what is installed from where, and the call of the worker."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base import isolation, worker
from notebook_ci.base.context import Context
from notebook_ci.base.errors import InputError, SurroundingsError
from notebook_ci.base.files import read_text
from notebook_ci.base.locks import Lock
from notebook_ci.base.masking import learn
from notebook_ci.base.process import Deadline
from notebook_ci.base.texts import quote, without_users
from notebook_ci.base.worker import Reply
from notebook_ci.base.workspace import Workspace
from notebook_ci.conda import settings
from notebook_ci.conda.protocol import Installation
from notebook_ci.conda.settings import CondaSettings
from notebook_ci.tools import tool

WORKER, ENVIRONMENT, NAME = Path(__file__).with_name("worker.py"), "conda", "py-rattler"
SECONDS = 1800
_PYTHON = re.compile(r"/python-(\d[\w.]*)-[^/\s]*$", re.MULTILINE)


@dataclass(frozen=True)
class CondaPlan:
    """What decides how packages of conda are installed."""

    settings: CondaSettings
    channels: list[str]  # names or addresses, the strongest first; empty: the file has addresses of packages
    python: str  # the version that the environment must have; empty: any

    @property
    def shown(self) -> list[str]:
        """The channels without credentials."""
        return [re.sub(r"/t/[^/]+", "/t/***", without_users(each)) for each in self.channels]


def plan(lock: Lock, python: str, workspace: Workspace) -> CondaPlan:
    """Raise InputError if a settings file cannot be read, or if a list of URLs has another Python."""
    found = settings.read(workspace.environ, sys.platform)
    _ = found.priority
    if lock.kind == "conda":
        return CondaPlan(found, list(_channels(lock, found)) or ["defaults"], python)
    _check_python(_own_list(lock), python, lock.name)
    return CondaPlan(found, [], python)


def _own_list(lock: Lock) -> str:
    return read_text(lock.path, lock.name) if lock.kind == "explicit" else ""


def _channels(lock: Lock, found: CondaSettings) -> Iterator[str]:
    given = lock.environment.channels
    of_packages = (each.rpartition("::")[0] for each in lock.environment.packages)
    of_user = () if "nodefaults" in given else found.channels
    yield from (each for each in dict.fromkeys([*given, *of_packages, *of_user]) if each not in {"", "nodefaults"})


def _check_python(explicit: str, required: str, name: str) -> None:
    there = _PYTHON.search(explicit)
    if there and required and not f"{there[1]}.".startswith(f"{required}."):
        message = f"{quote(name)} has Python {there[1]}, but `python-version` is {required}."
        raise InputError(message, hint="Remove `python-version`, or create the file again.", file=name)


def install(lock: Lock, exported: str, planned: CondaPlan, prefix: Path, context: Context, *, uses_cache: bool) -> None:
    """Install the packages of conda into the folder `prefix`; `exported` is the list of URLs of an exported lock.

    Raises InputError if the file is wrong or its packages do not exist or fit together, SurroundingsError for a channel
    that cannot be reached.
    """
    _check_python(exported, planned.python, lock.name)
    tool.install(ENVIRONMENT, NAME, context.environ, context.console)
    channels = planned.settings.resolve(planned.channels)
    credentials = {**planned.settings.credentials, **channels.credentials}
    learn({**planned.settings.values, **credentials})
    installation = Installation(
        prefix=str(prefix.resolve()),
        packages=[_addressed(each, planned.settings) for each in _packages(lock, planned.python)],
        explicit=exported or _own_list(lock),
        channels=channels.urls,
        priority=planned.settings.priority,
        verifies=planned.settings.verifies,
        credentials=json.dumps(credentials) if credentials else "",
        variables=dict(lock.environment.variables),
        uses_cache=uses_cache,
    )
    try:
        reply = worker.ask(
            tool.worker(ENVIRONMENT, WORKER),
            installation,
            Reply,
            tool=NAME,
            env=isolation.for_others(context.environ) | planned.settings.variables(context.environ),
            cwd=lock.path.parent,
            console=context.console,
            deadline=Deadline.after(SECONDS),
        )
    except worker.TooSlow as error:
        raise SurroundingsError(f"{NAME} did not install {quote(lock.name)} within {SECONDS} s.") from error
    for problem in reply.errors:
        if isinstance(problem, InputError):
            problem.message = f"{quote(lock.name)} cannot be installed: {problem.message}"
            problem.file = lock.name
        raise problem


def _packages(lock: Lock, python: str) -> Iterator[str]:
    yield from lock.environment.packages
    yield f"python={python}" if python else "python"


def _addressed(package: str, found: CondaSettings) -> str:
    """Return a requirement with the address of its channel instead of the name."""
    channel, _, rest = package.rpartition("::")
    return f"{found.resolve([channel]).urls[0]}::{rest}" if channel else package
