"""Finds packages that a lock lists and that no notebook imports."""

import re
from pathlib import Path

from notebook_ci.base.errors import Problem
from notebook_ci.base.locks import Lock
from notebook_ci.base.project import normal_name, table
from notebook_ci.base.requirements_file import read
from notebook_ci.base.texts import listed, quote
from notebook_ci.setup_env import contents, inference

MOST_NAMED = 20
# A package in a requirements file, with its hashes and the comments of pip-compile and uv on who requires it.
_LISTED = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)(?P<rest>.*(?:\n[ \t]+.*)*)", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_CODE = {".py", ".so", ".pyd"}


def notice(lock: Lock, environment: Path) -> Problem | None:
    """Return the notice that names them; None if there are none."""
    found = inference.find(lock.workspace, with_imports=True)
    imported = {each.path.partition(".")[0] for each in found.needed} if found else set()
    files = {name: each.files or () for name, each in contents.installed(environment).items()}
    modules = {
        name: {file.parts[0].partition(".")[0] for file in files[name] if file.suffix in _CODE} for name in files
    }
    unused = [name for name in top_level(lock) if name in modules and imported.isdisjoint(modules[name])]
    if not (names := [quote(name) for name in unused if name not in {"ipykernel", "pip"}]):
        return None
    message = f"No notebook or local module imports {listed(names, MOST_NAMED)}."
    hint = "Other packages may use them. Remove those that you do not need."
    return Problem(severity="notice", message=message, hint=hint, file=lock.name)


def top_level(lock: Lock) -> list[str]:
    """Return the packages that a person listed, in their normal form, without those that they require."""
    if lock.is_requirements_file:
        packages = [each for path in lock.files() for each in _LISTED.finditer(read(path, lock.shown(path)))]
        names = [each["name"] for each in packages if "# via" not in each["rest"] or "-r " in each["rest"]]
    elif lock.format.is_conda:
        lines = [*lock.environment.packages, *lock.lines()]
        names = [found[0] for each in lines if (found := _NAME.match(each.text.rpartition("::")[2]))]
    else:
        content = lock.project()
        requirements = table(content, "project").get("dependencies", ())
        names = [found[0] for each in requirements if (found := _NAME.match(str(each)))]
        names += [*table(content, "tool", "poetry", "dependencies"), *table(content, "packages")]
    return sorted({normal_name(name) for name in names})
