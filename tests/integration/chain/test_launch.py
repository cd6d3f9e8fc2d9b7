"""The launcher with real processes: a real Python, pip and uv, and package indexes on loopback."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from integration.index_server import Gate, IndexServer, digest, make_wheel, serve
from integration.suite import NO_ROOT
from notebook_ci import VERSION as VERSION_OF_SUITE
from notebook_ci.stages import STAGES
from notebook_ci.tools import integrity, preparing

ROOT = Path(__file__).resolve().parents[3]
BASE = Path(sys.base_prefix) / "bin"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PATH = f"{BASE}:/usr/bin:/bin"
LOGIN = "someone:s3cret-pass"
TIMEOUT = 60

STAGE = """
import json, os, subprocess, sys

arguments = sys.argv[1:]
text = sys.stdin.read() if "--inputs-from-stdin" in arguments else ""
if "--check-inputs" in arguments:
    print("checked", file=sys.stderr)
    sys.exit(2 if "wrong" in text + " ".join(arguments) else 0)
import nbdemo
child = [sys.executable, "-c", "import os; print(list(os.environ))"]
print(json.dumps({
    "pid": os.getpid(),
    "arguments": arguments,
    "stdin": text,
    "version": nbdemo.VERSION,
    "file": nbdemo.__file__,
    "environ": open("/proc/self/environ").read(),
    "child": subprocess.run(child, capture_output=True, text=True).stdout,
    "isolated": [sys.flags.ignore_environment, sys.flags.no_user_site],
}))
"""


@dataclass
class Done:
    """How a launch ended."""

    code: int
    out: str
    err: str
    pid: int
    seconds: float

    @property
    def told(self) -> dict[str, Any]:
        """What the stage told about itself."""
        return dict(json.loads(self.out.splitlines()[-1]))


@dataclass
class Checkout:
    """A copy of the launcher with a stage `demo` that needs the package `nbdemo`, and a cache and a home of its own."""

    folder: Path
    home: Path
    cache: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def script(self) -> Path:
        return self.folder / "scripts" / "launch.sh"

    @property
    def environments(self) -> list[str]:
        """The names of what is in the cache, without the file of found Pythons."""
        return sorted(path.name.partition("-")[0] for path in self.cache.glob("*-*"))

    @property
    def leftovers(self) -> list[Path]:
        return list(self.cache.glob(".new-*"))

    def start(self, *arguments: str, environ: Mapping[str, str], cwd: Path, script: str) -> "subprocess.Popen[str]":
        own = {"PATH": PATH, "HOME": str(self.home), "NOTEBOOK_CI_CACHE": str(self.cache), "UV_HTTP_TIMEOUT": "5"}
        return subprocess.Popen(
            ["/bin/bash", script or str(self.script), *arguments],
            env={**own, **self.environ, **environ},
            cwd=cwd if cwd != Path() else self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def launch(
        self,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        cwd: Path = Path(),
        script: str = "",
        stdin: str = "",
    ) -> Done:
        started = time.monotonic()
        process = self.start(*arguments, environ=environ or {}, cwd=cwd, script=script)
        out, err = process.communicate(stdin, TIMEOUT)
        return Done(process.returncode, out, err, process.pid, time.monotonic() - started)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the real wheel of uv and one of nbdemo."""
    folder = tmp_path_factory.mktemp("wheels")
    lock = ROOT / "requirements" / "uv.txt"
    flags = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--dest", folder, "-r", lock]
    # A Python of Debian has a pip in virtual environments alone.
    environment = tmp_path_factory.mktemp("pip")
    subprocess.run([BASE / f"python{VERSION}", "-m", "venv", environment], check=True)
    subprocess.run([environment / "bin" / "python", "-m", "pip", "download", *map(str, flags)], check=True)
    make_wheel(folder, "nbdemo")
    return folder


@pytest.fixture
def index(wheels: Path) -> Iterator[IndexServer]:
    with serve(IndexServer(wheels)) as server:
        yield server


def make_checkout(folder: Path, wheels: Path, environ: Mapping[str, str]) -> Checkout:
    """Copy the launcher to a folder with a blank and a letter beyond ASCII in its path."""
    checkout = Checkout(folder / "check out ü", folder / "home", folder / "cache ö", dict(environ))
    checkout.home.mkdir()
    scripts = checkout.folder / "scripts"
    shutil.copytree(
        ROOT / "scripts" / "notebook_ci", scripts / "notebook_ci", ignore=shutil.ignore_patterns("_*_", ".*")
    )
    for name in ("launch.sh", "launch.py"):
        shutil.copy(ROOT / "scripts" / name, scripts)
    (scripts / "demo.py").write_text(STAGE)
    locks = checkout.folder / "requirements"
    locks.mkdir()
    for name in ("uv.txt", "pipeline.txt"):
        shutil.copy(ROOT / "requirements" / name, locks)
    (locks / "demo.txt").write_text(f"nbdemo==1.0 --hash=sha256:{digest(wheels / 'nbdemo-1.0-py3-none-any.whl')}\n")
    return checkout


