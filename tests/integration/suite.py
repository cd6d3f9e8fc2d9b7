"""Runs stages as a runner or a shell does: `bash scripts/launch.sh <stage>`, a process in a clean environment."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BASE = Path(sys.base_prefix) / "bin"
PYTHON = BASE / f"python{sys.version_info.major}.{sys.version_info.minor}"
PATH = f"{BASE}:/usr/bin:/bin"
TIMEOUT = 120
# How this machine reaches the network: nothing else of the developer's settings counts.
CARRIED_OVER = (
    "SSL_CERT_FILE SSL_CERT_DIR PIP_CERT REQUESTS_CA_BUNDLE HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy "
    "https_proxy all_proxy no_proxy PIP_INDEX_URL PIP_EXTRA_INDEX_URL UV_INDEX_URL UV_DEFAULT_INDEX UV_INDEX "
    "UV_SYSTEM_CERTS SSL_CLIENT_CERT"
)
RUNNER_FILES = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE")
MARK = "NCI_TEST_MARK"
DRIVER = "execute_notebook.py"

# A runner reads its step's output with .NET's ReadLine, for which a carriage return ends a line, too.
_LINE_END = re.compile(r"\r\n|\r|\n")
_COMMAND = re.compile(r"::(?P<name>[^ :]+)(?: (?P<properties>.*?))?::(?P<message>.*)", re.DOTALL)
_OLD_COMMAND = re.compile(r"##\[(?P<name>[^ \]]+).*?\](?P<message>.*)", re.DOTALL)


def cache() -> Path:
    """Return the folder that keeps tool environments from one session to the next."""
    given = os.environ.get("NOTEBOOK_CI_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "notebook-ci"


def base_environ() -> dict[str, str]:
    """Return what all processes of these tests get: nothing of the developer's own but the way to the network."""
    return {
        "PATH": PATH,
        "LANG": "C.UTF-8",
        "NOTEBOOK_CI_CACHE": str(cache()),
        "UV_CACHE_DIR": str(cache() / "uv-of-tests"),
        **{name: os.environ[name] for name in CARRIED_OVER.split() if name in os.environ},
    }


def only_tools(folder: Path) -> str:
    """Return a PATH with what a shell needs, and no Python."""
    folder.mkdir()
    for name in ("bash", "sh", "mkdir", "env", "uname"):
        (folder / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    return str(folder)


# --- Files

PROJECT = '[project]\nname = "study"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = [{}]\n'


# --- Notebooks

Cell = dict[str, Any]
PYTHON3 = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def code(source: str, *tags: str) -> Cell:
    """Return a code cell, its source as Jupyter writes it."""
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": uuid.uuid4().hex[:8],
        "metadata": {"tags": list(tags)} if tags else {},
        "outputs": [],
        "source": source.splitlines(keepends=True),
    }


def parameters(source: str) -> Cell:
    return code(source, "parameters")


def markdown(source: str) -> Cell:
    return {"cell_type": "markdown", "id": uuid.uuid4().hex[:8], "metadata": {}, "source": [source]}


def notebook(*cells: str | Cell, metadata: Mapping[str, Any] = PYTHON3) -> dict[str, Any]:
    """Return a notebook; text is the source of a code cell."""
    made = [code(cell) if isinstance(cell, str) else cell for cell in cells]
    return {"cells": made, "metadata": dict(metadata), "nbformat": 4, "nbformat_minor": 5}


def texts(cell: Mapping[str, Any]) -> str:
    """Return what an executed cell printed."""
    return "".join("".join(output["text"]) for output in cell["outputs"] if output["output_type"] == "stream")


def line_of(path: Path, text: str, nth: int = 1) -> int:
    """Return the physical line of the `nth` occurrence of `text` in a file, counted from 1."""
    content, at = path.read_text(encoding="utf-8"), -1
    for _ in range(nth):
        at = content.index(text, at + 1)
    return content.count("\n", 0, at) + 1


# --- What came of it


@dataclass(frozen=True)
class Command:
    """A workflow command that the runner would obey."""

    name: str
    message: str
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> tuple[str, int]:
        return self.properties.get("file", ""), int(self.properties.get("line", 0))


