"""The stage setup-env: makes the environment, or finds it whole."""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import tempfile
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

from notebook_ci.environment import locks
from notebook_ci.environment.locks import Lock
from notebook_ci.environment.model import SetupEnvInputs, SetupEnvRecord
from notebook_ci.environment.uv import Installed, Uv, cutoff, describe, newest_upload, python_in
from notebook_ci.errors import InputError, SurroundingsError
from notebook_ci.inputs import quote
from notebook_ci.process import POSIX, Argument
from notebook_ci.records import private_folder, sha256
from notebook_ci.stage import Context

MARKER = "notebook-ci.json"
KERNEL = "ipykernel"
UV_MILESTONES = ("Resolved", "Prepared", "Installed", "Audited", "Bytecode")


def run(inputs: SetupEnvInputs, context: Context, record: SetupEnvRecord) -> None:
    """Make the environment, and record what is in it.

    Raises:
        InputError: An input is wrong; nothing was touched.
        SurroundingsError: It could not be made.
    """
    lock, others = locks.find(inputs.requirements, context.cwd)
    venv = _Venv(_place(inputs, context))
    venv.check()
    record.lock_file, record.hashed = lock.name, lock.fixes_versions
    record.read = {_shown(path, context.cwd): sha256(path) for path in lock.files() if path.exists()}
    if others:
        context.reporter.notice(f"Packages come from {lock.name}. Not used: {', '.join(others)}.")
    uv = Uv(_uv_program(), context.environ, context.cwd, context.reporter, context.place.artifacts / "install.log")
    maker = _Maker(uv, lock, venv, context, record)
    python = maker.base_python(inputs.python_version)
    key = _key(lock, python)
    installed = venv.whole(key) if lock.fixes_versions else None
    record.reused = installed is not None
    if installed is None:
        installed = maker.make(python, key)
    else:
        context.reporter.progress(f"The environment {venv.path} is whole, and for the same {lock.name}: reused")
        record.added = venv.added()
    record.python, record.python_version = str(venv.python), installed.version
    record.packages, record.env_digest = installed.packages, _digest(installed)


@dataclass(frozen=True)
class _Venv:
    """The folder of a virtual environment, with a marker that says it is ours, and whether it is whole."""

    path: Path

    @property
    def python(self) -> Path:
        return python_in(self.path)

    @property
    def _marker(self) -> Path:
        return self.path / MARKER

    def check(self) -> None:
        """Refuse a folder that holds something else.

        Raises:
            InputError: It is not ours to replace.
        """
        try:
            if self.path.is_dir() and (self._marker.exists() or not any(self.path.iterdir())):
                return
            taken = self.path.exists() or self.path.is_symlink()
        except OSError as error:
            raise InputError(f"venv is {quote(str(self.path))}, which cannot be used: {error.strerror}.") from error
        if taken:
            raise InputError(
                f"venv is {quote(str(self.path))}, which is there and was not made by setup-env.",
                hint="Name another folder with the input venv, or delete it.",
            )

    def whole(self, key: str) -> Installed | None:
        """Return what is installed, if it is whole, was made for that key and was not changed since."""
        try:
            marker = json.loads(self._marker.read_text(encoding="utf-8"))
            if marker["key"] != key:
                return None
            installed = describe(self.python)
        except (OSError, ValueError, KeyError, TypeError, SurroundingsError):
            return None
        return installed if marker["digest"] == _digest(installed) else None

    def added(self) -> dict[str, str]:
        """Return what was added to the lock's packages when it was made."""
        return dict(json.loads(self._marker.read_text(encoding="utf-8"))["added"])

    def begin(self) -> None:
        """Empty the folder, and mark it as ours.

        Raises:
            SurroundingsError: It cannot be written.
        """
        try:
            if self.path.exists():
                shutil.rmtree(self.path)
            self.path.mkdir(parents=True)
            self._marker.write_text("{}\n", encoding="utf-8")
        except OSError as error:
            raise SurroundingsError(
                f"The environment {self.path} cannot be made: {error.strerror or error}.",
                hint="Name another folder with the input venv.",
            ) from error

    def finish(self, key: str, installed: Installed, added: dict[str, str]) -> None:
        """Mark it as whole."""
        text = json.dumps({"key": key, "digest": _digest(installed), "added": added})
        self._marker.write_text(text + "\n", encoding="utf-8")