@pytest.fixture
def bare(tmp_path: Path, wheels: Path) -> Checkout:
    """A checkout with nothing in its cache, that knows of no index but the public one."""
    return make_checkout(tmp_path, wheels, {})


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Checkout:
    """A checkout whose environments were made once."""
    with serve(IndexServer(wheels)) as index:
        checkout = make_checkout(tmp_path_factory.mktemp("first"), wheels, {"UV_DEFAULT_INDEX": index.url()})
        done = checkout.launch("demo")
    assert done.code == 0, done.err
    return checkout


@pytest.fixture
def with_uv(bare: Checkout, first: Checkout) -> Checkout:
    """A checkout with uv's own environment alone: copied, which is quicker than making it."""
    for path in first.cache.glob("uv-*"):
        shutil.copytree(path, bare.cache / path.name)
    return bare


def running(part: str) -> list[str]:
    """Return the command lines of all processes that have `part` in theirs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in found if part in line]


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Return whether the condition came true in time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


# --- The environment is there


def test_a_warm_start_hands_over_at_once_as_the_same_process(first: Checkout) -> None:
    done = first.launch("demo", "--x", "a b", environ={"INPUTS": '{"notebooks": "ä.ipynb"}', "PYTHONPATH": "/user"})
    told = done.told
    assert (done.code, done.err) == (0, "")
    assert told["pid"] == done.pid
    assert told["arguments"] == ["--inputs-from-stdin", "--x", "a b"]
    assert told["stdin"] == '{"notebooks": "ä.ipynb"}\n'
    assert told["isolated"] == [1, 1]
    assert "PYTHONPATH" in told["child"], "kernels are the user's: they get what the user has set"


def test_inputs_stand_in_no_environment(first: Checkout) -> None:
    told = first.launch("demo", environ={"INPUTS": '{"token": "hidden-value"}', "SEEN": "1"}).told
    assert "SEEN=1" in told["environ"]
    assert "INPUTS=" not in told["environ"]
    assert "hidden-value" not in told["environ"]
    assert "'SEEN'" in told["child"]
    assert "'INPUTS'" not in told["child"]


def test_without_inputs_standard_input_is_left_alone(first: Checkout) -> None:
    done = first.launch("--env", "demo", "--exec", "python", "-c", "print(input())", stdin="typed\n")
    assert (done.code, done.out) == (0, "typed\n")


def test_a_stage_without_a_lock_runs_with_the_python_that_was_found(bare: Checkout) -> None:
    plain = STAGE.replace("import nbdemo\n", "").replace("nbdemo.VERSION", "''").replace("nbdemo.__file__", "''")
    (bare.script.parent / "plain.py").write_text(plain)
    told = bare.launch("plain", "--x", environ={"INPUTS": "{}"}).told
    assert (told["arguments"], told["stdin"]) == (["--inputs-from-stdin", "--x"], "{}\n")
    assert told["isolated"] == [1, 1]
    assert bare.environments == []


def test_a_stage_without_a_lock_can_be_run_in_an_environment(first: Checkout) -> None:
    plain = first.script.with_name("plain.py")
    plain.write_text(STAGE)
    assert first.launch("--env", "demo", "plain").told["version"] == "1.0"
    plain.unlink()


def test_a_program_of_an_environment_is_free_of_the_users_python(first: Checkout, tmp_path: Path) -> None:
    (tmp_path / "nbdemo.py").write_text("VERSION = 'of the user'\ndef main(): print(VERSION)\n")
    hostile = {"PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1", "PYTHONHOME": "/nowhere"}
    assert first.launch("--env", "demo", "--exec", "nbdemo", environ=hostile).out == "1.0\n"
    # Without the launcher it would not be: the check above can fail.
    program = next(first.cache.glob("demo-*")) / "bin" / "nbdemo"
    plain = subprocess.run(
        [program], env={"PATH": PATH, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert plain.stdout == "of the user\n"


@pytest.mark.parametrize("way", ["absolute", "relative", "in its folder", "through .."])
def test_it_works_however_it_is_called(first: Checkout, way: str) -> None:
    scripts = first.script.parent
    script, cwd = {
        "absolute": (str(first.script), first.home),
        "relative": ("scripts/launch.sh", first.folder),
        "in its folder": ("launch.sh", scripts),
        "through ..": (f"{scripts}/notebook_ci/../../scripts/launch.sh", first.home),
    }[way]
    done = first.launch("demo", script=script, cwd=cwd)
    assert done.told["version"] == "1.0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "There is no stage 'nothing'. There are: demo."),
        (["../scripts/demo"], "There is no stage '../scripts/demo'."),
        (["--env", "demo"], "No stage was named. There are: demo."),
        (["--env", "nothing", "demo"], "There is no tool environment 'nothing'. There are: demo, pipeline."),
        (["--env", "", "demo"], "No tool environment was named. There are: demo, pipeline."),
        (["--env", "uv", "--exec", "uv"], "There is no tool environment 'uv'."),
        (["--exec", "python"], "--exec needs an environment and a program"),
        (["--env", "demo", "--exec", "nothing"], "The tool environment demo has no program 'nothing'."),
    ],
)
def test_what_is_not_there_is_refused(first: Checkout, arguments: list[str], message: str) -> None:
    done = first.launch(*arguments)
    assert done.code == 2
    assert message in done.err


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["-h"], 0), (["--help"], 0)])
def test_it_tells_how_it_is_called(first: Checkout, arguments: list[str], code: int) -> None:
    done = first.launch(*arguments, script=str(ROOT / "scripts" / "launch.sh"))
    told, other = (done.err, done.out) if code else (done.out, done.err)
    assert (done.code, other) == (code, "")
    lines = told.splitlines()
    assert lines[0] == "usage: launch.sh STAGE [--help] [--plan] [inputs]"
    named = [line.split()[0] for line in lines[lines.index("Stages:") + 1 :] if line.startswith("  ")]
    assert named == ["pipeline", *STAGES]
    assert "  execute-notebook  Execute Jupyter notebooks with parameters" in told
    assert "--exec " not in told


def test_it_prints_its_version(first: Checkout) -> None:
    done = first.launch("--version")
    assert (done.code, done.out, done.err) == (0, f"notebook-ci {VERSION_OF_SUITE}\n", "")


def test_another_shell_is_refused_politely() -> None:
    script = str(ROOT / "scripts" / "launch.sh")
    done = subprocess.run(["dash", script, "setup-env"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {script} is written for another shell. Run it with bash.\n"


# --- Python


def test_a_python_is_looked_for_once(bare: Checkout, tmp_path: Path) -> None:
    shims, asked = tmp_path / "shims", tmp_path / "asked"
    shims.mkdir()
    # As a shim of pyenv: it is there, and it fails.
    (shims / "python3.14").write_text(f"#!/bin/sh\necho asked >>'{asked}'\nexit 127\n")
    (shims / "python3.14").chmod(0o755)
    environ = {"PATH": f"{shims}:{PATH}"}
    assert bare.launch("nothing", environ=environ).code == 2
    assert bare.launch("nothing", environ=environ).code == 2
    assert asked.read_text() == "asked\n"
    assert bare.launch("nothing", environ={**environ, "RUNNER_TOOL_CACHE": "/other"}).code == 2
    assert asked.read_text() == "asked\n" * 2, "other places are looked at anew"


def test_a_remembered_python_that_is_gone_is_looked_for_again(bare: Checkout) -> None:
    bare.cache.mkdir()
    (bare.cache / "pythons").write_text(f"/gone/python3.14|||{PATH}\n")
    assert "There is no stage" in bare.launch("nothing").err


@pytest.fixture
def coreutils(tmp_path: Path) -> Path:
    """A folder with the programs that are everywhere, and no Python."""
    folder = tmp_path / "coreutils"
    folder.mkdir()
    for name in ("mkdir", "cat", "rm", "ls", "env"):
        (folder / name).symlink_to(f"/bin/{name}")
    return folder


@pytest.mark.parametrize(
    "place", [f"path/python{VERSION}", "path/python3", "path/python", f"tools/Python/{VERSION}.9/x64/bin/python3"]
)
def test_a_python_is_found(bare: Checkout, coreutils: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).symlink_to(BASE / f"python{VERSION}")
    environ = {"PATH": f"{coreutils}:{tmp_path / 'path'}", "RUNNER_TOOL_CACHE": str(tmp_path / "tools")}
    assert "There is no stage" in bare.launch("nothing", environ=environ).err


def test_the_python_of_the_installed_command_is_asked_first(bare: Checkout, coreutils: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.symlink_to(BASE / f"python{VERSION}")
    (coreutils / "python3.14").write_text("#!/bin/sh\nexec touch asked\n")
    (coreutils / "python3.14").chmod(0o755)
    environ = {"PATH": str(coreutils), "NOTEBOOK_CI_PYTHON": str(own)}
    assert "There is no stage" in bare.launch("nothing", environ=environ).err
    assert not (bare.home / "asked").exists()


def test_a_python_of_the_installed_command_that_does_not_fit_is_passed_over(bare: Checkout) -> None:
    """It may be a free-threaded build, or have been removed."""
    assert "There is no stage" in bare.launch("nothing", environ={"NOTEBOOK_CI_PYTHON": "/usr/bin/false"}).err


def test_without_python_one_sentence_says_what_to_install(bare: Checkout, coreutils: Path) -> None:
    here = bare.launch("demo", environ={"PATH": str(coreutils)})
    assert (here.code, here.out) == (3, "")
    assert here.err.startswith("error: No Python to run the tools with was found")
    assert "Install CPython 3.11, 3.12, 3.13 or 3.14" in here.err
    runner = bare.launch("demo", environ={"PATH": str(coreutils), "GITHUB_ACTIONS": "true"})
    assert (runner.code, runner.err) == (3, "")
    assert runner.out.startswith("::error title=notebook-ci::No Python")
    assert len(runner.out.splitlines()) == 1


def without(folder: Path, *missing: str) -> Path:
    """Return a Python without some of its modules: the real one, linked file by file."""
    source, target = Path(sys.base_prefix) / "lib", folder / "lib"
    library = f"python{VERSION}"
    (target / library).mkdir(parents=True)
    for path in source.iterdir():
        if path.name not in {library, "python3"}:  # where Debian keeps packages, pip among them
            (target / path.name).symlink_to(path)
    for path in (source / library).iterdir():
        if path.name not in {"site-packages", "dist-packages", *missing}:
            (target / library / path.name).symlink_to(path)
    (folder / "bin").mkdir()
    python = folder / "bin" / library
    shutil.copy((BASE / library).resolve(), python)
    return python


def test_without_pip_a_virtual_environment_brings_one(bare: Checkout, index: IndexServer, tmp_path: Path) -> None:
    python = without(tmp_path / "python")
    environ = {"PATH": f"{python.parent}:/usr/bin:/bin", "UV_DEFAULT_INDEX": index.url()}
    done = bare.launch("demo", environ=environ)
    assert (done.code, done.told["version"]) == (0, "1.0")


def test_without_pip_and_ensurepip_the_package_to_install_is_named(bare: Checkout, tmp_path: Path) -> None:
    python = without(tmp_path / "python", "ensurepip")
    done = bare.launch("demo", environ={"PATH": f"{python.parent}:/usr/bin:/bin"})
    assert done.code == 3
    assert f"apt-get install python{VERSION}-venv" in done.err
    assert not bare.leftovers


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({}, "home/.cache/notebook-ci"),
        ({"XDG_CACHE_HOME": "xdg"}, "xdg/notebook-ci"),
        ({"XDG_CACHE_HOME": "xdg", "GITHUB_ACTIONS": "true", "RUNNER_TEMP": "temp"}, "temp/notebook-ci-tools"),
        ({"GITHUB_ACTIONS": "true", "RUNNER_TEMP": "temp", "NOTEBOOK_CI_CACHE": "own"}, "own"),
    ],
)
def test_the_cache_folder(bare: Checkout, tmp_path: Path, environ: dict[str, str], place: str) -> None:
    folders = {name: value if value == "true" else str(tmp_path / value) for name, value in environ.items()}
    assert bare.launch("nothing", environ={"NOTEBOOK_CI_CACHE": "", **folders}).code == 2
    assert (tmp_path / place / "pythons").is_file()


# --- Making an environment


def test_inputs_are_checked_before_anything_is_installed(bare: Checkout, index: IndexServer) -> None:
    for environ, arguments in (({"INPUTS": '{"x": "wrong"}'}, []), ({}, ["wrong"])):
        done = bare.launch("demo", *arguments, environ={**environ, "UV_DEFAULT_INDEX": index.url()})
        assert (done.code, done.err) == (2, "checked\n")
    assert not index.asked
    assert not bare.environments


def test_a_cold_start_gives_the_script_its_standard_input_again(with_uv: Checkout, index: IndexServer) -> None:
    given = json.dumps({"x": "ü" * 20_000})
    done = with_uv.launch("demo", environ={"INPUTS": given, "UV_DEFAULT_INDEX": index.url()})
    assert done.told["pid"] == done.pid
    assert done.told["stdin"] == given + "\n"
    assert "making the tool environment demo (once)" in done.err
    assert done.out.count("\n") == 1, "progress stands on standard error"
    assert list(next(with_uv.cache.glob("demo-*")).rglob("nbdemo.*.pyc")), "byte-compiled"


def test_help_needs_no_environment(bare: Checkout) -> None:
    done = bare.launch("demo", "--help")
    assert "nbdemo" in done.err, "the stage was started by the bare Python"
    assert not bare.environments


def test_another_lock_is_another_environment(with_uv: Checkout, index: IndexServer) -> None:
    environ = {"UV_DEFAULT_INDEX": index.url()}
    assert with_uv.launch("demo", environ=environ).code == 0
    with (with_uv.folder / "requirements" / "demo.txt").open("a") as lock:
        lock.write("# changed\n")
    assert with_uv.launch("demo", environ=environ).code == 0
    assert with_uv.environments == ["demo", "demo", "uv"]


def test_two_creators_at_once_both_succeed(bare: Checkout, index: IndexServer) -> None:
    both = threading.Barrier(2)
    index.gate = Gate("/files/uv-", together=both)
    environ = {"UV_DEFAULT_INDEX": index.url()}
    creators = [bare.start("demo", environ=environ, cwd=Path(), script="") for _ in range(2)]
    outputs = [creator.communicate("", TIMEOUT) for creator in creators]
    assert [creator.returncode for creator in creators] == [0, 0], outputs
    assert [json.loads(out)["version"] for out, _ in outputs] == ["1.0", "1.0"]
    assert index.gate.reached.is_set()
    assert not both.broken, "both were at it at the same time"
    assert bare.environments == ["demo", "uv"]
    assert not bare.leftovers


def test_an_environment_that_lost_its_marker_is_made_anew(with_uv: Checkout, index: IndexServer) -> None:
    environ = {"UV_DEFAULT_INDEX": index.url()}
    assert with_uv.launch("demo", environ=environ).code == 0
    made = next(with_uv.cache.glob("demo-*"))
    (made / integrity.SEAL).unlink()
    preparing.remove(made / "lib")
    assert with_uv.launch("demo", environ=environ).told["version"] == "1.0"
    assert not with_uv.leftovers


PRINT_VERSION = ("--env", "demo", "--exec", "python", "-c", "import nbdemo; print(nbdemo.VERSION)")
Change = Callable[[Path], None]


def rewrite(module: Path) -> None:
    """As a notebook may: same size, same times, and a cache of byte-code that is not asked."""
    before = module.stat()
    module.chmod(0o644)
    module.write_text(module.read_text().replace("1.0", "6.6"))
    os.utime(module, ns=(before.st_atime_ns, before.st_mtime_ns))
    for compiled in module.parent.glob("__pycache__/nbdemo.*"):
        compiled.parent.chmod(0o755)
        compiled.unlink()


def rewrite_byte_code(module: Path) -> None:
    """The source is left alone: Python believes byte-code that has its time and size."""
    [compiled] = module.parent.glob("__pycache__/nbdemo.*")
    compiled.chmod(0o644)
    compiled.write_bytes(compiled.read_bytes().replace(b"1.0", b"6.6"))


def plant(module: Path) -> None:
    (module.parent / "x.pth").write_text("import nbdemo; nbdemo.VERSION = '6.6'\n")


def replace_by_a_link(module: Path) -> None:
    other = module.parents[5] / "nbdemo.py"
    other.write_text("VERSION = '6.6'\n")
    module.unlink()
    module.symlink_to(other)


@pytest.mark.parametrize("change", [rewrite, rewrite_byte_code, plant, replace_by_a_link])
def test_an_environment_that_was_changed_is_made_anew(with_uv: Checkout, index: IndexServer, change: Change) -> None:
    environ = {"UV_DEFAULT_INDEX": index.url()}
    with_uv.launch(*PRINT_VERSION, environ=environ)
    [module] = with_uv.cache.glob("demo-*/lib/python*/site-packages/nbdemo.py")
    module.parent.chmod(0o755)
    change(module)
    python = module.parents[3] / "bin" / "python"
    changed = subprocess.run([python, *PRINT_VERSION[-2:]], capture_output=True, text=True, check=True)
    assert changed.stdout == "6.6\n", "the change is one that counts"
    done = with_uv.launch(*PRINT_VERSION, environ=environ)
    assert (done.code, done.out) == (0, "1.0\n")
    assert "making the tool environment demo (again, because files in it have changed)" in done.err
    again = with_uv.launch(*PRINT_VERSION)
    assert (again.out, again.err) == ("1.0\n", "")
    assert not with_uv.leftovers


def test_a_copied_environment_is_checked_once_and_used(with_uv: Checkout, index: IndexServer) -> None:
    """As from a cache of the runner, or in an image: the times of all files are new."""
    with_uv.launch(*PRINT_VERSION, environ={"UV_DEFAULT_INDEX": index.url()})
    [made] = with_uv.cache.glob("demo-*")
    made.rename(made.with_name("away"))
    shutil.copytree(made.with_name("away"), made, symlinks=True)
    before = (made / integrity.SEAL).read_text()
    done = with_uv.launch(*PRINT_VERSION)
    assert (done.out, done.err) == ("1.0\n", "")
    after = (made / integrity.SEAL).read_text()
    assert before.split()[0] != after.split()[0], "the times were taken over"
    assert before.split()[1] == after.split()[1]


def test_an_environment_is_write_protected_and_can_be_replaced(with_uv: Checkout, index: IndexServer) -> None:
    """By a user who may write where the rights say so alone, as root may not without its capabilities."""
    environ = {"UV_DEFAULT_INDEX": index.url()}
    with_uv.launch(*PRINT_VERSION, environ=environ)
    [module] = with_uv.cache.glob("demo-*/lib/python*/site-packages/nbdemo.py")
    for script in ('echo >>"$0"', 'echo >"${0%/*}/new.py"', 'rm -f "$0"'):
        done = subprocess.run([*NO_ROOT, "sh", "-c", script, module], capture_output=True, text=True, check=False)
        assert "Permission denied" in done.stderr, script
    module.chmod(0o644)
    module.write_text("VERSION = '6.6'\n")
    launch = ["/bin/bash", str(with_uv.script), *PRINT_VERSION]
    own = {"PATH": PATH, "HOME": str(with_uv.home), "NOTEBOOK_CI_CACHE": str(with_uv.cache)}
    again = subprocess.run([*NO_ROOT, *launch], env=own | environ, capture_output=True, text=True, check=False)
    assert again.stdout == "1.0\n", again.stderr
    assert not with_uv.leftovers


def test_the_leftovers_of_a_killed_creator_are_swept_by_the_next(with_uv: Checkout, index: IndexServer) -> None:
    index.gate = Gate("nbdemo")
    environ = {"UV_DEFAULT_INDEX": index.url()}
    killed = with_uv.start("demo", environ=environ, cwd=Path(), script="")
    assert index.gate.reached.wait(TIMEOUT)
    alive = with_uv.cache / f".new-{with_uv.leftovers[0].name.split('-')[1]}-{os.getpid()}-x"
    other_host = with_uv.cache / ".new-00000000-1-x"
    old = with_uv.cache / ".new-00000000-2-x"
    for path in (alive, other_host, old):
        path.mkdir()
    os.utime(old, (0, 0))
    killed.kill()
    killed.communicate()
    index.gate.opened.set()
    # Its child is an orphan now, and comes to its end by itself.
    assert wait_until(lambda: not running(str(with_uv.cache)))
    assert len(with_uv.leftovers) == 4
    assert with_uv.launch("demo", environ=environ).told["version"] == "1.0"
    assert sorted(with_uv.leftovers) == sorted([alive, other_host])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_cancelled_creator_leaves_nothing(with_uv: Checkout, index: IndexServer, number: signal.Signals) -> None:
    index.gate = Gate("nbdemo")
    creator = with_uv.start("demo", environ={"UV_DEFAULT_INDEX": index.url()}, cwd=Path(), script="")
    assert index.gate.reached.wait(TIMEOUT)
    assert len(running(str(with_uv.cache))) > 1, "the launcher and uv"
    creator.send_signal(number)
    creator.communicate(timeout=10)
    assert creator.returncode == 128 + number
    assert not running(str(with_uv.cache))
    assert not with_uv.leftovers
    assert with_uv.environments == ["uv"]


# --- The user's package index


Setup = Callable[[Checkout, IndexServer], dict[str, str]]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def in_file(place: str, text: str, environ: Mapping[str, str] | None = None) -> Setup:
    """Write settings to a file under the home folder; `{url}` is the index, `{login}` one with credentials."""

    def set_up(checkout: Checkout, index: IndexServer) -> dict[str, str]:
        write(checkout.home / place, filled(text, index))
        return {name: value.replace("~", str(checkout.home)) for name, value in (environ or {}).items()}

    return set_up


def in_variables(**environ: str) -> Setup:
    return lambda _, index: {name: filled(value, index) for name, value in environ.items()}


def filled(text: str, index: IndexServer) -> str:
    places = {"{url}": index.url(), "{login}": index.url(login=LOGIN), "{links}": index.url("/links", LOGIN)}
    for mark, place in {**places, "{root}": index.url("")}.items():
        text = text.replace(mark, place)
    return text


NAMED = {"UV_INDEX_OUR_MIRROR_USERNAME": "someone", "UV_INDEX_OUR_MIRROR_PASSWORD": "s3cret-pass"}
NETRC = "machine 127.0.0.1 login someone password s3cret-pass\n"


@pytest.mark.parametrize(
    "set_up",
    [
        pytest.param(in_variables(UV_DEFAULT_INDEX="{login}"), id="UV_DEFAULT_INDEX"),
        pytest.param(in_variables(UV_INDEX_URL="{login}"), id="UV_INDEX_URL"),
        pytest.param(in_variables(UV_DEFAULT_INDEX="our-mirror={url}", **NAMED), id="named index"),
        pytest.param(in_variables(UV_EXTRA_INDEX_URL="{login}", UV_DEFAULT_INDEX="{root}/no"), id="UV_EXTRA_INDEX_URL"),
        pytest.param(in_file(".config/uv/uv.toml", 'index-url = "{login}"\n'), id="uv.toml of the user"),
        pytest.param(
            in_file("pyproject.toml", '[[tool.uv.index]]\nname = "our-mirror"\nurl = "{url}"\ndefault = true\n', NAMED),
            id="pyproject.toml",
        ),
        pytest.param(
            in_file("x/own.toml", '[pip]\nindex-url = "{login}"\n', {"UV_CONFIG_FILE": "~/x/own.toml"}),
            id="UV_CONFIG_FILE",
        ),
        pytest.param(in_variables(PIP_INDEX_URL="{login}"), id="PIP_INDEX_URL"),
        pytest.param(in_variables(PIP_NO_INDEX="1", PIP_FIND_LINKS="{links} /not/there"), id="PIP_FIND_LINKS"),
        pytest.param(in_file(".config/pip/pip.conf", "[global]\nindex-url = {login}\n"), id="pip.conf of the user"),
        pytest.param(
            in_file("venv/pip.conf", "[install]\nindex-url = {login}\n", {"VIRTUAL_ENV": "~/venv"}),
            id="pip.conf of a venv",
        ),
        pytest.param(
            lambda checkout, index: (
                in_file(".netrc", NETRC)(checkout, index) | in_variables(PIP_INDEX_URL="{url}")(checkout, index)
            ),
            id="netrc",
        ),
    ],
)
def test_the_users_index_is_asked(bare: Checkout, index: IndexServer, set_up: Setup) -> None:
    index.login = LOGIN
    done = bare.launch("--env", "demo", "--exec", "nbdemo", environ=set_up(bare, index))
    assert (done.code, done.out) == (0, "1.0\n"), done.err
    assert index.asked_for("/files/uv-"), "by pip"
    assert index.asked_for("/files/nbdemo-"), "by uv"
    assert index.logins == {LOGIN}
    assert "s3cret-pass" not in done.out + done.err


@pytest.mark.parametrize(
    "set_up",
    [
        pytest.param(in_variables(HTTP_PROXY="{root}"), id="HTTP_PROXY"),
        pytest.param(in_file(".pip/pip.conf", "[global]\nproxy = {root}\n"), id="pip.conf"),
    ],
)
def test_the_users_proxy_is_used(bare: Checkout, index: IndexServer, set_up: Setup) -> None:
    environ = {"PIP_INDEX_URL": "http://index.invalid/simple", "PIP_TRUSTED_HOST": "index.invalid"}
    done = bare.launch("demo", environ={**environ, **set_up(bare, index)})
    assert (done.code, done.told["version"]) == (0, "1.0"), done.err
    assert index.asked_for("http://index.invalid/files/uv-"), "by pip"
    assert index.asked_for("http://index.invalid/files/nbdemo-"), "by uv"


def test_credentials_stand_on_no_command_line(bare: Checkout, index: IndexServer) -> None:
    index.login = LOGIN
    for part, program in (("/files/uv-", "-m pip"), ("/files/nbdemo-", "uv pip")):
        index.gate = Gate(part)
        creator = bare.start("demo", environ={"PIP_INDEX_URL": index.url(login=LOGIN)}, cwd=Path(), script="")
        assert index.gate.reached.wait(TIMEOUT)
        lines = running(str(bare.cache))
        assert any(program in line for line in lines)
        assert not any("s3cret-pass" in line for line in lines)
        if program == "uv pip":
            index.gate.opened.set()
        else:
            creator.terminate()
            index.gate.opened.set()
        creator.communicate(timeout=TIMEOUT)
    assert creator.returncode == 0


HOSTILE = {
    "UV_EXCLUDE_NEWER": "2000-01-01",
    "UV_NO_BINARY": "1",
    "UV_PYTHON": "2.7",
    "UV_OFFLINE": "1",
    "PIP_NO_BINARY": ":all:",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_USER": "1",
    "PYTHONHOME": "/nowhere",
    "PYTHONSAFEPATH": "1",
}


def test_other_settings_of_the_user_do_no_harm(
    bare: Checkout, first: Checkout, index: IndexServer, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    write(project / "uv.toml", f'index-url = "{index.url()}"\nexclude-newer = "2000-01-01"\nno-binary = true\n')
    write(project / "constraints.txt", "nbdemo==9\n")
    for name in ("pip", "json", "hashlib", "nbdemo"):
        write(project / f"{name}.py", "raise SystemExit('the module of the user was imported')\n")
    environ = {**HOSTILE, "UV_CONSTRAINT": str(project / "constraints.txt"), "PYTHONPATH": str(project)}
    done = bare.launch("demo", environ=environ, cwd=project)
    assert (done.code, done.told["version"]) == (0, "1.0"), done.err
    # Each of them does harm where uv sees it: the check above can fail.
    uv, venv = next(first.cache.glob("uv-*/bin/uv")), next(first.cache.glob("demo-*"))
    lock = bare.folder / "requirements" / "demo.txt"
    command: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--reinstall",
        "--dry-run",
        "--require-hashes",
        "--only-binary",
        ":all:",
    ]
    command += ["--python", venv / "bin" / "python", "-r", lock]
    for name in ("UV_EXCLUDE_NEWER", "UV_CONSTRAINT", "UV_OFFLINE"):
        plain = {"PATH": PATH, "HOME": str(bare.home), "UV_CACHE_DIR": str(tmp_path / "uv"), name: environ[name]}
        plain["UV_DEFAULT_INDEX"] = index.url()
        assert subprocess.run(command, env=plain, capture_output=True, check=False).returncode != 0, name


# --- What can go wrong


@pytest.mark.parametrize(
    ("status", "message"), [(401, "or the proxy asks for credentials"), (403, "forbids"), (404, "does not have")]
)
@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_an_index_that_refuses(
    request: pytest.FixtureRequest, index: IndexServer, tool: str, status: int, message: str
) -> None:
    checkout: Checkout = request.getfixturevalue("bare" if tool == "pip" else "with_uv")
    index.status = status
    environ = {"UV_DEFAULT_INDEX": index.url(login="someone:wr%21ng"), "GITHUB_ACTIONS": "true"}
    done = checkout.launch("demo", environ=environ)
    assert done.code == 3
    assert f"::error::The tool environment demo could not be made: the package index {message}" in done.out
    assert "UV_DEFAULT_INDEX" in done.out, "the hint says where the index is set"
    assert "wr%21ng" not in done.out + done.err
    assert "wr!ng" not in done.out + done.err
    assert_fenced(done.out)
    assert not checkout.leftovers


def assert_fenced(out: str) -> None:
    """The tool's own lines stand between the commands that keep the runner from obeying them."""
    lines = out.splitlines()
    token = next(line for line in lines if line.startswith("::stop-commands::")).removeprefix("::stop-commands::")
    begin, end = lines.index(f"::stop-commands::{token}"), lines.index(f"::{token}::")
    assert end - begin > 1
    assert [line for line in lines if line.startswith("::")] == [lines[begin], lines[end], lines[-1]]


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_an_index_that_stays_silent(request: pytest.FixtureRequest, index: IndexServer, tool: str) -> None:
    checkout: Checkout = request.getfixturevalue("bare" if tool == "pip" else "with_uv")
    index.gate = Gate("/")
    done = checkout.launch("demo", environ={"UV_DEFAULT_INDEX": index.url(), "UV_HTTP_TIMEOUT": "1"})
    assert done.code == 3
    assert "the package index does not answer in time" in done.err
    assert done.seconds < 20


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_no_network(request: pytest.FixtureRequest, index: IndexServer, tool: str) -> None:
    checkout: Checkout = request.getfixturevalue("bare" if tool == "pip" else "with_uv")
    closed = IndexServer(index.folder)
    with serve(closed):
        pass
    done = checkout.launch("demo", environ={"UV_DEFAULT_INDEX": closed.url()})
    assert done.code == 3
    assert "the package index cannot be reached" in done.err


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_a_package_that_is_not_the_locked_one(request: pytest.FixtureRequest, index: IndexServer, tool: str) -> None:
    checkout: Checkout = request.getfixturevalue("bare" if tool == "pip" else "with_uv")
    lock = checkout.folder / "requirements" / ("uv.txt" if tool == "pip" else "demo.txt")
    version = lock.read_text().partition("==")[2].split()[0]
    lock.write_text(f"{'uv' if tool == 'pip' else 'nbdemo'}=={version} --hash=sha256:{'0' * 64}\n")
    if tool == "uv":
        # The lock of uv is part of the key alone; its environment is the one that is there.
        assert checkout.environments == ["uv"]
    done = checkout.launch("demo", environ={"UV_DEFAULT_INDEX": index.url()})
    assert done.code == 3
    assert "its hash differs" in done.err
    assert "demo" not in checkout.environments


def test_a_cache_folder_that_cannot_be_written(bare: Checkout, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = bare.launch("demo", environ={"NOTEBOOK_CI_CACHE": str(tmp_path / "file" / "cache")})
    assert done.code == 3
    assert "Set NOTEBOOK_CI_CACHE to a folder that can be written." in done.err
    assert "Traceback" not in done.err


def test_a_full_disk(bare: Checkout, index: IndexServer) -> None:
    bare.cache.mkdir()
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    small = 'mount -t tmpfs -o size=4m tmpfs "$NOTEBOOK_CI_CACHE" && exec /bin/bash "$0" demo'
    done = subprocess.run(
        ["unshare", *own, "--mount", "/bin/sh", "-c", small, bare.script],
        env={"PATH": PATH, "HOME": str(bare.home), "NOTEBOOK_CI_CACHE": str(bare.cache), "UV_INDEX_URL": index.url()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "the disk is full" in done.stderr


def test_settings_that_cannot_be_read(bare: Checkout) -> None:
    write(bare.home / ".config/uv/uv.toml", "index-url = \n")
    done = bare.launch("demo")
    assert done.code == 2
    assert f"{bare.home}/.config/uv/uv.toml" in done.err