@dataclass(frozen=True)
class Done:
    """How a stage ended.

    Attributes:
        code: Its exit code.
        log: What it printed, standard output and standard error as they came.
        seconds: How long it took.
        outputs: The outputs of the step.
        summary: The summary of the step.
    """

    code: int
    log: str
    seconds: float
    outputs: Mapping[str, str]
    summary: str

    @cached_property
    def record(self) -> dict[str, Any]:
        return dict(json.loads(Path(self.outputs["record"]).read_text(encoding="utf-8")))

    @cached_property
    def notebooks(self) -> dict[str, dict[str, Any]]:
        """The results of the record by the names of the executions: paths, where there is no sweep."""
        return {result["name"]: result for result in self.record["notebooks"]}

    @cached_property
    def commands(self) -> list[Command]:
        """The workflow commands that a runner obeys."""
        return [command for line in unfenced(self.log) if (command := _command(line))]

    def annotations(self, level: str = "error") -> list[Command]:
        return [command for command in self.commands if command.name == level]

    def executed(self, path: str) -> dict[str, Any]:
        """Return an executed notebook."""
        output = Path(self.outputs["output-dir"]) / path
        return dict(json.loads(output.read_text(encoding="utf-8")))

    def printed(self, path: str) -> str:
        """Return what all cells of an executed notebook printed."""
        return "".join(texts(cell) for cell in self.executed(path)["cells"] if cell["cell_type"] == "code")

    def values(self, path: str) -> dict[str, Any]:
        """Return the JSON object that an executed notebook printed as its last line."""
        return dict(json.loads(self.printed(path).splitlines()[-1]))


def unfenced(log: str) -> Iterator[str]:
    """Yield the lines that a runner looks for commands in."""
    token = ""
    for line in _LINE_END.split(log):
        stripped = line.lstrip()
        if token:
            token = "" if stripped.startswith(f"::{token}::") else token
        elif stripped.startswith("::stop-commands::"):
            token = stripped.removeprefix("::stop-commands::").strip()
        else:
            yield line


def _command(line: str) -> Command | None:
    """Return the command a line gives: `::` at its start after blanks, or `##[` anywhere (actions/runner 2.3xx)."""
    found = _COMMAND.match(line.lstrip()) or _OLD_COMMAND.search(line)
    if not found:
        return None
    groups = found.groupdict()
    pairs = (pair.partition("=") for pair in (groups.get("properties") or "").split(",") if pair)
    return Command(groups["name"], _unescaped(groups["message"]), {name: _unescaped(value) for name, _, value in pairs})


def _unescaped(text: str) -> str:
    for escape, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(escape, char)
    return text


# --- Running


