"""Adds the packages that pytest needs to those of the environment, in another folder: no version of them changes."""

import re
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from notebook_ci.base.context import Context
from notebook_ci.base.errors import NotebookCiError, SurroundingsError
from notebook_ci.base.process import Argument
from notebook_ci.base.texts import listed, quote
from notebook_ci.environments.uv import Uv, describe
from notebook_ci.test_notebook.model import PytestInputs

# The oldest versions that know the arguments and hooks which are used.
OLDEST = {"pytest": "6.2", "pytest-timeout": "1.4", "pytest-xdist": "2.0", "nbval": "0.10", "coverage": "6.3"}
# For the user's Python; it imports nothing else of ours.
OWN = Path(__file__).parents[2] / "notebook_testing"
_INSTALLS = re.compile(r"^ \+ ([\w.-]+)==(\S+)", re.MULTILINE)  # of `uv pip install --dry-run` (0.13)


def needed(inputs: PytestInputs) -> list[str]:
    used = {
        "pytest": True,
        "pytest-timeout": inputs.test_timeout is not None,
        "pytest-xdist": inputs.workers != 1,
        "nbval": inputs.nbval != "off",
        "coverage": inputs.coverage,
    }
    return [name for name, is_used in used.items() if is_used]


def create(packages: Collection[str], python: Path, folder: Path, context: Context) -> dict[str, str]:
    """Install those packages that the environment of `python` lacks, and what they need, into `folder`.

    Returns their versions. It is never reused: it takes a second, and nobody can have changed it. Raises
    SurroundingsError.
    """
    installed = describe(python).packages
    for name in installed.keys() & packages:
        _check(name, installed[name])
    missing = [name for name in packages if name not in installed]
    added = _install(missing, installed, python, folder, context) if missing else {}
    shutil.copytree(OWN, folder / OWN.name, ignore=shutil.ignore_patterns("__pycache__"))
    return added


def _install(
    missing: Sequence[str], installed: dict[str, str], python: Path, folder: Path, context: Context
) -> dict[str, str]:
    names = listed(list(map(quote, missing)), len(missing))
    what = f"{names} could not be added to the packages of the environment"
    context.console.progress(f"Installing {names} in a temporary folder: the environment does not change")
    uv = Uv(context, context.console, context.files.artifacts / "install.log")
    frozen = folder.with_name("installed.txt")
    frozen.write_text("".join(f"{name}=={version}\n" for name, version in installed.items()), encoding="utf-8")
    flags: list[Argument] = ["--python", python, "--no-build", *uv.pip.uv_flags()]
    # Nothing is broken: it only shows what it would install.
    dry: list[Argument] = ["pip", "install", "--dry-run", "--break-system-packages", "--constraints", frozen]
    said = uv.run(
        what,
        [*dry, *flags, *(f"{name}>={OLDEST[name]}" for name in missing)],
        explain=lambda output: _conflict(what, output),
    )
    added = dict(_INSTALLS.findall(said))
    exact = [f"{name}=={version}" for name, version in added.items()]
    uv.run(what, ["pip", "install", "--no-deps", "--compile-bytecode", "--target", folder, *flags, *exact])
    return added


def _check(name: str, version: str) -> None:
    numbers, oldest = (tuple(map(int, re.findall(r"\d+", text)[:2])) for text in (version, OLDEST[name]))
    if numbers < oldest:
        raise SurroundingsError(
            f"The environment has {name} {version}, which is too old: {OLDEST[name]} or newer is needed.",
            hint="Change its version in your list of packages, or remove it there: then a newer one is used.",
        )


def _conflict(what: str, output: str) -> NotebookCiError | None:
    """Return the error for packages that do not fit those of the environment, with the reason that uv gives."""
    found = re.search(r"No solution found.*?cause: (.*?)(?: and all of:)?$", output, re.DOTALL | re.MULTILINE)
    if not found or "not found in the package registry" in output:
        return None
    hint = "Change the versions in your list of packages, or add the missing packages there."
    return SurroundingsError(f"{what} without changing them. {found[1]}.", hint=hint)
