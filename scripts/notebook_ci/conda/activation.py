"""Activates an environment of conda, as `conda activate` does for a shell."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from notebook_ci.base import process
from notebook_ci.base.errors import SurroundingsError
from notebook_ci.base.files import is_folder, read_text
from notebook_ci.base.isolation import for_others
from notebook_ci.base.texts import quote

SECONDS = 60
# For bash: `$0` is a Python that prints the variables after all scripts.
_SCRIPT = 'for script in "$@"; do . "$script" >&2 </dev/null; done; exec "$0" -I -S -c "{}"'.format(
    "import json, os; print(json.dumps(dict(os.environ)))"
)
UNSET = "***unset***"  # as conda (26) writes a variable that was removed
_NOT_OF_SCRIPTS = {"_", "PWD", "OLDPWD", "SHLVL", "LC_CTYPE"}  # bash and Python (PEP 538) set them


def activated(environ: Mapping[str, str], prefix: Path) -> dict[str, str]:
    """Return the environment with the variables of conda's environment `prefix`; as it is for other environments.

    Raises SurroundingsError if the scripts in `etc/conda/activate.d` do not end normally.
    """
    env = for_others(environ)
    if not is_folder(prefix / "conda-meta"):
        return env
    path = os.pathsep.join([str(process.program_in(prefix).parent), env.get("PATH") or os.defpath])
    env |= {"PATH": path, "CONDA_PREFIX": str(prefix), "CONDA_DEFAULT_ENV": str(prefix), "CONDA_SHLVL": "1"}
    env |= _own_variables(prefix)
    scripts = sorted((prefix / "etc/conda/activate.d").glob("*.sh"))
    if not (scripts and process.POSIX):
        return env
    done = process.run(["bash", "-c", _SCRIPT, sys.executable, *scripts], env=env, timeout=SECONDS, separate=True)
    try:
        after: dict[str, str] = json.loads(done.stdout)
    except ValueError as error:
        said = quote(done.output.strip()[-300:] or "it ended without a message")
        how = f"did not end within {SECONDS} s" if done.timed_out else said
        what = f"The conda environment `{prefix}` could not be activated: {how}."
        raise SurroundingsError(what, hint="Correct the scripts in its folder `etc/conda/activate.d`.") from error
    changed = {name: value for name, value in after.items() if name not in _NOT_OF_SCRIPTS}
    return changed | {name: env[name] for name in _NOT_OF_SCRIPTS & env.keys()}


def _own_variables(prefix: Path) -> dict[str, str]:
    """Return the variables of packages (conda's "etc/conda/env_vars.d"), and of `conda env config vars`."""
    found: dict[str, str] = {}
    state = prefix / "conda-meta" / "state"
    for path in (*sorted((prefix / "etc/conda/env_vars.d").glob("*.json")), *([state] if state.is_file() else [])):
        try:
            content = json.loads(read_text(path, str(path)))
            given = content.get("env_vars", {}) if path == state else content
            found |= {name: str(value) for name, value in given.items() if value != UNSET}
        except (ValueError, AttributeError) as error:
            message = f"`{path}` does not contain variables as conda writes them."
            raise SurroundingsError(message, hint="Create the environment again.") from error
    return found
