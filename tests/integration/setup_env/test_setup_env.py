"""setup-env with each kind of lock; the public index is used where its upload times matter."""

import json
from pathlib import Path

import pytest

from integration.index_server import make_wheel
from integration.setup_env.shops import ONE, Shop, ask, installed
from integration.suite import PROJECT, Workspace, notebook

LOGIN = "someone:s3cret-pass"

# --- Each kind of lock


def test_hashed_requirements(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    done = shop.setup()
    assert (done.code, done.outputs["status"]) == (0, "passed"), done.log
    assert (installed(done), done.record["fixed"], done.record["added"]) == (ONE, True, {})
    assert done.outputs["lock-file"] == done.record["lock_file"] == "requirements.txt"
    assert done.outputs["python"] == str(shop.workspace.runner_temp / "notebook-ci-venv" / "bin" / "python")
    assert not done.annotations("notice")
    assert ask(done, "import nbone; print(nbone.VERSION)") == "1.0"
    assert done.record["read"].keys() == {"requirements.txt"}
    assert done.record["python_version"] == ask(done, "import platform; print(platform.python_version())")
    site = Path(ask(done, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    assert list((site / "__pycache__").glob("nbone.*.pyc")), "byte-compiled"
    log = shop.workspace.runner_temp / "notebook-ci" / "setup-env" / "install.log"
    assert "nbone==1.0" in log.read_text()
    assert not shop.workspace.leftovers()


def test_a_wrong_hash(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", shop.hashed("nbone") + f"nbtwo==1.0 --hash=sha256:{'0' * 64}\n")
    done = shop.setup()
    assert (done.code, done.outputs["status"], done.outputs["python"]) == (3, "error", "")
    [error] = done.annotations()
    assert error.message.startswith("The package `nbtwo==1.0` from the index differs from the one in the lock (by its")
    assert error.place == ("requirements.txt", 2)
    # What is half-made is not used, and not in the way.
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    again = shop.setup()
    assert (again.code, again.record["reused"], installed(again)) == (0, False, ONE)


def test_a_hashed_lock_without_the_hash_of_one(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", shop.hashed("nbone") + "nbtwo==1.0\n")
    done = shop.setup()
    assert done.code == 2
    assert done.annotations()[0].message.startswith(
        "`requirements.txt` has hashes, but not for every package: nbtwo==1.0"
    )


def test_plain_requirements_with_includes(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", "\ufeff-r more/base.txt\nipykernel\n")
    shop.workspace.write("more/base.txt", "nbone  # comment\n-c ../constraints.txt\n")
    shop.workspace.write("constraints.txt", "nbone==1.0\n")
    make_wheel(shop.index.folder, "nbone", "2.0")
    done = shop.setup()
    assert (done.code, installed(done), done.record["fixed"]) == (0, ONE, False), done.log
    assert done.record["read"].keys() == {"requirements.txt", "more/base.txt", "constraints.txt"}


def test_uv_lock(shop: Shop) -> None:
    shop.workspace.write("pyproject.toml", PROJECT.format('"nbone"'))
    shop.uv("lock")
    make_wheel(shop.index.folder, "nbone", "2.0")
    done = shop.setup()
    assert (done.code, installed(done)) == (0, ONE), done.log
    assert done.record["added"] == {"ipykernel": "1.0"}
    [added] = done.annotations("notice")
    assert added.message == (
        "ipykernel 1.0 was added to the environment: `uv.lock` does not list it. Add it there to fix its version."
    )
    assert added.place[0] == "uv.lock"
    again = shop.setup()
    assert (again.record["reused"], again.record["added"]) == (True, {"ipykernel": "1.0"})
    assert again.outputs["env-digest"] == done.outputs["env-digest"]
    # Stale: the project asks for more than was locked.
    shop.workspace.write("pyproject.toml", PROJECT.format('"nbone", "nbtwo"'))
    stale = shop.setup()
    assert (stale.code, stale.outputs["status"]) == (2, "error")
    what, hint = "`uv.lock` no longer matches its `pyproject.toml`.", "Run `uv lock`, and commit the new `uv.lock`."
    assert stale.annotations()[0].message == f"{what} {hint}"
    # It is installed on request only: with a warning each time, and never reused by those who did not request it.
    for _ in range(2):
        allowed = shop.setup(frozen="false")
        assert (allowed.code, installed(allowed), allowed.record["reused"]) == (0, ONE, False), allowed.log
        [warning] = allowed.annotations("warning")
        assert warning.message == f"{what} It is installed as it is, because `frozen` is `false`. {hint}"
    assert shop.setup().code == 2


@pytest.mark.parametrize("name", ["pylock.toml", "pylock.dev.toml"])
def test_pylock(shop: Shop, name: str) -> None:
    shop.workspace.write("in.in", "nbone\nipykernel\n")
    shop.uv("pip", "compile", "--quiet", "--format", "pylock.toml", "in.in", "-o", name)
    make_wheel(shop.index.folder, "nbone", "2.0")
    done = shop.setup(requirements=name)
    assert (done.code, installed(done), done.record["fixed"]) == (0, ONE, True), done.log
    assert shop.setup(requirements=name).record["reused"]


def test_pyproject_without_a_build_system(shop: Shop) -> None:
    shop.workspace.write("pyproject.toml", PROJECT.format('"nbone", "ipykernel"'))
    done = shop.setup()
    assert (done.code, installed(done)) == (0, ONE), done.log
    [notice] = done.annotations("notice")
    assert notice.message == (
        "`pyproject.toml` does not fix all versions by hash: another day may bring other packages. To fix them, run "
        "`uv lock`, and commit `uv.lock`."
    )


BACKEND = """
import zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    info = "study-1.dist-info"
    with zipfile.ZipFile(f"{folder}/study-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("study.pth", SOURCE)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: study\\nVersion: 1\\nRequires-Dist: nbone\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return "study-1-py3-none-any.whl"
"""


def test_pyproject_with_a_build_system_is_installed_itself(shop: Shop) -> None:
    system = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    shop.workspace.write("pyproject.toml", PROJECT.format('"nbone"') + system)
    shop.workspace.write("backend.py", BACKEND.replace("SOURCE", repr(str(shop.workspace.folder / "src") + "\n")))
    shop.workspace.write("src/study.py", "NAME = 'study'\n")
    done = shop.setup()
    assert (done.code, installed(done)) == (0, {**ONE, "study": "1"}), done.log
    assert ask(done, "import study; print(study.NAME)") == "study"


def test_what_fixes_versions_is_taken_first(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    shop.workspace.write("requirements-dev.txt", "not-there\n")
    shop.workspace.write("pyproject.toml", PROJECT.format('"not-there"'))
    done = shop.setup()
    assert (done.code, done.outputs["lock-file"]) == (0, "requirements.txt"), done.log
    assert done.annotations("notice")[0].message == (
        "Packages come from `requirements.txt`, the usual file of pip. Not used: `pyproject.toml`, "
        "`requirements-dev.txt`. Set `requirements` to use another file."
    )


def test_an_ipykernel_of_the_locks_own_age(workspace: Workspace) -> None:
    """From the public index, which knows when files were uploaded: traitlets 5.9.0 is of January 2023."""
    workspace.write("requirements.txt", "traitlets==5.9.0\n")
    done = workspace.run("setup-env", {})
    assert done.code == 0, done.log
    packages = installed(done)
    assert packages["traitlets"] == "5.9.0"
    assert (6, 0) < tuple(map(int, packages["ipykernel"].split(".")[:2])) < (6, 22)
    assert done.record["added"]["ipykernel"] == packages["ipykernel"]
    assert done.record["added"].keys() == packages.keys() - {"traitlets"}
    workspace.write("a.ipynb", notebook("import traitlets\nprint(traitlets.__version__)"))
    executed = workspace.run("execute-notebook", {})
    assert (executed.code, executed.printed("a.ipynb")) == (0, "5.9.0\n"), executed.log
    assert executed.record["ipykernel_version"] == packages["ipykernel"]
    assert f"(setup-env: {done.outputs['python']})" in executed.log


# --- Where packages come from


@pytest.mark.parametrize("place", ["PIP_INDEX_URL", "pip.conf", "uv.toml", "UV_DEFAULT_INDEX"])
def test_the_users_index_is_asked_and_its_credentials_stay_secret(shop: Shop, place: str) -> None:
    shop.index.login = LOGIN
    url = shop.index.url(login=LOGIN)
    environ: dict[str, str | None] = {"UV_DEFAULT_INDEX": None, "PIP_INDEX_URL": None}
    match place:
        case "pip.conf":
            file, text = shop.workspace.home / ".config/pip/pip.conf", f"[global]\nindex-url = {url}\n"
            file.parent.mkdir(parents=True)
            file.write_text(text)
        case "uv.toml":
            shop.workspace.write("uv.toml", f'index-url = "{url}"\n')
        case name:
            environ[name] = url
    shop.workspace.write("requirements.txt", "nbone\nnot-there\n")
    failed = shop.setup(environ, slug="failed")
    assert failed.code == 3
    assert failed.annotations()[0].message.startswith("The package index has no package `not-there`. Check the name")
    shop.workspace.write("requirements.txt", "nbone\nipykernel\n")
    done = shop.setup(environ)
    assert (done.code, installed(done)) == (0, ONE), done.log
    assert shop.index.logins == {LOGIN}
    shown = [done.log, failed.log, done.summary, failed.summary, json.dumps([done.outputs, failed.outputs])]
    written = [path for path in shop.workspace.runner_temp.rglob("*") if path.is_file() and not path.is_symlink()]
    assert any(path.name == "install.log" for path in written)
    assert not [text for text in shown if "s3cret" in text]
    assert not [path for path in written if b"s3cret" in path.read_bytes()]


def test_requirements_that_name_an_index_with_credentials(shop: Shop) -> None:
    shop.index.login = LOGIN
    url = shop.index.url(login=LOGIN)
    shop.workspace.write("requirements.txt", f"--index-url {url}\nnbone\nnot-there\n")
    done = shop.setup({"UV_DEFAULT_INDEX": None})
    assert done.code == 3
    written = [path for path in shop.workspace.runner_temp.rglob("*") if path.is_file() and not path.is_symlink()]
    assert "s3cret" not in done.log + done.summary
    assert not [path for path in written if b"s3cret" in path.read_bytes()]


# --- From a shell


def test_from_a_shell(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", "nbone\n")
    environ = shop.environ
    done = shop.workspace.run("setup-env", flags=["--slug", "x"], environ=environ)
    assert done.code == 0, done.log
    assert (shop.workspace.folder / ".notebook-ci" / "venv-x" / "bin" / "python").exists()
    assert "requirements.txt: ipykernel 1.0 was added" in done.log
    assert not done.commands
