"""The stage setup-env: makes the environment, or finds it whole."""

import sys
from collections.abc import Mapping
from pathlib import Path

from notebook_ci.base import locks
from notebook_ci.base.context import Context
from notebook_ci.base.process import POSIX
from notebook_ci.base.records import sha256
from notebook_ci.setup_env import pythons, venv
from notebook_ci.setup_env.installer import Installer
from notebook_ci.setup_env.model import SetupEnvInputs, SetupEnvRecord
from notebook_ci.setup_env.uv import Uv
from notebook_ci.setup_env.wanted import wanted


def run(inputs: SetupEnvInputs, context: Context, record: SetupEnvRecord) -> None:
    """Make the environment, and record what is in it.

    Raises:
        InputError: An input is wrong; nothing was touched.
        SurroundingsError: It could not be made.
    """
    lock, others = locks.find(inputs.requirements, context.cwd)
    locks.check(lock)
    version = wanted(inputs.python_version, lock.path.parent, context.cwd)
    folder = venv.Venv(venv.place(inputs.venv, inputs.slug, context.environ, context.cwd))
    folder.check()
    record.lock_file, record.fixed = lock.name, lock.fixes_versions
    record.read = {lock.shown(path): sha256(path) for path in lock.read() if path.exists()}
    if others:
        context.reporter.notice(f"Packages come from {lock.name}. Not used: {', '.join(others)}.")
    uv = Uv(uv_program(), context.environ, context.cwd, context.reporter, context.place.artifacts / "install.log")
    python = pythons.find_or_download(uv, version)
    key = venv.key(lock, python)
    installed = None
    if lock.fixes_versions and folder.is_for(key) and (installed := folder.whole()) is None:
        context.reporter.notice(f"Files in {folder.path} have changed since setup-env made it: it is made again.")
    if installed is None:
        installed, record.added = Installer(uv, lock, folder).make(python, key, record.read)
    else:
        context.reporter.progress(f"The environment {folder.path} is whole, and for the same {lock.name}: reused")
        record.reused, record.added = True, folder.added()
    record.python, record.python_version = str(folder.python), installed.version
    record.packages, record.env_digest = installed.packages, venv.digest(installed)


def idle(inputs: SetupEnvInputs, _: Mapping[str, str], cwd: Path) -> str:
    """Return why there is nothing to do where nobody asked for an environment."""
    if inputs.requirements or any(list(cwd.glob(pattern)) for pattern in (*locks.SEARCHED, *locks.NOT_YET)):
        return ""
    return f"No file says what to install ({', '.join(locks.SEARCHED)}): the notebooks run with the Python on PATH."


def uv_program() -> Path:
    """Return the uv of the tool environment that this runs in."""
    return Path(sys.executable).with_name("uv" if POSIX else "uv.exe")
