"""UTF-16 lists, editable packages from git, projects that are not packages, lists in other places."""

import os
import subprocess
from pathlib import Path

import pytest

from integration.local_package import local_package
from integration.setup_env.shops import ONE, Shop, ask, installed
from integration.suite import PROJECT

FROM_GIT = {**ONE, "local": "1"}


def git_repository(shop: Shop) -> str:
    """Return the URL of a git repository with the package `local` in its folder `pkg`."""
    local_package(shop.workspace, "from git")
    folder = shop.workspace.base / "upstream"
    (shop.workspace.folder / "pkg").rename(folder)
    identity = ["-c", "user.name=x", "-c", "user.email=x@y"]
    for arguments in (["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "--message", "x"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return f"git+{folder.as_uri()}"


def utf16(text: str) -> bytes:
    """Return what PowerShell 5.1 writes with `>`."""
    return text.replace("\n", "\r\n").encode("utf-16")


def test_utf16_as_powershell_writes_it(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", utf16("-r more.txt\n" + shop.hashed("nbone")))
    shop.workspace.write("more.txt", utf16(shop.hashed("ipykernel")))
    done = shop.setup()
    assert (done.code, installed(done), done.record["fixed"]) == (0, ONE, True), done.log
    assert shop.setup().record["reused"]
    shop.workspace.write("requirements.txt", utf16("nbone\n\nsix=>1\n"))
    failed = shop.setup()
    assert (failed.code, failed.annotations()[0].place) == (2, ("requirements.txt", 3)), failed.log


def test_packages_from_git_are_not_editable(shop: Shop) -> None:
    url = git_repository(shop)
    shop.workspace.write("requirements.txt", "ipykernel\n-r sub/more.txt\n")
    shop.workspace.write("sub/more.txt", utf16(f"-c ../limits.txt\nnbone\n-e {url}#egg=local  # why\n"))
    shop.workspace.write("limits.txt", "nbone<2\n")
    done = shop.setup()
    assert (done.code, installed(done)) == (0, FROM_GIT), done.log
    assert ask(done, "import local; print(local.CODE)") == "from git"
    notice = done.annotations("notice")[0]
    assert notice.message == (
        "`sub/more.txt`, line 3: uv installs packages from git as copies without `-e`, and by `https://` instead of `git://`."
    )
    assert notice.place == ("sub/more.txt", 3)
    # A constraint counts: its path starts from the file that names it.
    shop.workspace.write("limits.txt", "nbone<1\n")
    assert shop.setup().code == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nbone=>1", "A requirement is not valid: no such comparison operator"),
        ("--frobnicate", "A line is not valid: Unexpected '-'"),
        ("-e https://127.0.0.1:9/x.zip", "An editable requirement (`-e`) is not possible here: Remote archives"),
        ("-e hg+https://127.0.0.1:9/x#egg=y", "A requirement is not valid: Unsupported URL prefix `hg`"),
        ("nbonne", "The package index has no package `nbonne`."),
        ("x @ {url}@v9", "The git repository of `x` has no branch, tag or commit `v9`. Correct what follows"),
        ("x @ http://127.0.0.1:9/x-1-py3-none-any.whl", "`x` cannot be downloaded from `http://127.0.0.1:9/x-1-py3-"),
    ],
)
def test_an_error_beside_a_package_from_git_has_its_place(shop: Shop, line: str, message: str) -> None:
    shop.workspace.write("requirements.txt", "ipykernel\n-r sub/more.txt\nnbtwo\n")
    url = git_repository(shop)
    shop.workspace.write("sub/more.txt", f"# ü\n-e {url}\n\n{line.format(url=url)}\n")
    done = shop.setup()
    [error] = done.annotations()
    assert error.message.startswith(message), done.log
    assert error.place == ("sub/more.txt", 4)


def test_an_editable_constraint_is_refused(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", "nbone\n-c c.txt\n")
    shop.workspace.write("c.txt", "\n-e git+https://127.0.0.1:9/x\n")
    done = shop.setup()
    assert done.annotations()[0].message == "A constraint cannot be editable (`-e`). Remove `-e`."
    assert (done.code, done.annotations()[0].place) == (2, ("c.txt", 2))


def test_credentials_of_a_git_repository_stay_secret(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", "-e git+http://user:s3cret-value@127.0.0.1:9/x#egg=x\n")
    done = shop.setup()
    assert done.code == 3, done.log
    assert done.annotations("notice")
    written = [path for path in shop.workspace.runner_temp.rglob("*") if path.is_file() and not path.is_symlink()]
    assert "s3cret-value" not in done.log + done.summary
    assert not [path for path in written if b"s3cret-value" in path.read_bytes()]


# --- Projects

BUILD = '[build-system]\nrequires = ["{}"]\nbuild-backend = "{}"\n'


@pytest.mark.parametrize(
    ("build", "more", "reason"),
    [
        (("setuptools", "setuptools.build_meta"), "", "setuptools cannot choose between `data`, `notebooks`"),
        (("hatchling", "hatchling.build"), "", "no folder has its name, `study`"),
        (
            ("poetry-core", "poetry.core.masonry.api"),
            "[tool.poetry]\npackage-mode = false\n",
            "`package-mode` of `[tool.poetry]` is `false`",
        ),
    ],
)
def test_a_project_that_is_not_a_package(shop: Shop, build: tuple[str, str], more: str, reason: str) -> None:
    """The index of this test has no build backend: nothing is built."""
    project = PROJECT.format('"nbone", "ipykernel"')
    shop.workspace.write("pyproject.toml", f"{project}{BUILD.format(*build)}{more}")
    shop.workspace.write("notebooks/a.py", "")
    shop.workspace.write("data/a.csv", "")
    done = shop.setup()
    assert (done.code, installed(done)) == (0, ONE), done.log
    notice = done.annotations("notice")[0]
    assert notice.message.startswith(
        f"Only the dependencies of the project in `pyproject.toml` are installed, not the project: {reason}."
    )


def with_backends(shop: Shop) -> dict[str, str | None]:
    """Return the settings of an index that has build backends, too."""
    return {"UV_DEFAULT_INDEX": os.environ.get("UV_DEFAULT_INDEX"), "UV_INDEX": shop.index.url()}


def test_a_build_that_finds_no_package(shop: Shop) -> None:
    build = BUILD.format("uv_build", "uv_build")
    shop.workspace.write("pyproject.toml", PROJECT.format('"nbone", "ipykernel"') + build)
    done = shop.setup(with_backends(shop))
    assert (done.code, installed(done)) == (0, ONE), done.log
    notice = done.annotations("notice")[0]
    assert "are installed, not the project: its build finds no code to package." in notice.message
    # Another fault of the build remains a fault.
    shop.workspace.write("pyproject.toml", PROJECT.format('"nbone"') + BUILD.format("uv_build", "uv_built"))
    shop.workspace.write("study/__init__.py", "")
    assert shop.setup(with_backends(shop)).code == 3


def test_setup_py(shop: Shop) -> None:
    listed = 'setup(name="study", version="1", py_modules=["study"], install_requires=["nbone"])'
    shop.workspace.write("setup.py", f"from setuptools import setup\n{listed}\n")
    shop.workspace.write("study.py", "NAME = 'study'\n")
    done = shop.setup(with_backends(shop))
    assert (done.code, installed(done)) == (0, {**ONE, "study": "1"}), done.log
    assert Path(ask(done, "import study; print(study.__file__)")) == shop.workspace.folder / "study.py"


@pytest.mark.parametrize("name", ["binder/requirements.txt", "work/reqs.txt", "Requirements.txt"])
def test_a_list_elsewhere(shop: Shop, name: str) -> None:
    shop.workspace.write(name, "nbone\nipykernel\n")
    done = shop.setup()
    assert (done.code, installed(done), done.outputs["lock-file"]) == (0, ONE, name), done.log
    notice = done.annotations("notice")[0]
    assert notice.message.startswith(f"Packages come from `{name}`, ")


def test_a_list_of_nothing_is_a_warning(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", "# to do\n")
    done = shop.setup()
    assert (done.code, installed(done)) == (0, {"ipykernel": "1.0"}), done.log
    assert done.annotations("warning")[0].message == (
        "`requirements.txt` lists no packages: it installs nothing. Add the packages there."
    )


def test_a_list_of_packages_for_other_platforms_is_refused(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", "nbone; sys_platform == 'x'\n")
    done = shop.setup()
    assert done.code == 2, done.log
    (error,) = done.annotations()
    assert error.message.startswith("No package of `requirements.txt` is for Python 3.")
    assert error.place == ("requirements.txt", 0)
