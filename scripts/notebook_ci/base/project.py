"""Whether the project of a `pyproject.toml` can be built, or only lists dependencies."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from notebook_ci.base.texts import listed, quote

MOST_NAMED = 4
# Folders and modules that setuptools (83) ignores in its flat layout: `setuptools.discovery`.
_IGNORED_FOLDERS = re.compile(
    r"[._].*|benchmarks?|bin|build|changelog|ci|debian|dist|docs?|documentation|env|examples?|exercises?|fabfile|htmlcov|"
    r"manpages|news|newsfragments|python|requirements|scripts|site_scons|tasks|tests?|tools|unit_tests?|utils?|venv"
)
_IGNORED_MODULES = re.compile(
    r"[._].*|benchmarks?|build|conanfile|conftest|dodo|examples?|exercises?|fabfile|manage|noxfile|pavement|"
    r"[Ss][Cc]onstruct|setup|tasks|tests?|toxfile"
)
# The tables of build systems, and their keys that name code.
_BACKENDS = (
    ("setuptools",), ("uv", "build-backend"), ("hatch", "build"), ("hatch", "build", "targets", "wheel"), ("poetry",),
    ("flit",)
)  # fmt: skip
# Settings of tools with which a project is not a package.
_OFF = (
    ("poetry", "package-mode", False), ("uv", "package", False), ("pdm", "distribution", False),
    ("pdm", "package-type", "application"),
)  # fmt: skip
_NAMES_CODE = {
    "packages", "py-modules", "package-dir", "ext-modules",
    "module-name", "module-root", "include", "only-include", "force-include", "sources", "module",
}  # fmt: skip


def normal_name(name: str) -> str:
    """Return the name of a package, a group or an extra in its normal form (PEP 503, PEP 735, PEP 685)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def table(content: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """Return a table of a TOML file by the path of its names; empty if there is none, or something else."""
    found: Any = content
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def why_not_a_package(content: Mapping[str, Any], folder: Path) -> str:
    """Return why a project with a build system cannot be built itself; empty if it can, or only a build can say.

    `content` is that of the `pyproject.toml` in `folder`.
    """
    for tool, setting, off in _OFF:
        if table(content, "tool", tool).get(setting) == off:
            return f"`{setting}` of `[tool.{tool}]` is `{str(off).lower()}`"
    backend = str(table(content, "build-system").get("build-backend", "setuptools.build_meta"))
    if backend.startswith("setuptools."):
        return _why_not_setuptools(table(content, "tool", "setuptools"), folder)
    of_poetry = table(content, "tool", "poetry")
    name = str(table(content, "project").get("name") or of_poetry.get("name", ""))
    if backend.startswith("poetry.") and "packages" not in of_poetry and not _has_module(name, folder):
        return f"neither `{name}` nor `src/{name}` is its code"
    has_settings = "hatch" in table(content, "tool") or (folder / "hatch.toml").exists()
    if backend == "hatchling.build" and not has_settings and not _has_package(name, folder):
        return f"no folder has its name, `{name}`"
    return ""


def names_code(content: Mapping[str, Any]) -> bool:
    """Return whether a `pyproject.toml` tells its build system which code to package."""
    return any(_NAMES_CODE & table(content, "tool", *names).keys() for names in _BACKENDS)


def _why_not_setuptools(settings: Mapping[str, Any], folder: Path) -> str:
    if settings.keys() & _NAMES_CODE:
        return ""
    if any((folder / name).exists() for name in ("setup.py", "setup.cfg", "src")):
        return ""
    folders = [path.name for path in sorted(folder.iterdir()) if path.is_dir()]
    modules = [path.stem for path in sorted(folder.glob("*.py"))]
    found = _kept(folders, _IGNORED_FOLDERS) or _kept(modules, _IGNORED_MODULES)
    return f"setuptools cannot choose between {listed(list(map(quote, found)), MOST_NAMED)}" if len(found) > 1 else ""


def _kept(names: list[str], ignored: re.Pattern[str]) -> list[str]:
    return [name for name in names if name.isidentifier() and not ignored.fullmatch(name)]


def _has_module(name: str, folder: Path) -> bool:
    """Return whether Poetry (2.4) finds the code: `poetry.core.masonry.utils.module`."""
    module = normal_name(name).replace("-", "_")
    paths = (folder / module, folder / "src" / module)
    return any(path.is_dir() or path.with_name(f"{module}.py").is_file() for path in paths)


def _has_package(name: str, folder: Path) -> bool:
    """Return whether hatchling (1.29) may find the code: `name/`, `src/name/`, `name.py` or `namespace/name/`."""
    found = (*folder.iterdir(), *folder.glob("*/*/"))
    return any(normal_name(path.name.removesuffix(".py")) == normal_name(name) for path in found)
