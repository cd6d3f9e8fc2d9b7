"""Activates the environment for the later steps of a job: puts it on PATH, and sets its variables."""

import os
import re
import sys

from notebook_ci.base.context import Context
from notebook_ci.base.files import unwritable
from notebook_ci.base.masking import masked
from notebook_ci.base.texts import command_line, listed, quote
from notebook_ci.conda.activation import activated
from notebook_ci.setup_env.venv import Venv

MOST_NAMED = 6
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# With these, a script of a package would run its code in programs of later steps, or steer runner and notebook-ci. The
# runner itself refuses some of them.
_REFUSED = re.compile(r"(GITHUB|RUNNER|ACTIONS|INPUT|NOTEBOOK_CI|LD|DYLD)_|(NODE_OPTIONS|BASH_ENV|ENV)$", re.IGNORECASE)


def activate(environment: Venv, context: Context) -> None:
    """Activate an environment. Without later steps, tell a person how to do it.

    Raises SurroundingsError if activation scripts of packages fail, or the runner's files cannot be written.
    """
    prefix, programs = environment.path, str(environment.python.parent)
    is_conda = not (prefix / "pyvenv.cfg").exists()
    if not context.console.has_later_steps:
        command = (
            command_line("conda activate {}", prefix) if is_conda else command_line("source {}", f"{programs}/activate")
        )
        context.notice(f"`activate` has no effect outside a workflow. To activate the environment, type {command}.")
        return
    before = context.environ
    after = activated(before, prefix) | ({} if is_conda else {"VIRTUAL_ENV": str(prefix)})
    known = before.get("PATH", "").split(os.pathsep)
    folders = [each for each in after.get("PATH", "").split(os.pathsep) if each and each not in known]
    changed = {name: value for name, value in after.items() if name != "PATH" and before.get(name) != value}
    kept = {name: value for name, value in changed.items() if _may_be_kept(name, value)}
    if withheld := sorted(map(quote, changed.keys() - kept.keys())):
        context.warning(
            f"Later steps do not get these variables of the environment: {listed(withheld, MOST_NAMED)}. "
            "They change how other programs run, or contain a credential."
        )
    # The tools keep their Python: another one may come first on PATH now.
    own = {"NOTEBOOK_CI_PYTHON": getattr(sys, "_base_executable", sys.executable)}
    try:
        context.console.set_for_later_steps(kept | own, list(dict.fromkeys([*folders, programs])))
    except OSError as error:
        raise unwritable(f"The environment `{prefix}` cannot be activated", prefix, error) from error


def _may_be_kept(name: str, value: str) -> bool:
    """Return whether later steps may get a variable: it has no credential of this step, and no power over them."""
    return bool(_NAME.fullmatch(name)) and not _REFUSED.match(name) and masked(value) == value
