"""The program that exports a lock: a worker (see `base/worker.py`) in the tool environment of the lock's tool.

Repository and user must not run code here. So it calls the exporters of the tools, not their commands, which load
plugins (Poetry, PDM) or `.env` (Pipenv); it sees a copy of two files instead of the repository; and it has neither the
user's variables nor home folder, where settings would come from.
"""

import contextlib
import hashlib
import io
import itertools
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# Python runs with -I, so it does not search this file's folder, whose modules would shadow others.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from notebook_ci.base import worker
from notebook_ci.base.conda import this_platform
from notebook_ci.base.errors import InputError, NotebookCiError
from notebook_ci.base.files import is_file, parse_toml, read_text
from notebook_ci.base.project import normal_name, table
from notebook_ci.base.texts import quote
from notebook_ci.exporting.protocol import Export, Order

KEPT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")
# Folders in which the tools look for settings and plugins.
OF_USER = ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_CACHE_HOME")
OF_TOOLS = ("POETRY_CONFIG_DIR", "POETRY_CACHE_DIR", "POETRY_DATA_DIR", "PDM_CACHE_DIR")


def export(request: Order, reply: Export) -> None:
    exporters = {
        "poetry": _poetry, "pdm": _pdm, "pipenv": _pipenv, "conda-lock": _conda_lock, "pixi": _pixi,
    }  # fmt: skip
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
    reply.is_stale = not project.locker.is_fresh()
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
    from pdm.project.lockfile.base import Compatibility

    project = Core().create_project(folder, global_config=os.devnull)
    project.environment = BareEnvironment(project)  # others create a virtual environment
    chosen = {"default", *request.groups, *request.extras}
    is_old = project.lockfile.compatibility() == Compatibility.BACKWARD
    fits = is_old and project.lockfile.hash == ("sha256", _hash_of_old_pdm(project.pyproject))
    reply.is_stale = not fits and bool(check_lockfile(project))
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


