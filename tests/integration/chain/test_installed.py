"""The package: wheel and source distribution are built, installed in a fresh environment, and used by its command."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from integration.suite import PATH, PYTHON, ROOT, Workspace, base_environ, notebook, only_tools, private_mount
from notebook_ci import VERSION
from notebook_ci.base import indexes
from notebook_ci.stages import ALL_STAGES

UV = Path(sys.executable).with_name("uv")
SHIPPED = ("scripts", "requirements")
INSIDE = "notebook_ci_suite"
NAME = f"notebook_ci-{VERSION}"
WHEEL = f"{NAME}-py3-none-any.whl"
# What a source distribution has besides: hatchling puts these into each.
ALWAYS = {".gitignore", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
PRINT_PATH = ("--env", "setup-env", "--exec", "python", "-c", "import os; print(os.environ['PATH'])")


def uv_environ() -> dict[str, str]:
    return base_environ() | indexes.read(os.environ, ROOT).for_uv()


def uv(*arguments: str | Path) -> None:
    subprocess.run([UV, "--quiet", *map(str, arguments)], env=uv_environ(), check=True)


def build(source: Path, target: Path, *flags: str) -> None:
    """Build a checkout or a source distribution, with the build backend from the index, as a user does."""
    uv("build", "--python", PYTHON, "--out-dir", target, *flags, source)


def shipped() -> set[str]:
    """Return what the package has to hold, also what is not committed yet."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z", *SHIPPED]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return {name for name in listed if (ROOT / name).is_file() and not name.startswith("scripts/dev/")}


def missing_and_surplus(names: Iterable[str], prefix: str) -> tuple[list[str], list[str]]:
    """Return what a package lacks, and what it must not hold. `prefix` is the folder in it of what is shipped."""
    found = {name.removeprefix(f"{prefix}/") for name in names}
    return sorted(shipped() - found), sorted(found - shipped())


def wheel_names(wheel: Path) -> list[str]:
    names = zipfile.ZipFile(wheel).namelist()
    return [name for name in names if not name.startswith(f"{NAME}.dist-info/")]


def copy_of_checkout(folder: Path) -> Path:
    for name in SHIPPED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ALWAYS - {"PKG-INFO"}:
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel made from it."""
    folder = tmp_path_factory.mktemp("built")
    build(ROOT, folder)
    return folder


@pytest.fixture(scope="module")
def command(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed command, in an environment that holds nothing else."""
    venv = tmp_path_factory.mktemp("in stalled") / "venv"
    uv("venv", "--python", PYTHON, venv)
    uv("pip", "install", "--no-index", "--python", venv, built / WHEEL)
    return venv / "bin" / "notebook-ci"


def run(
    command: Path, *arguments: str, cwd: Path, environ: Mapping[str, str], prefix: Iterable[str] = ()
) -> "subprocess.CompletedProcess[str]":
    line = [*prefix, str(command), *arguments]
    return subprocess.run(line, cwd=cwd, env=dict(environ), capture_output=True, text=True, check=False)


# --- What is in it


def test_the_wheel_holds_what_git_tracks_and_no_tests(built: Path) -> None:
    assert missing_and_surplus(wheel_names(built / WHEEL), INSIDE) == ([], [])


def test_the_source_distribution_holds_the_same(built: Path) -> None:
    with tarfile.open(built / f"{NAME}.tar.gz") as archive:
        names = archive.getnames()
    assert missing_and_surplus(names, NAME) == ([], sorted(ALWAYS))


def test_a_checkout_and_its_source_distribution_give_the_same_wheel(built: Path, tmp_path: Path) -> None:
    build(ROOT, tmp_path, "--wheel")
    assert (tmp_path / WHEEL).read_bytes() == (built / WHEEL).read_bytes()


def test_what_is_missing_or_surplus_is_found(tmp_path: Path) -> None:
    checkout = copy_of_checkout(tmp_path / "checkout")
    settings = checkout / "pyproject.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace('exclude = ["scripts/dev"]', 'exclude = ["launch.sh"]'), encoding="utf-8")
    (checkout / "scripts" / "test_it.py").touch()
    build(checkout, tmp_path, "--wheel")
    missing, surplus = missing_and_surplus(wheel_names(tmp_path / WHEEL), INSIDE)
    assert missing == ["scripts/launch.sh"]
    assert {"scripts/test_it.py", "scripts/dev/tools.py"} <= set(surplus)


# --- The command