class Workspace:
    """A checkout of a user on a runner: workspace, home, temporary folders and the runner's files.

    Args:
        folder: A fresh folder.

    Attributes:
        suite: The folder of notebook-ci.
    """

    def __init__(self, folder: Path) -> None:
        self.base, self.suite = folder, ROOT
        # With a blank and a letter beyond ASCII: that is what paths have.
        self.folder = folder / "work spâce"
        self.home, self.runner_temp = folder / "home", folder / "runner"
        # Short, or the stage takes another one: sockets stand in it, whose paths have at most 107 bytes.
        self.tmp = Path(tempfile.mkdtemp(prefix="t-"))
        weakref.finalize(self, shutil.rmtree, self.tmp, ignore_errors=True)
        self.mark = uuid.uuid4().hex
        for made in (self.folder, self.home, self.runner_temp):
            made.mkdir()

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a shell on this machine."""
        return {**base_environ(), "HOME": str(self.home), "TMPDIR": str(self.tmp), MARK: self.mark}

    @property
    def runner_environ(self) -> dict[str, str]:
        """What a runner adds to it for a step."""
        files = {name: str(self.base / name.lower()) for name in RUNNER_FILES}
        return {"GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(self.runner_temp), **files}

    def write(self, name: str, content: str | bytes | Mapping[str, Any], indent: int | None = 1) -> Path:
        """Write a file: text, bytes, or a notebook as JSON (`indent` None: compact)."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Mapping):
            text = json.dumps(content, indent=indent, ensure_ascii=False)
            path.write_text(text + "\n" if indent is not None else text, encoding="utf-8")
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            path.write_bytes(content)
        return path

    def start(
        self,
        stage: str,
        inputs: Mapping[str, str] | str | None,
        *,
        flags: Iterable[str] = (),
        environ: Mapping[str, str | None] | None = None,
        prefix: Iterable[str] = (),
        bash: str = "/bin/bash",
    ) -> "subprocess.Popen[str]":
        """Start a stage, as a step of a runner does, or (with `inputs` None) as a shell does.

        Args:
            stage: Its name.
            inputs: The inputs of the action, or any text in their place.
            flags: Flags of the command line.
            environ: Variables to add; None takes one away.
            prefix: A command to run it by.
            bash: The shell.
        """
        env: dict[str, str | None] = {**self.environ}
        if inputs is not None:
            text = inputs if isinstance(inputs, str) else json.dumps(dict(inputs), ensure_ascii=False)
            env |= {**self.runner_environ, "INPUTS": text}
            self.create_runner_files()
        env |= dict(environ or {})
        # `exec`, as the run step of each action.yml has it: the runner's child is the script.
        return subprocess.Popen(
            [*prefix, bash, "-c", 'exec bash "$0" "$@"', str(self.suite / "scripts" / "launch.sh"), stage, *flags],
            env={name: value for name, value in env.items() if value is not None},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="backslashreplace",
        )

    def run(
        self,
        stage: str,
        inputs: Mapping[str, str] | str | None = None,
        *,
        flags: Iterable[str] = (),
        environ: Mapping[str, str | None] | None = None,
        prefix: Iterable[str] = (),
    ) -> Done:
        """Run a stage to its end."""
        process = self.start(stage, inputs, flags=flags, environ=environ, prefix=prefix)
        return self.end(process)

    def end(self, process: "subprocess.Popen[str]", timeout: float = TIMEOUT) -> Done:
        """Wait for the end of a stage."""
        began = time.monotonic()
        try:
            log, _ = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            self.kill_all()
            raise
        return self.done(process.returncode, log, time.monotonic() - began)

    def create_runner_files(self) -> None:
        """Create the files of a step, or empty them."""
        for name in RUNNER_FILES:
            (self.base / name.lower()).write_bytes(b"")

    def done(self, code: int, log: str, seconds: float) -> Done:
        """Return what came of a stage that has ended."""
        output, summary = (self.base / name.lower() for name in RUNNER_FILES[:2])
        return Done(
            code,
            log,
            seconds,
            _outputs(output.read_text(encoding="utf-8")) if output.exists() else {},
            summary.read_text(encoding="utf-8") if summary.exists() else "",
        )

    def execute(self, python: Path, environ: Mapping[str, str | None] | None = None, **inputs: str) -> Done:
        """Run execute-notebook as an action; `cell_timeout` stands for the input `cell-timeout`."""
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        return self.run("execute-notebook", {"python": str(python), **given}, environ=environ)

    def processes(self) -> dict[int, str]:
        """Return the processes that were started here and still run: their command lines by number."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def workers(self) -> list[int]:
        """Return the processes that execute notebooks for a stage."""
        running = self.processes()
        return [pid for pid, line in running.items() if DRIVER in line and DRIVER in running.get(parent(pid), "")]

    def leftovers(self) -> list[str]:
        """Return what is left in the temporary folder."""
        return sorted(path.name for path in self.tmp.iterdir())

    def kill_all(self) -> None:
        """End what was started here."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def fresh_workspace(folder: Path) -> Iterator[Workspace]:
    """Yield a workspace in an empty or new folder. Whatever is left running there is ended, and is an error."""
    folder.mkdir(exist_ok=True)
    made = Workspace(folder)
    yield made
    left = made.processes()
    made.kill_all()
    assert not left, left


def made_environment(folder: Path, *requirements: str) -> Path:
    """Return the Python of an environment that setup-env has made in a fresh folder."""
    made = Workspace(folder)
    made.write("requirements.txt", "\n".join(requirements) + "\n")
    done = made.run("setup-env", {})
    assert done.code == 0, done.log
    python = Path(done.outputs["python"])
    _give_byte_code_to_uv(python.parents[1])
    return python


