"""The stage setup-env: creates the environment, or reuses an unchanged one."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from notebook_ci.base import groups, locks, uv_settings
from notebook_ci.base.console import Console
from notebook_ci.base.context import Context
from notebook_ci.base.errors import NotebookCiError, Problem
from notebook_ci.base.files import sha256
from notebook_ci.base.locks import Found, Lock
from notebook_ci.base.masking import masked
from notebook_ci.base.plan import Nothing, Plan
from notebook_ci.base.texts import quote, without_users
from notebook_ci.base.workspace import PRIVATE_FOLDER, Workspace, private_folder
from notebook_ci.conda import install as conda
from notebook_ci.conda.install import CondaPlan
from notebook_ci.environments.uv import Installed, Uv, identify
from notebook_ci.exporting.export import export
from notebook_ci.records.environment import read_marker
from notebook_ci.records.setup_env import SetupEnvRecord
from notebook_ci.setup_env import choice, contents, fitting, inference, pythons, unused, venv
from notebook_ci.setup_env.activate import activate
from notebook_ci.setup_env.inference import Inference
from notebook_ci.setup_env.installer import Installer, KeyFor
from notebook_ci.setup_env.model import SetupEnvInputs
from notebook_ci.setup_env.pythons import RequiredPython
from notebook_ci.setup_env.resolution import resolve


@dataclass(frozen=True, kw_only=True)
class EnvironmentPlan(Plan):
    lock: Lock
    python: RequiredPython
    venv: venv.Venv
    conda: CondaPlan | None  # of packages of conda
    inference: Inference | None = None  # the lock is written first, from this
    packages: Sequence[str] = ()  # of a list that does not fix all versions, after it was resolved
    key: str = ""  # of the environment: see `key_for`

    @property
    def solves(self) -> bool:
        """Whether solving gives all packages: a part `pip` is resolved beside packages of conda."""
        return self.lock.kind == "conda" and not self.lock.lines()

    def key_for(self, python: Path | None, workspace: Workspace) -> KeyFor:
        """Return the function that gives the key; empty: an installation may always give something else.

        Files are read now: somebody may edit them during an installation.
        """
        settings = uv_settings.of_installations(workspace.environ, workspace.cwd)
        key = venv.key(self.lock, python, self.python.version, settings)
        # Each installation warns of a stale lock.
        is_exact = self.lock.fixes_versions and not self.lock.may_be_stale
        return lambda packages: venv.key_with(key, packages) if packages or is_exact else ""

    def lines(self) -> Iterator[str]:
        yield from self.inference.lines() if self.inference else ()
        yield f"install {choice.sources(self.lock)} into `{self.venv.path}`"
        if self.conda and (channels := self.conda.installation.channels):
            yield f"use the channels {', '.join(map(quote, channels))}"
        if self.python.version:
            yield f"use {self.python}"


def plan(inputs: SetupEnvInputs, workspace: Workspace) -> EnvironmentPlan | Nothing:
    """Decide what to install. Raises InputError if an input or a file is wrong."""
    cwd = workspace.cwd
    given = inputs.requirements
    found = Found(locks.find(given, cwd)) if given else locks.search(cwd)
    inferred = None if found else inference.find(cwd, with_imports=inputs.infer)
    if inferred:
        found = Found(Lock(cwd, cwd / PRIVATE_FOLDER / inference.LOCK, "hashed"))
    elif found:
        locks.check(found.lock)
    else:
        hint = f"{locks.nothing_hint(cwd)} Or set `infer: true` to install what the notebooks import."
        return Nothing(locks.nothing(cwd), hint=hint)
    lock = replace(groups.choose(found.lock, inputs.groups, inputs.extras), may_be_stale=not inputs.frozen)
    folder = venv.Venv(venv.location(inputs.venv, inputs.slug, workspace))
    folder.check()
    project = lock.files()[-1] if lock.format.tool else lock.path.with_name("pyproject.toml")
    version = inputs.python_version
    of_conda = conda.plan(lock, version, workspace) if lock.format.is_conda else None
    python = RequiredPython(version) if of_conda else pythons.required(version, project, cwd)
    if inferred and inferred.python.version and not python.version:
        python = pythons.checked(inferred.python.version, inferred.python.origin)
    if not (python.version or of_conda or "pythonLocation" in workspace.environ):  # actions/setup-python chose one
        python = pythons.wished(lock, cwd)
    problems = () if inferred else tuple(choice.notes(found))
    return EnvironmentPlan(lock=lock, python=python, venv=folder, conda=of_conda, inference=inferred, problems=problems)


def resolved(planned: EnvironmentPlan, python: Path | None, uv: Uv, problems: list[Problem]) -> EnvironmentPlan:
    """Return the plan with its key, and with all versions. Raises InputError or SurroundingsError if there are none."""
    lock = planned.lock
    if planned.inference and python:
        private_folder(uv.workspace.cwd)
        problems.extend(inference.write(planned.inference, lock, python, uv))
    if planned.conda and planned.solves:
        solved = conda.solve(lock, planned.conda, uv.workspace, uv.console)
        planned = replace(planned, conda=solved, packages=solved.installation.records)
    elif python and lock.kind in {"plain", "pyproject"} and not lock.builds_local_code:
        lock, packages = resolve(lock, python, uv)
        planned = replace(planned, lock=lock, packages=packages)
    return replace(planned, key=planned.key_for(python, uv.workspace)(planned.packages))


def cache(_: SetupEnvInputs, planned: EnvironmentPlan, workspace: Workspace, console: Console) -> dict[str, str]:
    """Name the cache of the environment: none if it may differ each time, or Python must be downloaded first."""
    uv = Uv(workspace, console, Path(os.devnull))
    python = None if planned.conda else pythons.find(uv, planned.python.version)
    if not (python or planned.conda):
        return {}
    key = resolved(planned, python, uv, []).key
    return {"key": f"notebook-ci-env-{key}", "path": str(planned.venv.path)} if key else {}


def run(inputs: SetupEnvInputs, planned: EnvironmentPlan, context: Context, record: SetupEnvRecord) -> None:
    try:
        _run(inputs, planned, context, record)
    except NotebookCiError as error:
        if not planned.python.is_wish:
            raise
        context.notice(f"{planned.python} did not work, so another one is tried. {error.message}")
        _run(inputs, replace(planned, python=RequiredPython("")), context, record)
    if inputs.activate:
        activate(planned.venv, context)


def _describe(installed: Installed, planned: EnvironmentPlan, context: Context, record: SetupEnvRecord) -> None:
    """Write what is installed into the record, and where it came from into files beside it."""
    from notebook_ci.setup_env import sbom  # its library is not where other stages plan this one

    packages = contents.packages(planned.venv.path, planned.lock.shown)
    record.python, record.python_version = str(planned.venv.python), installed.version
    record.packages, record.conda_packages = installed.packages, installed.conda
    record.env_digest = venv.digest(installed, {each["name"]: each["commit"] for each in packages if "commit" in each})
    python = {"name": installed.implementation.lower(), "version": installed.version, "origin": "python"}
    described = {"python": python, "platform": installed.platform, "digest": record.env_digest, "packages": packages}
    name = record.source.get("repository") or context.cwd.name
    bill = sbom.describe(name, packages if installed.conda else [*packages, python])
    for file, content in (("environment.json", described), ("sbom.cdx.json", bill)):
        path = context.files.artifacts / file
        context.files.write_json("file", path, content)
        record.created[context.files.relative(path)] = sha256(path)


def _run(inputs: SetupEnvInputs, planned: EnvironmentPlan, context: Context, record: SetupEnvRecord) -> None:
    lock, folder = planned.lock, planned.venv
    if folder.path.parent == context.cwd / PRIVATE_FOLDER:
        with contextlib.suppress(OSError):  # `replaced` reports it, unless the environment is reused
            private_folder(context.cwd, folder.path.name)
    uv = Uv(context, context.console, context.files.artifacts / "install.log")
    python = None if planned.conda else pythons.find_or_download(uv, planned.python, context.problems)
    record.lock_file = lock.name
    if read_marker(folder.path).key or not planned.solves:  # else installing solves, too
        planned = resolved(planned, python, uv, context.problems)
        lock = planned.lock
    key_for = planned.key_for(python, context)
    record.fixed, record.as_listed = lock.fixes_versions, lock.as_listed
    record.read = {lock.shown(path): sha256(path) for path in lock.read() if path.exists()}
    installed = None
    if folder.is_for(planned.key) and (installed := folder.whole()) is None:
        context.notice(f"Files in `{folder.path}` have changed since setup-env created it: it is created again.")
    if installed is None:
        version = identify(python).version if python else ""
        exported = export(lock, version, context) if lock.format.tool else None
        for name, text in exported.texts.items() if exported else ():
            path = context.files.artifacts / name
            path.write_text(without_users(masked(text)), encoding="utf-8")
            record.created[context.files.relative(path)] = sha256(path)
        installer = Installer(uv, lock, folder, context, exported, planned.conda, planned.packages)
        installed, record.added = installer.create(python, key_for, record.read)
    else:
        context.console.progress(f"Reusing the environment `{folder.path}`: neither it nor `{lock.name}` has changed")
        record.reused, record.added = True, read_marker(folder.path).added
        context.problems.extend(fitting.check(lock, folder.python, uv))
    _describe(installed, planned, context, record)
    if not planned.inference:
        context.problems.extend(choice.not_fixed(lock))
    if inputs.unused and (unused_packages := unused.notice(lock, folder.path)):
        context.problems.append(unused_packages)
