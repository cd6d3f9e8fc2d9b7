"""Which Python the launcher finds, and where its cache is."""

import shutil
import sys
from pathlib import Path

import pytest

from integration.index_server import IndexServer
from integration.launch.checkouts import BASE, PATH, VERSION, Checkout


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
    assert "is not a stage" in bare.launch("nothing").err


@pytest.fixture
def coreutils(tmp_path: Path) -> Path:
    """A folder with the programs that are everywhere, and no Python."""
    folder = tmp_path / "coreutils"
    folder.mkdir()
    for name in ("mkdir", "cat", "rm", "ls", "env"):
        (folder / name).symlink_to(f"/bin/{name}")
    return folder


IN_TOOL_CACHE = f"tools/Python/{VERSION}.9/x64/bin/python3"


@pytest.mark.parametrize(
    ("place", "tools"),
    [
        (f"path/python{VERSION}", "RUNNER_TOOL_CACHE"),
        ("path/python3", "RUNNER_TOOL_CACHE"),
        ("path/python", "RUNNER_TOOL_CACHE"),
        (IN_TOOL_CACHE, "RUNNER_TOOL_CACHE"),
        (IN_TOOL_CACHE, "AGENT_TOOLSDIRECTORY"),
    ],
)
def test_a_python_is_found(bare: Checkout, coreutils: Path, tmp_path: Path, place: str, tools: str) -> None:
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).symlink_to(BASE / f"python{VERSION}")
    environ = {"PATH": f"{coreutils}:{tmp_path / 'path'}", tools: str(tmp_path / "tools")}
    assert "is not a stage" in bare.launch("nothing", environ=environ).err


def test_the_python_of_the_installed_command_is_asked_first(bare: Checkout, coreutils: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.symlink_to(BASE / f"python{VERSION}")
    (coreutils / "python3.14").write_text("#!/bin/sh\nexec touch asked\n")
    (coreutils / "python3.14").chmod(0o755)
    environ = {"PATH": str(coreutils), "NOTEBOOK_CI_PYTHON": str(own)}
    assert "is not a stage" in bare.launch("nothing", environ=environ).err
    assert not (bare.home / "asked").exists()


def test_a_python_of_the_installed_command_that_does_not_fit_is_passed_over(bare: Checkout) -> None:
    """It may be a free-threaded build, or have been removed."""
    assert "is not a stage" in bare.launch("nothing", environ={"NOTEBOOK_CI_PYTHON": "/usr/bin/false"}).err


def test_without_python_one_sentence_says_what_to_install(bare: Checkout, coreutils: Path) -> None:
    here = bare.launch("demo", environ={"PATH": str(coreutils)})
    assert (here.code, here.out) == (3, "")
    assert here.err.startswith("error: No Python for the tools was found")
    assert "Install CPython 3.11, 3.12, 3.13 or 3.14" in here.err
    runner = bare.launch("demo", environ={"PATH": str(coreutils), "GITHUB_ACTIONS": "true"})
    assert (runner.code, runner.err) == (3, "")
    assert runner.out.startswith("::error title=notebook-ci::No Python")
    assert len(runner.out.splitlines()) == 1
    agent = bare.launch("demo", environ={"PATH": str(coreutils), "TF_BUILD": "True"})
    assert (agent.code, agent.err) == (3, "")
    assert agent.out.startswith("##vso[task.logissue type=error;]No Python")


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
        ({"TF_BUILD": "True", "AGENT_TEMPDIRECTORY": "temp"}, "temp/notebook-ci-tools"),
    ],
)
def test_the_cache_folder(bare: Checkout, tmp_path: Path, environ: dict[str, str], place: str) -> None:
    folders = {name: value if value in {"true", "True"} else str(tmp_path / value) for name, value in environ.items()}
    assert bare.launch("nothing", environ={"NOTEBOOK_CI_CACHE": "", **folders}).code == 2
    assert (tmp_path / place / "pythons").is_file()