UV = ("/bin/bash", str(ROOT / "scripts" / "launch.sh"), "--env", "setup-env", "--exec", "uv")


def uncompiled_environment(folder: Path, *requirements: str) -> Path:
    """Return the Python of an environment that uv has made in `folder`, whose parent exists.

    setup-env would compile all files, which takes longest for large packages; most are never imported.
    """
    python = folder / "bin" / "python"
    environ = {**base_environ(), "HOME": str(folder.parent)}
    subprocess.run([*UV, "venv", "--quiet", "--python", PYTHON, folder], env=environ, check=True)
    install(python, *requirements)
    return python


def install(python: Path, *requirements: str) -> None:
    """Install packages, without compiling them."""
    command = [*UV, "pip", "install", "--quiet", "--python", str(python), *requirements]
    subprocess.run(command, env={**base_environ(), "HOME": str(python.parents[2])}, check=True)


def _give_byte_code_to_uv(environment: Path) -> None:
    """Link byte-code into uv's cache, so that other environments get it with the package: compiling takes seconds.

    Where uv copies packages instead of linking them, nothing is found, and each environment is compiled.
    """
    [packages] = environment.glob("lib/python*/site-packages")
    for metadata in Path(base_environ()["UV_CACHE_DIR"]).glob("archive-v0/*/*.dist-info/METADATA"):
        installed = packages / metadata.parent.name / metadata.name
        if installed.exists() and installed.samefile(metadata):
            _link_byte_code(packages, metadata.parents[1])


def _link_byte_code(packages: Path, wheel: Path) -> None:
    for folder in {path.parent.relative_to(wheel) for path in wheel.rglob("*.py")}:
        for compiled in packages.joinpath(folder).glob("__pycache__/*.pyc"):
            source = wheel / folder / f"{compiled.name.partition('.')[0]}.py"
            if source.exists():
                link = source.parent / "__pycache__" / compiled.name
                link.parent.mkdir(exist_ok=True)
                with contextlib.suppress(FileExistsError):
                    link.hardlink_to(compiled)


def copied_environment(python: Path, folder: Path) -> Path:
    """Return the Python of a copy of an environment. The files in it are links: they may be replaced, not changed."""
    shutil.copytree(python.parents[1], folder, symlinks=True, copy_function=os.link)
    return folder / "bin" / python.name


def in_the_tool_environment(
    workspace: Workspace, script: str, name: str = "execute-notebook"
) -> "subprocess.CompletedProcess[str]":
    """Run Python code where execute-notebook runs, or in another tool environment."""
    launch = ["/bin/bash", str(ROOT / "scripts" / "launch.sh"), "--env", name, "--exec", "python", "-c"]
    script = f"import sys; sys.path.insert(0, {str(ROOT / 'scripts')!r})\n{script}"
    return subprocess.run([*launch, script], env=workspace.environ, capture_output=True, text=True, check=False)


def _outputs(text: str) -> dict[str, str]:
    """Read what stands in GITHUB_OUTPUT."""
    found = re.finditer(r"(?P<name>[^\n]*?)<<(?P<end>[^\n]+)\n(?P<value>.*?)\n(?P=end)\n", text, re.DOTALL)
    return {match["name"]: match["value"] for match in found}


def parent(pid: int) -> int:
    """Return the process that a process is a child of; 0: it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def wait_until(condition: Callable[[], object], seconds: float = 40) -> bool:
    """Return whether the condition came true in time: before processes end by themselves, which sleep for a minute."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(condition())


# --- Disks and rights


def private_mount(*commands: str) -> list[str]:
    """Return a command that mounts something, for the command behind it alone; `$D` is the folder."""
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *own, "--mount", "/bin/sh", "-c", " && ".join([*commands, 'exec "$@"']), "sh"]


# The workspace `$D`, in which nothing can be written.
READ_ONLY = ['mount --bind "$D" "$D"', 'mount -o remount,bind,ro "$D"', 'cd "$D"', "! touch x 2>/dev/null"]
# Root may read and write everything: not without these.
NO_ROOT = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
