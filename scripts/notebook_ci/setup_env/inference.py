"""Lists the packages that the notebooks name and import, if no file says what to install."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from notebook_ci.base import git
from notebook_ci.base.errors import NotebookCiError, Problem
from notebook_ci.base.locks import Lock
from notebook_ci.base.process import Argument
from notebook_ci.base.project import normal_name
from notebook_ci.base.texts import listed, quote
from notebook_ci.base.workspace import PRIVATE_FOLDER
from notebook_ci.environments.uv import Uv, ask
from notebook_ci.notebooks import commands, document, selection, stated, text_notebooks
from notebook_ci.notebooks.distributions import ELSEWHERE, distribution, guess
from notebook_ci.notebooks.needed import MISSING, LocalModules, Needed
from notebook_ci.setup_env import faults
from notebook_ci.setup_env.pythons import RequiredPython

MOST_NAMED = 20
LOCK = "from-notebooks.txt"
_STANDARD_LIBRARY = f"import json, sys\n{MISSING}\nprint(json.dumps(missing(json.load(sys.stdin))))"
_UNKNOWN = re.compile(r"Because (\S+) was not found in the package registry")

_TWICE = re.compile(r"you require ([\w.-]+)[<>=!~]\S+ and \1[<>=!~]")


@dataclass(frozen=True)
class Inference:
    stated: Mapping[str, str]  # requirements that notebooks name, and where
    needed: Sequence[Needed]  # what they import
    python: RequiredPython  # that PEP 723 metadata requires, not checked

    def lines(self) -> Iterator[str]:
        if self.stated:
            yield f"install what the notebooks name: {listed(list(self.stated), MOST_NAMED)}"
        if self.needed:
            yield "install what the notebooks import, unless it is in the standard library"


def find(cwd: Path, *, with_imports: bool) -> Inference | None:
    """Return what the notebooks of a workspace name, and import; None if there is nothing."""
    modules, names, needed, python = LocalModules(cwd), dict[str, str](), list[Needed](), RequiredPython("")
    for path in sorted(selection.everything(cwd, [])):
        with contextlib.suppress(NotebookCiError):  # execute-notebook reports it
            content = replace(document.read(cwd / path, text_notebooks.code_only), path=Path(path))
            if document.is_python(content):
                names |= {each.text: _where(path, each.cell.index) for each in stated.of(content)}
                needed += modules.needed(content) if with_imports else ()
                if not python.version and (required := stated.requires_python(content)):
                    python = RequiredPython(required, path)
    return Inference(names, needed, python) if names or needed else None


def write(found: Inference, lock: Lock, python: Path, uv: Uv) -> Iterator[Problem]:
    """Write the list, as `.in`, and the lock that uv compiles from it, in versions as old as the last commit.

    Yields what a person should know about it. Raises InputError or SurroundingsError if there is no such lock.
    """
    imported, named = _imported(found.needed, python), {_name(text) for text in found.stated}
    packages = {"ipykernel": "which runs them", **imported}
    packages = {name: where for name, where in packages.items() if name not in named} | dict(found.stated)
    source, target = lock.path.with_suffix(".in"), lock.path
    target.unlink(missing_ok=True)  # uv would keep its versions
    committed = git.answer(uv.workspace, "log", "-1", "--format=%cI")
    # Without building first: old packages have no wheels for a new Python, and building them takes minutes, or fails.
    ways: list[list[Argument]] = [["--no-build"], []]
    if committed:
        ways.insert(0, ["--no-build", "--exclude-newer", committed])
    compiling: list[Argument] = ["pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--python", python]
    compiling += [source, "--output-file", target, *uv.pip.uv_flags()]
    while True:
        source.write_text("".join(f"{text}  # {where}\n" for text, where in packages.items()))
        done = uv.attempt([*compiling, *ways[0]])
        unknown = _UNKNOWN.search(done.output) if done.returncode else None
        twice = _TWICE.search(done.output) if done.returncode else None
        if unknown and (lines := [text for text in packages if _name(text) == unknown[1]]):
            where = listed([packages.pop(text) for text in lines], MOST_NAMED)
            message = f"The package index has no package {quote(unknown[1])}, which is needed by {where}."
            yield Problem(severity="warning", message=message, hint="Add the package that provides it.")
        elif twice and len(lines := [text for text in packages if _name(text) == normal_name(twice[1])]) > 1:
            each = listed([f"{quote(text)} ({packages[text]})" for text in lines], MOST_NAMED)
            message = f"The notebooks name versions that exclude each other: {each}. {quote(lines[-1])} is installed."
            packages = {text: where for text, where in packages.items() if text not in lines[:-1]}
            yield Problem(severity="warning", message=message, hint="Name the same version in all of them.")
        elif done.returncode and len(ways) > 1:
            ways.pop(0)
        else:
            break
    if done.returncode:
        what = "The packages that the notebooks need could not be locked"
        explain = partial(faults.explain, lock=Lock(lock.workspace, source, "plain"))
        uv.run(what, [*compiling, *ways[0]], explain=explain)
    if committed and "--exclude-newer" not in ways[0]:
        day = committed[:10]
        message = f"Not all packages exist as they were at the last commit ({day}), so the newest ones are used."
        yield Problem(severity="notice", message=message)
    names = [f"{quote(text)} ({where})" for text, where in packages.items()]
    is_kept = not source.is_relative_to(lock.workspace / PRIVATE_FOLDER)
    hint = "Run `notebook-ci infer-requirements`, check the list that it writes, and commit it."
    yield Problem(
        severity="notice",
        message=f"No file says what to install. The notebooks name or import {listed(names, MOST_NAMED)}.",
        hint="" if is_kept else hint,
    )


def _imported(needed: Sequence[Needed], python: Path) -> dict[str, str]:
    """Return the packages that are certainly imported, and where.

    The standard library is left out, and modules that commands create: strangers may own such names on PyPI.
    """
    certain = (each for each in needed if each.imported.guard in {"", "function"})
    paths = {each.path: each for each in certain if not _is_created(each)}
    missing: dict[str, str] = ask(python, _STANDARD_LIBRARY, dict, "-S", question=list(paths))
    others = [paths[path] for path in missing if not path.startswith(tuple(ELSEWHERE))]
    packages = {distribution(each.path) or guess(each.path): each for each in reversed(others)}
    packages.pop("", None)  # left to the check of imports
    return {
        name: f"{quote(each.imported.module)} in {_where(each.document.path.as_posix(), each.cell.index)}"
        for name, each in sorted(packages.items())
    }


def _name(requirement: str) -> str:
    return normal_name(re.split(r"[^\w.-]", requirement)[0])


def _is_created(each: Needed) -> bool:
    return commands.create(each.document, each.cell, each.path.partition(".")[0], has_pip=False)


def _where(path: str, cell: int) -> str:
    return f"{quote(path)}, cell {cell + 1}" if path.endswith(selection.SUFFIX) else quote(path)
