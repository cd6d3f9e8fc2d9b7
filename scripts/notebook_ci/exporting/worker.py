"""The program that exports a lock: a worker (see `base/worker.py`) in the tool environment of the lock's tool.

Repository and user must not run code here. So it calls the exporters of the tools, not their commands, which load
plugins (Poetry, PDM) or `.env` (Pipenv); it sees a copy of two files instead of the repository; and it has neither the
user's variables nor home folder, where settings would come from.
"""

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path

# Python runs with -I, so it does not search this file's folder, whose modules would shadow others.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from notebook_ci.base import worker
from notebook_ci.base.errors import InputError, NotebookCiError
from notebook_ci.base.texts import quote
from notebook_ci.exporting.protocol import Export, Order

KEPT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")
# Folders in which the tools look for settings and plugins.
OF_USER = ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_CACHE_HOME")
OF_TOOLS = ("POETRY_CONFIG_DIR", "POETRY_CACHE_DIR", "POETRY_DATA_DIR", "PDM_CACHE_DIR")


def export(request: Order, reply: Export) -> None:
    exporters = {"poetry": _poetry, "pdm": _pdm, "pipenv": _pipenv}
    with tempfile.TemporaryDirectory() as home:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        os.environ.clear()
        os.environ.update(kept, **dict.fromkeys(OF_USER + OF_TOOLS, home))
        try:
            exporters[request.kind](Path.cwd(), request, reply)
        except (NotebookCiError, OSError):
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            raise InputError(reason) from error


def _poetry(folder: Path, request: Order, reply: Export) -> None:
    from cleo.io.buffered_io import BufferedIO
    from poetry.core.constraints.version import Version
    from poetry.core.packages.dependency_group import MAIN_GROUP
    from poetry.factory import Factory
    from poetry_plugin_export.exporter import Exporter

    class AnyVersion(Factory):  # type: ignore[misc] # mypy cannot see poetry
        def _ensure_valid_poetry_version(self, cwd: Path | None) -> None:
            """Ignore `requires-poetry`: Poetry 2 exports the locks of Poetry 1, too."""

    project = AnyVersion().create_poetry(folder, disable_plugins=True, disable_cache=True)
    reply.is_fresh = project.locker.is_fresh()
    if not reply.is_fresh:
        return
    exporter, output = Exporter(project, BufferedIO()), BufferedIO()
    exporter.only_groups([MAIN_GROUP, *request.groups]).with_extras(request.extras)
    exporter.export(Exporter.FORMAT_REQUIREMENTS_TXT, folder, output)
    reply.requirements = output.fetch_output()
    required = project.package.python_constraint
    if request.python and not required.allows(Version.parse(request.python)):
        reply.required_python = str(required)


def _pdm(folder: Path, request: Order, reply: Export) -> None:
    import argparse

    from pdm.cli.actions import check_lockfile
    from pdm.core import Core
    from pdm.environments import BareEnvironment
    from pdm.formats.requirements import export as as_text
    from pdm.project.lockfile import FLAG_INHERIT_METADATA

    project = Core().create_project(folder, global_config=os.devnull)
    project.environment = BareEnvironment(project)  # others create a virtual environment
    chosen = {"default", *request.groups, *request.extras}
    reply.is_fresh = not check_lockfile(project)
    if not reply.is_fresh:
        return
    if missing := sorted(project.lockfile.compare_groups(chosen)):
        message = f"it does not contain {', '.join(map(quote, missing))}."
        raise InputError(message, hint="Run `pdm lock --group :all`, and commit it.")
    if FLAG_INHERIT_METADATA not in project.lockfile.strategy:
        message = "it does not say for which groups and platforms its packages are."
        raise InputError(message, hint="Run `pdm lock --strategy inherit_metadata`, and commit it.")
    entries = project.get_locked_repository().evaluate_candidates(chosen, evaluate_markers=False)
    candidates = [entry.candidate for entry in entries]
    options = argparse.Namespace(expandvars=False, editable_self=False)
    vars(options)["self"] = False
    # If one candidate has no hashes, PDM exports none of them with hashes.
    for options.hashes in (True, False):
        some = [each for each in candidates if bool(each.hashes) == options.hashes]
        reply.requirements += as_text(project, some, options)
    if request.python and not project.python_requires.contains(request.python):
        reply.required_python = str(project.python_requires)


def _pipenv(folder: Path, request: Order, reply: Export) -> None:
    os.environ["PIPENV_IGNORE_VIRTUALENVS"] = os.environ["PIPENV_DONT_LOAD_ENV"] = "1"
    from packaging.specifiers import SpecifierSet
    from pipenv.project import Project
    from pipenv.routines.requirements import generate_requirements
    from pipenv.vendor import plette

    project = Project()
    # Before 2025, Pipenv did not normalize the names of packages in the hash.
    before = plette.Pipfile.load(io.StringIO((folder / "Pipfile").read_text(encoding="utf-8"))).get_hash().value
    reply.is_fresh = project.lockfile.hash() in {project.pipfile.calculate_hash(), before}
    if not reply.is_fresh:
        return
    required = project.pipfile.parsed.get("requires", {})
    version = required.get("python_full_version") or required.get("python_version") or ""
    specifiers = SpecifierSet(f"=={version}.*" if version[:1].isdigit() else version)
    if request.python and not specifiers.contains(request.python, prereleases=True):
        reply.required_python = version
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        generate_requirements(project, include_hashes=True, categories=",".join(["packages", *request.groups]))
    reply.requirements = output.getvalue()


if __name__ == "__main__":
    worker.serve(Order, Export(), export)