@dataclass(frozen=True)
class _Maker:
    """Makes the environment with uv."""

    uv: Uv
    lock: Lock
    venv: _Venv
    context: Context
    record: SetupEnvRecord

    def base_python(self, version: str) -> Path:
        """Return the interpreter to make the environment from: on this machine, else downloaded by uv.

        Raises:
            SurroundingsError: There is none.
        """
        wanted = version or _wanted_version(self.lock, self.context.cwd)
        request = [wanted] if wanted else []
        find = ["python", "find", "--system", "--no-project", "--no-python-downloads", *request]
        env = {"PATH": self._path_with_tool_cache(), "UV_PYTHON_PREFERENCE": "system"}
        found = self.uv.attempt(find, env=env)
        if found.returncode and wanted:
            self.context.reporter.progress(f"Python {wanted} is not on this machine: downloading it")
            got = self.uv.attempt(["python", "install", wanted])
            found = self.uv.attempt(find, env=env) if got.returncode == 0 else found
        if found.returncode:
            raise SurroundingsError(
                f"Python {wanted} is not on this machine, and could not be downloaded."
                if wanted
                else "No Python was found to make the environment from.",
                hint="Run actions/setup-python before, with the python-version that you need.",
            )
        return Path(found.output.splitlines()[-1])

    def make(self, python: Path, key: str) -> Installed:
        """Make the environment anew, and return what is in it."""
        self.venv.begin()
        tell = self.context.reporter.progress
        tell(f"Making the environment {self.venv.path} from {self.lock.name}")
        self.uv.run(
            f"The environment {self.venv.path} could not be made",
            ["venv", "--no-project", "--allow-existing", "--python", python, self.venv.path],
        )
        for line in self._install().splitlines():
            if line.startswith(UV_MILESTONES):
                tell(f"  {line}")
        installed = self._with_kernel(describe(self.venv.python))
        self.venv.finish(key, installed, self.record.added)
        return installed

    def _install(self) -> str:
        """Install what the lock says, byte-compiled, and return what uv printed."""
        what = f"The packages of {self.lock.name} could not be installed"
        if self.lock.kind == "uv.lock":
            sync: list[Argument] = ["sync", "--locked", "--compile-bytecode", "--project", self.lock.path.parent]
            return self.uv.run(what, sync, env={"UV_PROJECT_ENVIRONMENT": str(self.venv.path.resolve())})
        flags: list[Argument] = ["--python", self.venv.python, "--compile-bytecode", *self.uv.index_flags]
        match self.lock.kind:
            case "pylock":
                return self.uv.run(what, ["pip", "sync", *flags, self.lock.path])
            case "hashed":
                flags.append("--require-hashes")
            case "pyproject" if _is_package(self.lock.path):
                return self.uv.run(what, ["pip", "install", *flags, "--editable", self.lock.path.parent])
        return self.uv.run(what, ["pip", "install", *flags, "--requirements", self.lock.path])

    def _with_kernel(self, installed: Installed) -> Installed:
        """Add ipykernel where it is missing; no version that is there changes.

        One of the lock's own age is taken: of 101 notebooks in an environment of 2022, 63 pass with the ipykernel and
        IPython of that time, and 13 with the newest ones.
        """
        if KERNEL in installed.packages:
            return installed
        with tempfile.TemporaryDirectory() as folder:
            frozen = Path(folder) / "installed.txt"
            frozen.write_text("".join(f"{name}=={version}\n" for name, version in installed.packages.items()))
            self._add_kernel(frozen)
        now = describe(self.venv.python)
        self.record.added = {name: now.packages[name] for name in now.packages.keys() - installed.packages.keys()}
        self.context.reporter.notice(
            f"ipykernel {now.packages[KERNEL]} was added to the environment, because {self.lock.name} has none. "
            "Add it there to fix its version.",
            file=self.lock.name,
        )
        return now

    def _add_kernel(self, frozen: Path) -> None:
        """Install ipykernel, with all that is installed held as it is."""
        add: list[Argument] = [
            "pip",
            "install",
            "--python",
            self.venv.python,
            "--compile-bytecode",
            "--constraints",
            frozen,
        ]
        add += [*self.uv.index_flags, KERNEL]
        to_lock = ["pip", "compile", "--quiet", "--no-deps", "--format", "pylock.toml"]
        ages = self.uv.attempt([*to_lock, "--python", self.venv.python, frozen])
        newest = newest_upload(ages.output) if ages.returncode == 0 else None
        if newest and self.uv.attempt([*add, "--exclude-newer", cutoff(newest)]).returncode == 0:
            return
        self.uv.run(f"ipykernel could not be added to the packages of {self.lock.name}", add)

    def _path_with_tool_cache(self) -> str:
        """Return PATH with the Pythons of the runner's tool cache behind it."""
        programs = "bin" if POSIX else "."
        cache = self.context.environ.get("RUNNER_TOOL_CACHE")
        cached = sorted(Path(cache).glob(f"Python/*/*/{programs}")) if cache else []
        return os.pathsep.join([self.context.environ.get("PATH", os.defpath), *map(str, cached)])


def _place(inputs: SetupEnvInputs, context: Context) -> Path:
    """Return the folder of the environment."""
    if inputs.venv:
        return context.cwd / inputs.venv
    slug = f"-{inputs.slug}" if inputs.slug else ""
    if runner_temp := context.environ.get("RUNNER_TEMP"):
        return Path(runner_temp) / f"notebook-ci-venv{slug}"
    return private_folder(context.cwd) / f"venv{slug}"


def _wanted_version(lock: Lock, cwd: Path) -> str:
    """Return which Python the repository asks for, as uv takes it; empty: any."""
    with contextlib.suppress(OSError):
        lines = (cwd / ".python-version").read_text(encoding="utf-8").split()
        if lines:
            return lines[0]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        project = tomllib.loads(lock.path.with_name("pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["requires-python"])
    return ""


def _is_package(pyproject: Path) -> bool:
    """Return whether a project can be installed itself, beside what it needs."""
    try:
        return "build-system" in tomllib.loads(pyproject.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{pyproject.name} is not TOML: {error}.", file=pyproject.name) from error


def _key(lock: Lock, python: Path) -> str:
    """Return what an environment must have been made for to be used again: its lock and its Python."""
    base = describe(python)
    text = json.dumps([lock.digest(), str(python.resolve()), base.version, base.implementation, base.platform])
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(installed: Installed) -> str:
    return hashlib.sha256(json.dumps(asdict(installed), sort_keys=True).encode()).hexdigest()


def _shown(path: Path, cwd: Path) -> str:
    return path.relative_to(cwd).as_posix() if path.is_relative_to(cwd) else path.as_posix()


def _uv_program() -> Path:
    """Return the uv of the tool environment that this runs in."""
    return Path(sys.executable).with_name("uv" if POSIX else "uv.exe")