def _hash_of_old_pdm(project: Any) -> str:
    """Return the hash of a project as PDM 2.10 and 2.12 have it: of the table `resolution`, only `overrides`."""
    content = {
        "sources": project.settings.get("source", []),
        "dependencies": project.metadata.get("dependencies", []),
        "dev-dependencies": project.dev_dependencies,
        "optional-dependencies": project.metadata.get("optional-dependencies", {}),
        "requires-python": project.metadata.get("requires-python", ""),
        "overrides": project.resolution.get("overrides", {}),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _pipenv(folder: Path, request: Order, reply: Export) -> None:
    os.environ["PIPENV_IGNORE_VIRTUALENVS"] = os.environ["PIPENV_DONT_LOAD_ENV"] = "1"
    from packaging.specifiers import SpecifierSet
    from pipenv.project import Project
    from pipenv.routines.requirements import generate_requirements
    from pipenv.vendor import plette

    project = Project()
    # Before 2025, Pipenv did not normalize the names of packages in the hash.
    before = plette.Pipfile.load(io.StringIO((folder / "Pipfile").read_text(encoding="utf-8"))).get_hash().value
    reply.is_stale = project.lockfile.hash() not in {project.pipfile.calculate_hash(), before}
    required = project.pipfile.parsed.get("requires", {})
    version = required.get("python_full_version") or required.get("python_version") or ""
    specifiers = SpecifierSet(f"=={version}.*" if version[:1].isdigit() else version)
    if request.python and not specifiers.contains(request.python, prereleases=True):
        reply.required_python = version
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        generate_requirements(project, include_hashes=True, categories=",".join(["packages", *request.groups]))
    reply.requirements = output.getvalue()


def _conda_lock(folder: Path, _: Order, reply: Export) -> None:
    from conda_lock.content_hash import backwards_compatible_content_hashes
    from conda_lock.lockfile import parse_conda_lock_file
    from conda_lock.src_parser import make_lock_spec
    from conda_lock.virtual_package import default_virtual_package_repodata

    [name] = (path.name for path in folder.glob("*conda-lock.y*ml"))
    lock, here = parse_conda_lock_file(folder / name), this_platform()
    metadata, sources = lock.metadata, [folder / source for source in lock.metadata.sources]
    # conda-lock translates names in other files by a list that it downloads, and has options that change its hash.
    is_known = sources and all(source.suffix in {".yml", ".yaml"} and is_file(source) for source in sources)
    if is_known:
        names = Path(os.environ["HOME"], "names.json")
        names.write_text("{}", encoding="utf-8")
        specs = [
            make_lock_spec(
                src_files=sources,
                platform_overrides=metadata.platforms,
                filtered_categories=only,
                mapping_url=str(names),
            )
            for only in (None, {"main"})
        ]
        specs += [spec.model_copy(update={"channels": list(metadata.channels)}) for spec in specs]
        # The lock does not say which CUDA it was created for.
        cuda = ["default", "", *(f"{major}.{minor}" for major in range(10, 14) for minor in range(10))]
        variants = itertools.product(cuda, specs)
        fresh = (
            backwards_compatible_content_hashes(spec, default_virtual_package_repodata(version), here)
            for version, spec in variants
        )
        reply.is_stale = not any(metadata.content_hash[here] in hashes for hashes in fresh)
    lock.filter_virtual_packages_inplace()
    chosen = [each for each in lock.package if each.platform == here and "main" in each.categories]
    conda = (each for each in chosen if each.manager == "conda")
    reply.urls = [f"{each.url}#{each.hash.sha256 or each.hash.md5 or ''}".rstrip("#") for each in conda]
    pip = ((each.name, each.url, each.hash.sha256) for each in chosen if each.manager == "pip")
    reply.requirements = "".join(_requirement(*each) for each in pip)


def _pixi(folder: Path, _: Order, reply: Export) -> None:
    import rattler

    environment = rattler.LockFile.from_path(folder / "pixi.lock").default_environment()
    platforms = {str(each.subdir): each for each in environment.platforms()} if environment else {}
    if this_platform() not in platforms:
        raise InputError(f"its environment `default` has no packages for {this_platform()}.")
    packages = environment.packages(platforms[this_platform()]) or []
    conda = {each.name: each for each in packages if hasattr(each, "repo_data_record")}
    pypi = {normal_name(each.name): each for each in packages if hasattr(each, "requires_dist")}
    if len(conda) + len(pypi) < len(packages):
        raise InputError("it has packages that pixi builds from source.", hint="Publish them in a channel.")
    records = [each.repo_data_record() for each in conda.values()]
    reply.urls = [f"{each.url}#{(each.sha256 or each.md5 or b'').hex()}".rstrip("#") for each in records]
    reply.requirements = "".join(_requirement(each.name, each.location, _sha256(each)) for each in pypi.values())
    # Packages of conda also provide those of the index.
    provided = {*conda, *re.findall(r"pkg:pypi/([\w.-]+)", read_text(folder / "pixi.lock", "pixi.lock"))}
    of_conda, of_pypi = _required_by_pixi(folder)
    is_fresh = all(_satisfies(conda, *each) for each in of_conda.items()) and all(
        _satisfies(pypi, name, version) or (name in provided and name not in pypi) for name, version in of_pypi.items()
    )
    reply.is_stale = not is_fresh


def _satisfies(locked: Mapping[str, Any], name: str, version: str) -> bool:
    return name in locked and bool(locked[name].satisfies(f"{name} {version}".removesuffix(" *")))


def _required_by_pixi(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return versions by name of what the environment `default` needs: from channels, and from the index."""
    path = next(folder.glob("p*.toml"))
    content = parse_toml(read_text(path, path.name), path.name)
    root = content if path.name == "pixi.toml" else table(content, "tool", "pixi")
    system = this_platform().partition("-")[0]
    targets = (this_platform(), system, *(["unix"] if system != "win" else []))
    default = table(root, "environments").get("default", ())
    features = default.get("features", ()) if isinstance(default, dict) else default
    parts = [root, *(table(root, "feature", each) for each in features)]
    parts += [table(part, "target", each) for part in parts for each in targets]

    def listed(*kinds: str) -> Iterator[tuple[str, str]]:
        for name, value in (item for part in parts for kind in kinds for item in table(part, kind).items()):
            yield name, value if isinstance(value, str) else value.get("version", "*")

    of_conda = {
        name.lower(): version for name, version in listed("dependencies", "host-dependencies", "build-dependencies")
    }
    of_project = (
        re.split(r"[^\w.-]", each)[0] for each in table(content, "project").get("dependencies", ()) if ";" not in each
    )
    of_pypi = dict.fromkeys(map(normal_name, of_project), "*")
    return of_conda, of_pypi | {normal_name(name): version for name, version in listed("pypi-dependencies")}


def _sha256(package: Any) -> str:
    with contextlib.suppress(AttributeError):  # as rattler (0.28) does if the lock has none
        return str(package.hashes.sha256.hex())
    return ""


def _requirement(name: str, location: str, sha256: str) -> str:
    if "://" not in location:
        return f"-e {location}\n"
    return f"{name} @ {location.partition('#')[0]} --hash=sha256:{sha256}\n" if sha256 else f"{name} @ {location}\n"


if __name__ == "__main__":
    worker.serve(Order, Export(), export)
