"""Which projects are not packages, as far as their files say."""

from pathlib import Path

import pytest

from notebook_ci.base import lock_search, locks
from notebook_ci.base.errors import InputError
from notebook_ci.build_image import packages
from notebook_ci.records.setup_env import SetupEnvRecord
from notebook_ci.setup_env import faults
from notebook_ci.tools.installing import install_arguments

PROJECT = '[project]\nname = "my-study"\nversion = "1"\ndependencies = ["six"]\n'
SETUPTOOLS = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
HATCH = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
POETRY = '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n'
UV_BUILD = '[build-system]\nrequires = ["uv_build"]\nbuild-backend = "uv_build"\n'
OFF = "[tool.poetry]\npackage-mode = false\n"


def write(folder: Path, text: str, files: str = "") -> locks.Lock:
    (folder / "pyproject.toml").write_text(PROJECT + text)
    for name in files.split():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return locks.find("pyproject.toml", folder)


@pytest.mark.parametrize(
    ("text", "files", "is_package"),
    [
        (SETUPTOOLS, "", True),
        (SETUPTOOLS, "one/a.py", True),
        (SETUPTOOLS, "one/a.py two/b.py", False),
        (SETUPTOOLS, "one/a.py two/b.csv", False),
        (SETUPTOOLS, "one/a.py tests/b.py docs/c.md .git/d my-data/e _x/f scripts/g.py", True),
        (SETUPTOOLS, "one/a.py two/b.py src/x/c.py", True),
        (SETUPTOOLS, "one/a.py two/b.py setup.py", True),
        (SETUPTOOLS, "one/a.py two/b.py setup.cfg", True),
        (SETUPTOOLS + '[tool.setuptools]\npackages = ["one"]\n', "one/a.py two/b.py", True),
        (SETUPTOOLS + "[tool.setuptools.packages.find]\n", "one/a.py two/b.py", True),
        (SETUPTOOLS, "one.py", True),
        (SETUPTOOLS, "one.py two.py", False),
        (SETUPTOOLS, "one.py conftest.py noxfile.py", True),
        ("[build-system]\nrequires = []\n", "one/a.py two/b.py", False),
        (HATCH, "one/a.py", False),
        (HATCH, "my_study/__init__.py", True),
        (HATCH, "src/my_study/__init__.py", True),
        (HATCH, "My_Study/__init__.py", True),
        (HATCH, "my_study.py", True),
        (HATCH, "space/my_study/__init__.py", True),
        (HATCH + '[tool.hatch.build.targets.wheel]\npackages = ["one"]\n', "one/a.py", True),
        (HATCH, "one/a.py hatch.toml", True),
        (UV_BUILD, "", True),
        (POETRY, "my-study/a.py study/b.py", False),
        (POETRY, "my_study/__init__.py", True),
        (POETRY, "src/my_study.py", True),
        (POETRY + '[[tool.poetry.packages]]\ninclude = "study"\n', "", True),
        (SETUPTOOLS + "[tool.pdm]\ndistribution = false\n", "one/a.py", False),
        (SETUPTOOLS + '[tool.pdm]\npackage-type = "application"\n', "one/a.py", False),
        (SETUPTOOLS + '[tool.pdm]\npackage-type = "library"\n', "one/a.py", True),
        (POETRY + OFF, "my_study/__init__.py", False),
        (SETUPTOOLS + "[tool.uv]\npackage = false\n", "one/a.py", False),
    ],
)
def test_what_the_files_say(tmp_path: Path, text: str, files: str, *, is_package: bool) -> None:
    lock = write(tmp_path, text, files)
    assert (lock.why_not_a_package == "", lock.installs_project) == (is_package, is_package)
    arguments = install_arguments(lock, "python", lock.path, tmp_path)
    assert arguments[-2:] == (["--editable", tmp_path] if is_package else ["--requirements", lock.path])
    locks.check(lock)


def test_dependencies_that_only_poetry_reads_are_not_dropped(tmp_path: Path) -> None:
    lock = write(tmp_path, POETRY + OFF + '[tool.poetry.dependencies]\npython = "^3.11"\nsix = "*"\n')
    locks.check(lock)
    lock.path.write_text(lock.path.read_text().replace('dependencies = ["six"]\n', ""))
    with pytest.raises(InputError, match=r"needs its lock, `poetry\.lock`"):
        locks.check(lock)


