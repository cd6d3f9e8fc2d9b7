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
# Not those with which a package would run code in programs of later steps, or steer the runner or notebook-ci.
_HARMLESS = re.compile(
    r"(?i:(?!(?:GITHUB|RUNNER|ACTIONS|INPUT|AGENT|SYSTEM|NOTEBOOK_CI|LD|DYLD)_|(?:NODE_OPTIONS|BASH_ENV|ENV)$)[a-z_]\w*)",
    re.ASCII,
)


def activate(environment: Venv, context: Context) -> None:
    """Activate an environment. On a laptop, tell a person how to do it.

    Raises SurroundingsError if activation scripts of packages fail, or the runner's files cannot be written.
    """
    prefix, programs, before = environment.path, str(environment.python.parent), context.environ
    is_conda = not (prefix / "pyvenv.cfg").exists()
    if not context.console.has_later_steps:
        how = (
            command_line("conda activate {}", prefix) if is_conda else command_line("source {}", f"{programs}/activate")
        )
        context.notice(f"`activate` has no effect outside a workflow. To activate the environment, type {how}.")
        return
    after = activated(before, prefix) | ({} if is_conda else {"VIRTUAL_ENV": str(prefix)})
    known = ["", *before.get("PATH", "").split(os.pathsep)]
    folders = [each for each in after.get("PATH", "").split(os.pathsep) if each not in known]
    changed = {name: value for name, value in after.items() if name != "PATH" and before.get(name) != value}
    kept = {name: value for name, value in changed.items() if _HARMLESS.fullmatch(name) and masked(value) == value}
    if withheld := sorted(map(quote, changed.keys() - kept.keys())):
        what = f"Later steps do not get these variables of the environment: {listed(withheld, MOST_NAMED)}."
        context.warning(f"{what} They change how other programs run, or contain a credential.")
    # The tools keep their Python: another one may come first on PATH now.
    kept["NOTEBOOK_CI_PYTHON"] = getattr(sys, "_base_executable", sys.executable)
    try:
        context.console.set_for_later_steps(kept, list(dict.fromkeys([*folders, programs])))
    except OSError as error:
        raise unwritable(f"The environment `{prefix}` cannot be activated", prefix, error) from error
