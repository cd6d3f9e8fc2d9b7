"""Creates tool environments from the locks: that of uv with the pip of a Python, all others with uv.

An environment appears by one rename: complete, sealed and write-protected. A process that finds it missing or changed
creates it in a temporary folder beside it. If two do so at once, the later one discards its own. Temporary folders
of killed processes are removed by a later installation, once they are a day old.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from notebook_ci.base import indexes, process, signals
from notebook_ci.base.console import Console, console
from notebook_ci.base.errors import Cancelled, NotebookCiError, SurroundingsError
from notebook_ci.base.files import unwritable
from notebook_ci.base.heartbeat import heartbeat
from notebook_ci.base.load_inputs import LIBRARY_NEEDED, NOTHING_TO_DO
from notebook_ci.base.masking import learn, masked
from notebook_ci.base.process import program_in
from notebook_ci.base.texts import command_line, without_users
from notebook_ci.tools import integrity
from notebook_ci.tools.installing import COMPILE, RETRIES, SILENCE_SECONDS, explain

LINES_SHOWN = 20
DAY_SECONDS = 24 * 60 * 60
# The lines of pip's verbose output that explain a failure.
_PIP_REASONS = re.compile(r"^(?:ERROR|WARNING|Looking in|Could not fetch|[\w.]+Error:)|^\s+(?:Expected|Got)\b")
TEMPORARY = ".new-"  # how names of unfinished environments begin
ELSEWHERE = "set `NOTEBOOK_CI_CACHE` to another folder"


def prepare(
    folder: str, uv: str, smallest: str, requirements: str, check: Sequence[str], *, from_stdin: bool
) -> int | None:
    """Plan a stage, then create its tool environment. End the process if one of the two fails.

    `folder`, `uv` and `smallest` are paths of tool environments that may not exist: that of the stage, that of uv, and
    the smallest one with a YAML library. `check` are arguments for the Python that plans the stage; empty for a
    program. With `from_stdin`, standard input contains the inputs: it is read here, and the file descriptor of a copy
    is returned.
    """
    shown = console()
    try:
        with signals.cancellable():
            inputs = sys.stdin.buffer.read() if from_stdin else b""
            installer = ToolInstaller(Path(requirements), shown)
            if check and _check(sys.executable, check, inputs) == LIBRARY_NEEDED and folder != smallest:
                installer.install(Path(smallest), Path(uv))
                _check(program_in(Path(smallest)), check, inputs)
            installer.install(Path(folder), Path(uv))
    except Cancelled as cancelled:
        sys.exit(cancelled.exit_code)
    except NotebookCiError as error:
        shown.error(error)
        sys.exit(error.exit_code)
    if not from_stdin:
        return None
    with tempfile.TemporaryFile() as file:
        file.write(inputs)
        file.seek(0)
        return os.dup(file.fileno())


def _check(python: str | Path, arguments: Sequence[str], inputs: bytes) -> int:
    """Plan the stage with its script, so that wrong inputs cost no installation. The script shows the errors.

    Returns 0 or `LIBRARY_NEEDED`. With any other exit code this process ends.
    """
    code = subprocess.run([python, *arguments], input=inputs, check=False).returncode
    if code == NOTHING_TO_DO:
        sys.exit(0)
    if code not in {0, LIBRARY_NEEDED}:
        sys.exit(code if code > 0 else 128 - code)
    return code


class ToolInstaller:
    """Creates tool environments for the Python that runs this, from the locks in the folder `requirements`.

    If pip or uv fail, the console shows their output.
    """

    def __init__(self, requirements: Path, console: Console) -> None:
        self._requirements = requirements
        self._console = console
        self._settings = indexes.read(os.environ, Path.cwd())
        learn(self._settings.for_uv())
        given = os.environ.get("UV_HTTP_TIMEOUT", "")
        silence = given if given.isdecimal() and int(given) > 0 else str(SILENCE_SECONDS)
        limits = dict.fromkeys(("UV_HTTP_TIMEOUT", "PIP_TIMEOUT"), silence)
        limits |= dict.fromkeys(("UV_HTTP_RETRIES", "PIP_RETRIES"), RETRIES)
        own = indexes.without_settings(os.environ)
        self._env = own | limits | self._settings.for_pip() | self._settings.for_uv()

    def install(self, folder: Path, uv: Path) -> None:
        """Create an environment unless it is unchanged, and first that of uv if it is missing.

        Raises SurroundingsError if the network, the index, the disk or Python does not allow it.
        """
        if integrity.is_unchanged(str(folder)):
            return
        name, started = folder.name.rpartition("-")[0], time.monotonic()
        changed = (folder / integrity.SEAL).exists()
        why = "again, because files in it have changed" if changed else "once"
        _say(f"Installing the tool environment {name} ({why}) ...")
        try:
            with heartbeat(_say, lambda: f"installing the tool environment {name}"):
                self._settle(uv, lambda new: self._install_uv(new, name))
                self._settle(folder, lambda new: self._install(new, name, uv))
        except OSError as error:
            what = f"The tool environments cannot be installed in `{folder.parent}`"
            raise unwritable(what, folder.parent, error, ELSEWHERE) from error
        _say(f"Installed the tool environment {name} in {time.monotonic() - started:.1f} s")

    def _settle(self, folder: Path, install: Callable[[Path], None]) -> None:
        """Create one environment in a temporary folder beside its path, and move it there by one rename."""
        if integrity.is_unchanged(str(folder)):
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep(folder.parent)
        temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=folder.parent))
        new = temporary / "new"
        try:
            install(new)
            _protect(new)
            integrity.seal(str(new), integrity.contents(str(new)))
            if folder.exists() and not integrity.is_unchanged(str(folder)):
                # It was changed: it is removed together with the temporary folder.
                folder.rename(temporary / "old")
            try:
                new.rename(folder)
            except OSError:
                if not integrity.is_unchanged(str(folder)):
                    raise
        finally:
            remove(temporary)

    def _install_uv(self, new: Path, name: str) -> None:
        lock = self._requirements / "uv.txt"
        flags = ["--require-hashes", "--only-binary", ":all:", "--no-deps", "--no-compile", "--no-cache-dir"]
        # Without -vv, pip does not show that an index answered 403.
        self._run(name, [*self._pip(new.parent), "-vv", "install", *flags, "--target", new, "-r", lock])

    def _pip(self, temporary: Path) -> list[str | Path]:
        """Return the command of a pip: that of this Python, or one in a new virtual environment.

        `--target` is allowed in Pythons that a system manages (PEP 668).
        """
        # `-I` ignores a `pip.py` in the working directory.
        own: list[str | Path] = [sys.executable, "-I", "-m", "pip"]
        if self._succeeds([sys.executable, "-I", "-c", "import pip"]):
            return own
        environment = temporary / "pip"
        if self._succeeds([sys.executable, "-I", "-m", "venv", environment]):
            return [program_in(environment), "-I", "-m", "pip"]
        install = command_line("apt-get install {}", f"python{sys.version_info.major}.{sys.version_info.minor}-venv")
        raise SurroundingsError(
            f"The Python for the tools, `{sys.executable}`, has neither `pip` nor `ensurepip`.",
            hint=f"Run {install} (Debian, Ubuntu), or put another Python (3.11 to 3.14) on PATH, "
            "for example with `actions/setup-python`.",
        )

    def _install(self, new: Path, name: str, uv: Path) -> None:
        # A cache for this environment only: files that are linked from a shared cache could be changed there.
        cache = new.parent / "uv-cache"
        program = uv / "bin" / ("uv.exe" if sys.platform == "win32" else "uv")
        # The Python behind all links, as in the environment's key: a link on PATH may be removed later.
        python = os.path.realpath(sys.executable)
        venv = ["venv", "--relocatable", "--no-project", "--quiet", "--python", python]
        self._run(name, [program, *venv, "--cache-dir", cache, new])
        # Resolve nothing: the lock is complete, and may deliberately omit dependencies that a package declares.
        flags = ["--require-hashes", "--no-deps", "--only-binary", ":all:", *self._settings.uv_flags()]
        if self._settings.extra:
            # The first index may have only other versions. It is "unsafe" only without hashes.
            # With a single index the default is better: uv reports an answer 401 or 403.
            flags += ["--index-strategy", "unsafe-best-match"]
        target: list[str | Path] = ["--cache-dir", cache, "--python", program_in(new)]
        self._run(name, [program, "pip", "install", *flags, *target, "-r", self._requirements / f"{name}.txt"])
        shutil.rmtree(cache)  # before sealing: removing links changes `st_ctime`
        process.run([program_in(new), *COMPILE], env=self._env, cwd=new)

    def _run(self, name: str, command: Sequence[str | Path]) -> None:
        """Run pip or uv. If it fails, show its last lines, and raise SurroundingsError."""
        done = process.run(command, env=self._env)
        if done.returncode:
            by_uv = Path(command[0]).stem == "uv"
            lines = [line for line in done.output.splitlines() if by_uv or _PIP_REASONS.search(line)]
            output = without_users(masked("\n".join(lines[-LINES_SHOWN:])))
            self._console.output(output)
            what = f"The tool environment {name} could not be installed"
            raise explain(what, output, elsewhere=ELSEWHERE)

    def _succeeds(self, command: Sequence[str | Path]) -> bool:
        return process.run(command, env=self._env).returncode == 0


def sweep(cache: Path) -> None:
    """Remove the temporary folders of killed processes: those that are a day old. No installation takes so long."""
    for path in cache.glob(f"{TEMPORARY}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > DAY_SECONDS:
                remove(path)


def remove(folder: Path) -> None:
    """Remove a folder, also a write-protected one."""
    with contextlib.suppress(OSError):
        for path, _, _ in os.walk(folder):
            Path(path).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _protect(folder: Path) -> None:
    """Make everything in a folder read-only. The folder itself stays writable: it is renamed and sealed later."""
    if sys.platform == "win32":  # read-only files cannot be removed there
        return
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)


def _say(text: str) -> None:
    print(f"notebook-ci: {text}", file=sys.stderr, flush=True)
