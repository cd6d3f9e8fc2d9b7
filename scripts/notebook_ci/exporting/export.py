"""Exports a lock of another tool to requirements and lists of URLs, and says how uv installs the requirements."""

import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from notebook_ci.base import isolation, worker
from notebook_ci.base.context import Context
from notebook_ci.base.errors import InputError, Problem, SurroundingsError
from notebook_ci.base.files import TMPDIR, unwritable
from notebook_ci.base.heartbeat import heartbeat
from notebook_ci.base.locks import Lock, StaleError
from notebook_ci.base.process import Argument, Deadline
from notebook_ci.base.texts import quote
from notebook_ci.exporting.protocol import Export, Order
from notebook_ci.tools import tool

WORKER = Path(__file__).with_name("worker.py")
SECONDS = 300
HASHED, OTHERS = "exported.txt", "exported-code.txt"
NEWEST = 99  # the patch version of a Python of which only X.Y is known: its newest one
_OPTION = re.compile(r"(?:-i|--index-url|--extra-index-url|--find-links)[ =]")
# What is the same at each installation without a hash: a git commit, and code of the repository.
_FIXED = re.compile(r"(?:-e )?(?:[^\s@]+ ?@ ?)?(?:git\+\S+@[0-9a-f]{40}\b|file://(?!.*--hash=))")
# A path as Pipenv and PDM write it, from the folder of the lock; uv starts at the current folder, and knows no `#egg`.
_PATH = re.compile(r"^(-e (?![a-z+]+:)|(?=[./]))([^\s;#]+)(?:#egg=[\w.-]+(\[[^\]]*\])?)?", re.MULTILINE)
# As Pipenv and PDM write an editable git dependency; only folders can be editable for uv.
_EDITABLE_GIT = re.compile(r"-e (git\+[^\s#]+)#egg=([\w.-]+)(?:&(subdirectory=[^\s\[]+))?(\[[^\]]*\])?")


@dataclass(frozen=True)
class Exported:
    """The requirements of a lock, in the format of requirements files."""

    hashed: str = ""  # packages with hashes
    others: str = ""  # git commits, and code of the repository
    urls: Sequence[str] = ()  # packages of conda, with their hashes

    @property
    def texts(self) -> dict[str, str]:
        return {name: text for name, text in {HASHED: self.hashed, OTHERS: self.others}.items() if text}

    def install_arguments(self, python: Argument) -> Iterator[tuple[str, list[Argument]]]:
        """Yield the name of each file of `texts`, and the arguments with which uv installs it; its path is the next.

        The lock is complete: nothing is resolved, because it may deliberately contradict what packages declare.
        """
        install: list[Argument] = ["pip", "install", "--python", python, "--no-deps"]
        # The first index may have only other versions. It is "unsafe" only for what has no hash.
        matching = ["--index-strategy", "unsafe-best-match"] if "--extra-index-url" in self.hashed else []
        if self.hashed:
            yield HASHED, [*install, *matching, "--require-hashes", "--requirements"]
        if self.others:
            yield OTHERS, [*install, "--requirements"]


def export(lock: Lock, python: str, context: Context) -> Exported:
    """Export a lock, in a copy of the lock and its project file.

    `python` is the version of the environment's Python, empty if not known. Raises InputError if the lock does not
    match the project file or the Python.
    """
    name, project = lock.format.tool, lock.path.parent.resolve()
    environment = "conda" if lock.kind == "pixi" else lock.kind
    tool.install(environment, name, context.environ, context.console)
    context.console.progress(f"Exporting `{lock.name}` with {name}")
    chosen = {"groups": list(lock.groups), "extras": list(lock.extras)}
    request = Order(kind=lock.kind, python=python, **chosen)
    with tempfile.TemporaryDirectory(prefix="notebook-ci-export-") as folder:
        scratch = Path(folder).resolve()
        # As deep as the project: the path of a folder beside it must not lead out of the scratch folder.
        copy = scratch.joinpath(*project.parts[1:])
        try:
            for path in lock.files():
                target = copy / os.path.relpath(path, lock.path.parent)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        except OSError as error:
            raise unwritable(f"`{lock.name}` cannot be copied", copy, error, TMPDIR) from error
        try:
            with heartbeat(context.console.progress, lambda: f"exporting with {name}"):
                reply = worker.ask(
                    tool.worker(environment, WORKER),
                    request,
                    Export,
                    tool=name,
                    env=isolation.for_others(context.environ),
                    cwd=copy,
                    console=context.console,
                    deadline=Deadline.after(SECONDS),
                )
        except worker.TooSlow as error:
            raise SurroundingsError(f"{name} did not export `{lock.name}` within {SECONDS} s.") from error
    _raise_problems(lock, python, reply, context.problems)
    text = reply.requirements.replace(f"{scratch.as_uri()}/", Path(project.anchor).as_uri())
    text = _with_uris(text, project, lock.editable)
    exported = _split(text + (f"-e {project.as_uri()}\n" if lock.installs_project else ""))
    return replace(exported, urls=reply.urls)


def _raise_problems(lock: Lock, python: str, reply: Export, problems: list[Problem]) -> None:
    again = f"Run `{lock.kind} lock`, and commit the new `{lock.path.name}`."
    if reply.is_stale:  # first: it may be why the export failed
        message = f"{quote(lock.name)} no longer matches its `{lock.files()[-1].name}`."
        StaleError(message, hint=again, file=lock.name).unless_allowed(lock, problems)
    for error in reply.errors:
        if isinstance(error, InputError):
            error.message = f"{lock.format.tool} cannot export {quote(lock.name)}: {error.message}"
            error.hint, error.file = error.hint or again, lock.name
        raise error
    if reply.required_python:
        raise InputError(
            f"{quote(lock.name)} is for Python {reply.required_python}, but the environment's Python is "
            f"{python.removesuffix(f'.{NEWEST}')}.",
            hint="Set `python-version` to a version that fits.",
            file=lock.name,
        )


def _with_uris(text: str, project: Path, editable: Collection[str]) -> str:
    """Write paths as URIs. `editable` are the paths with `-e`, which Pipenv omits if it does not see the folder."""

    def uri(found: re.Match[str]) -> str:
        option = "-e " if found[1] or found[2] in editable else ""
        return f"{option}{Path(os.path.normpath(project / found[2])).as_uri()}{found[3] or ''}"

    return _PATH.sub(uri, text)


def _split(text: str) -> Exported:
    """Separate what needs a hash from what has none and cannot change."""
    options: list[str] = []
    hashed: list[str] = []
    others: list[str] = []
    text = re.sub(r"\s*\\\n\s*", " ", text)
    text = _EDITABLE_GIT.sub(lambda at: f"{at[2]}{at[4] or ''} @ {at[1]}{'#' + at[3] if at[3] else ''}", text)
    for line in text.splitlines():
        if _OPTION.match(line):
            options.append(line)
        elif _FIXED.match(line):
            others.append(line)
        elif line.strip() and not line.startswith(("#", "--trusted-host")):
            # Also what has no hash: uv refuses it if its marker fits. Pipenv locks nothing for other platforms.
            hashed.append(line)
    above = dict.fromkeys(options)  # PDM is asked twice
    first, second = ("".join(f"{line}\n" for line in (*above, *some)) if some else "" for some in (hashed, others))
    return Exported(first, second)