MULTIPLE = "error: Multiple top-level packages discovered in a flat-layout: ['beta', 'alpha']."


@pytest.mark.parametrize(
    ("built", "said", "is_other"),
    [
        ("{uri}", MULTIPLE, True),
        ("my-study @ {uri}", MULTIPLE, True),
        ("my-study @ {uri}", "ValueError: Unable to determine which files to ship inside the wheel", True),
        ("my-study @ {uri}", "  cause: Expected a Python module at: src/my_study/__init__.py", True),
        ("my-study @ {uri}", "ModuleOrPackageNotFoundError: No file/folder found for package my-study", True),
        ("my-study @ {uri}", "error: no README", False),
        ("other @ {uri}/lib", MULTIPLE, False),
        ("other==1", MULTIPLE, False),
    ],
)
def test_a_build_that_finds_no_package(tmp_path: Path, built: str, said: str, *, is_other: bool) -> None:
    lock = write(tmp_path, UV_BUILD)
    failed = f"error: Failed to build `{built.format(uri=tmp_path.as_uri())}`\n"
    output = f"{failed}  cause: The build backend returned an error\n  {said}\n"
    assert isinstance(faults.explain(output, lock), faults.NotAPackageError) is is_other
    only = locks.Lock(lock.workspace, lock.path, lock.kind, dependencies_only=True)
    assert not isinstance(faults.explain(output, only), faults.NotAPackageError), "it is tried once"


@pytest.mark.parametrize(
    "settings",
    [
        '[tool.uv.build-backend]\nmodule-name = "libb"\n',
        '[tool.hatch.build.targets.wheel]\npackages = ["libb"]\n',
        '[tool.setuptools]\npackages = ["libb"]\n',
        '[[tool.poetry.packages]]\ninclude = "libb"\n',
        '[tool.flit.module]\nname = "libb"\n',
    ],
)
def test_code_that_is_named_but_not_found_is_an_error(tmp_path: Path, settings: str) -> None:
    lock = write(tmp_path, UV_BUILD + settings)
    output = (
        f"error: Failed to build `my-study @ {tmp_path.as_uri()}`\n  cause: The build backend returned an error\n"
        "  cause: Expected a Python module at: src/libb/__init__.py\n"
    )
    error = faults.explain(output, lock)
    assert error
    assert not isinstance(error, faults.NotAPackageError)
    assert "the build failed" in error.message


@pytest.mark.parametrize("is_installed", [True, False])
def test_the_image_installs_the_project_if_setup_env_did(tmp_path: Path, *, is_installed: bool) -> None:
    write(tmp_path, UV_BUILD)
    installed = {"six": "1"} | ({"my-study": "1"} if is_installed else {})
    record = SetupEnvRecord(stage="setup-env", lock_file="pyproject.toml", packages=installed)
    found = packages.find("", record, tmp_path)
    assert found.lock.installs_project is is_installed
    assert ("--editable" in found.commands("uv", "/p", "/f")[0]) is is_installed


def test_setup_py_is_installed_editable(tmp_path: Path) -> None:
    (tmp_path / "setup.py").touch()
    (tmp_path / "setup.cfg").touch()
    lock = locks.find("", tmp_path)
    assert [path.name for path in lock.files()] == ["setup.py", "setup.cfg"]
    assert lock.builds_local_code
    assert not lock.fixes_versions
    [install, *_] = packages.find("", None, tmp_path).commands("uv", "/p", "work")
    assert install.endswith(" --editable work")
    with pytest.raises(InputError, match="which setup-env cannot install from") as caught:
        locks.find("setup.cfg", tmp_path)
    assert "`setup.py`" in caught.value.hint


@pytest.mark.parametrize("text", ["tool = 3", "tool = { poetry = 3 }", "build-system = 3", "project = 3"])
def test_a_value_that_is_not_a_table_is_no_bug(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"{text}\n")
    with pytest.raises(InputError, match=r"has no `\[project\]` table"):
        locks.check(locks.find("pyproject.toml", tmp_path))
    assert not lock_search.aside(tmp_path)
    lock_search.search(tmp_path, ())
    if "project" not in text:
        (tmp_path / "pyproject.toml").write_text(f"{text}\n{PROJECT}")
        locks.check(locks.find("pyproject.toml", tmp_path))