def test_it_says_what_it_is_and_installs_nothing_for_that(command: Path, tmp_path: Path) -> None:
    environ = {"PATH": only_tools(tmp_path / "path"), "HOME": str(tmp_path)}  # no Python but that of the command
    version, usage, stage, wrong = (
        run(command, *arguments, cwd=tmp_path, environ=environ)
        for arguments in (["--version"], ["--help"], ["setup-env", "--help"], ["execute-notebook", "--workers", "many"])
    )
    assert (version.returncode, version.stdout, version.stderr) == (0, f"notebook-ci {VERSION}\n", "")
    assert usage.returncode == stage.returncode == 0, usage.stderr + stage.stderr
    assert usage.stdout.startswith(
        "usage: notebook-ci STAGE [--help] [--plan | --json] [inputs]\n       notebook-ci explain [RUN] [--json]\n"
    )
    assert all(f"\n  {name} " in usage.stdout for name in ("pipeline", *ALL_STAGES))
    assert stage.stdout.startswith("usage: notebook-ci setup-env ")
    assert "launch.sh" not in usage.stdout + stage.stdout
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "`--workers` does not accept `many`" in wrong.stderr
    assert [path.name for path in (tmp_path / ".cache" / "notebook-ci").iterdir()] == ["pythons"]


def test_the_chain_runs_from_a_folder_that_cannot_be_written(command: Path, workspace: Workspace, kernel: Path) -> None:
    """All stages run with the Python of the command: there is no other one on PATH."""
    workspace.write("a.ipynb", notebook("print(6 * 7)"))
    workspace.write("notebook-ci.toml", f"[execute-notebook]\npython = '{kernel}'\n")
    environ = {**workspace.environ, "D": str(command.parents[1])}
    read_only = ('mount --bind "$D" "$D"', 'mount -o remount,bind,ro "$D"', '! touch "$D/x" 2>/dev/null')
    prefix = [*private_mount(*read_only), "/usr/bin/env", f"PATH={only_tools(workspace.base / 'path')}"]
    chain = ("pipeline", "--stages=execute-notebook", "--stages=log-run")
    done = run(command, *chain, cwd=workspace.folder, environ=environ, prefix=prefix)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "=false notebook-ci --env mlflow-full --exec mlflow ui " in done.stderr
    [record] = workspace.folder.glob(".notebook-ci/runs/*/execute-notebook.json")
    [result] = json.loads(record.read_text(encoding="utf-8"))["notebooks"]
    assert (result["status"], result["kernel_start"]) == ("passed", "fork")
    empty = run(command, "log-run", cwd=workspace.folder, environ=environ, prefix=prefix)
    newest = record.parent.relative_to(workspace.folder)
    assert f"Log the newest run that has records: `notebook-ci log-run --run-dir {newest}`" in empty.stderr


def test_without_bash_it_says_so(command: Path, tmp_path: Path) -> None:
    done = run(command, "--version", cwd=tmp_path, environ={"PATH": str(tmp_path)})
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "error: notebook-ci needs bash, which is not on PATH. On Windows, run it in Git Bash.\n"


def test_the_path_is_left_alone_in_an_active_environment(command: Path, tmp_path: Path) -> None:
    """As `uv run` sets it: that environment is the one of the notebooks, too."""
    environ = {**base_environ(), "HOME": str(tmp_path), "UV": str(UV), "VIRTUAL_ENV": str(command.parents[1])}
    environ["PATH"] = f"{command.parent}:{PATH}"
    done = run(command, *PRINT_PATH, cwd=tmp_path, environ=environ)
    assert done.stdout == f"{environ['PATH']}\n", done.stderr


def test_uvx_runs_the_checkout_as_it_is_now(tmp_path: Path) -> None:
    checkout = copy_of_checkout(tmp_path / "checkout")
    environ = {**uv_environ(), "HOME": str(tmp_path), "UV_PYTHON": str(PYTHON)}

    def uvx(*arguments: str) -> str:
        done = run(UV.with_name("uvx"), "--from", str(checkout), *arguments, cwd=tmp_path, environ=environ)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert uvx("notebook-ci", "--version") == f"notebook-ci {VERSION}\n"
    library = checkout / "scripts" / "notebook_ci" / "__init__.py"
    library.write_text(library.read_text(encoding="utf-8").replace(VERSION, "9.8.7"), encoding="utf-8")
    assert uvx("notebook-ci", "--version") == "notebook-ci 9.8.7\n"
    # uvx puts the environment of the command first on PATH: no place to look for the Python of notebooks.
    assert uvx(*PRINT_PATH[-3:]).startswith(environ["UV_CACHE_DIR"])
    assert uvx("notebook-ci", *PRINT_PATH) == f"{PATH}\n"
