"""setup-env with real Pythons, the real uv, and a package index on loopback; the public one where its ages matter."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from integration.index_server import IndexServer, digest, make_wheel, serve
from integration.local_package import local_package
from integration.suite import PATH, PROJECT, PYTHON, ROOT, Done, Workspace, notebook, only_tools

LOGIN = "someone:s3cret-pass"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[IndexServer]:
    """An index with packages that are made in milliseconds; ipykernel is one of them."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, version in (("nbone", "1.0"), ("nbtwo", "1.0"), ("ipykernel", "1.0")):
        make_wheel(folder, name, version)
    with serve(IndexServer(folder)) as server:
        yield server


class Shop:
    """A workspace whose packages come from the index on loopback."""

    def __init__(self, workspace: Workspace, index: IndexServer) -> None:
        self.workspace, self.index = workspace, index
        self.environ: dict[str, str | None] = {
            "UV_DEFAULT_INDEX": index.url(),
            "UV_CACHE_DIR": str(workspace.base / "uv"),
        }

    def setup(self, environ: Mapping[str, str | None] | None = None, **inputs: str) -> Done:
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        return self.workspace.run("setup-env", given, environ={**self.environ, **(environ or {})})

    def hashed(self, *names: str) -> str:
        """Return a hashed lock of packages of the index."""
        wheels = (next(self.index.folder.glob(f"{name}-*.whl")) for name in names)
        return "".join(f"{w.name.split('-')[0]}=={w.name.split('-')[1]} --hash=sha256:{digest(w)}\n" for w in wheels)

    def uv(self, *arguments: str) -> None:
        """Run the uv of the tool environment in the workspace."""
        launch = ["/bin/bash", str(ROOT / "scripts" / "launch.sh"), "--env", "setup-env", "--exec", "uv"]
        env = {**self.workspace.environ, **{name: value for name, value in self.environ.items() if value}}
        subprocess.run([*launch, *arguments], cwd=self.workspace.folder, env=env, check=True, capture_output=True)


@pytest.fixture
def shop(workspace: Workspace, index: IndexServer) -> Shop:
    return Shop(workspace, index)


def installed(done: Done) -> dict[str, str]:
    return dict(done.record["packages"])


def ask(done: Done, source: str) -> str:
    """Have the environment's Python answer."""
    python = done.outputs["python"]
    return subprocess.run([python, "-I", "-c", source], capture_output=True, text=True, check=True).stdout.strip()


ONE = {"ipykernel": "1.0", "nbone": "1.0"}

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
    assert error.message.startswith(
        "The packages of requirements.txt could not be installed: a package from the index is not the one that the "
        "lock names (its hash differs)."
    )
    assert "nbtwo" in done.log, "uv's own words, fenced, name the package"
    # What is half-made is not used, and not in the way.
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    again = shop.setup()
    assert (again.code, again.record["reused"], installed(again)) == (0, False, ONE)


def test_a_hashed_lock_without_the_hash_of_one(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", shop.hashed("nbone") + "nbtwo==1.0\n")
    done = shop.setup()
    assert done.code == 2
    assert done.annotations()[0].message.startswith(
        "requirements.txt has hashes, but not for every package: nbtwo==1.0"
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
    [used, added] = done.annotations("notice")
    assert used.message == "Packages come from uv.lock. Not used: pyproject.toml."
    assert added.message == (
        "ipykernel 1.0 was added to the environment, because uv.lock has none. Add it there to fix its version."
    )
    assert added.place[0] == "uv.lock"
    again = shop.setup()
    assert (again.record["reused"], again.record["added"]) == (True, {"ipykernel": "1.0"})
    assert again.outputs["env-digest"] == done.outputs["env-digest"]
    # Stale: the project asks for more than was locked.
    shop.workspace.write("pyproject.toml", PROJECT.format('"nbone", "nbtwo"'))
    stale = shop.setup()
    assert (stale.code, stale.outputs["status"]) == (2, "error")
    assert stale.annotations()[0].message == (
        "uv.lock does not fit its pyproject.toml any more. Run `uv lock`, and commit the new uv.lock."
    )


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
    assert not done.annotations("notice")


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
        "Packages come from requirements.txt. Not used: requirements-dev.txt, pyproject.toml."
    )


def test_an_ipykernel_of_the_locks_own_age(workspace: Workspace) -> None:
    """From the public index, which tells when files were uploaded: traitlets 5.9.0 is of January 2023."""
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


# --- Used again, or made anew


def test_a_whole_environment_is_used_again(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    first = shop.setup()
    asked = len(shop.index.asked)
    second = shop.setup()
    assert (second.code, second.record["reused"], installed(second)) == (0, True, ONE)
    assert second.outputs["env-digest"] == first.outputs["env-digest"]
    assert second.outputs["record"].endswith("setup-env-2.json")
    assert len(shop.index.asked) == asked, "no index was asked"


def copied_python(folder: Path) -> Path:
    """Make another installation of the Python of these tests: the program copied, its library linked.

    Its name has no version, so the launcher keeps to the other one for the tools.
    """
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / "python"
    shutil.copy(os.path.realpath(PYTHON), program)
    prefix = Path(os.path.realpath(PYTHON)).parents[1]
    for library in ("lib", "lib64"):
        if (prefix / library).exists():
            (folder / library).symlink_to(prefix / library)
    return program


@pytest.mark.parametrize("change", ["package removed", "package added", "lock", "python", "half-made", "emptied"])
def test_a_changed_one_is_made_anew(shop: Shop, change: str) -> None:
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    first = shop.setup()
    venv = Path(first.outputs["python"]).parents[1]
    site = Path(ask(first, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    environ, expected = {}, ONE
    match change:
        case "package removed":
            shutil.rmtree(site / "nbone-1.0.dist-info")
        case "package added":
            shutil.copytree(site / "nbone-1.0.dist-info", site / "odd-3.dist-info")
            metadata = site / "odd-3.dist-info" / "METADATA"
            metadata.write_text(metadata.read_text().replace("nbone", "odd"))
        case "lock":
            shop.workspace.write("requirements.txt", shop.hashed("nbone", "nbtwo", "ipykernel"))
            expected = {**ONE, "nbtwo": "1.0"}
        case "python":
            environ = {"PATH": f"{copied_python(shop.workspace.base / 'other').parent}:{PATH}"}
        case "half-made":
            (venv / "notebook-ci.json").write_text("{}\n")
        case "emptied":
            shutil.rmtree(venv / "bin")
    second = shop.setup(environ)
    said = f"Files in {venv} have changed since setup-env made it: it is made again."
    assert (said in second.log) == (change not in {"lock", "python", "half-made"})
    assert (second.code, second.record["reused"], installed(second)) == (0, False, expected), second.log
    assert ask(second, "import nbone; print(nbone.VERSION)") == "1.0"
    if change == "python":
        assert ask(second, "import sys; print(sys.base_prefix)") == str(shop.workspace.base / "other")
    assert (second.outputs["env-digest"] == first.outputs["env-digest"]) == (expected == ONE)


def rewrite(path: Path) -> None:
    """Replace the version in a file, which keeps its size and its times: byte-code may still be there for it."""
    before = path.stat()
    content = path.read_bytes()
    path.unlink()  # uv's cache may have the same file
    path.write_bytes(content.replace(b"1.0", b"6.6"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", ["file", "byte-code", "file added", "link"])
def test_one_with_a_changed_file_is_made_anew(shop: Shop, change: str) -> None:
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    first = shop.setup()
    module = Path(ask(first, "import nbone; print(nbone.__file__)"))
    [compiled] = module.parent.glob("__pycache__/nbone.*")
    match change:
        case "file":
            rewrite(module)
            compiled.unlink()
        case "byte-code":
            rewrite(compiled)
        case "file added":
            (module.parent / "x.pth").write_text("import nbone; nbone.VERSION = '6.6'\n")
        case "link":
            outside = shop.workspace.base / "nbone.py"
            outside.write_text("VERSION = '6.6'\n")
            module.unlink()
            module.symlink_to(outside)
    assert ask(first, "import nbone; print(nbone.VERSION)") == "6.6", "the change is one that counts"
    second = shop.setup()
    assert (second.record["reused"], ask(second, "import nbone; print(nbone.VERSION)")) == (False, "1.0")
    [notice] = second.annotations("notice")
    venv = Path(first.outputs["python"]).parents[1]
    assert notice.message == f"Files in {venv} have changed since setup-env made it: it is made again."


def test_one_from_a_cache_is_used_again(shop: Shop) -> None:
    """Its files are the same, with other times. A file that was changed on the way is found."""
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    venv = Path(shop.setup().outputs["python"]).parents[1]
    kept = venv.rename(venv.with_name("kept"))
    shutil.copytree(kept, venv, symlinks=True)
    for _ in range(2):
        assert shop.setup().record["reused"]
    shutil.rmtree(venv)
    [module] = kept.glob("lib/python*/site-packages/nbone.py")
    rewrite(module)
    shutil.copytree(kept, venv, symlinks=True)
    done = shop.setup()
    assert (done.record["reused"], ask(done, "import nbone; print(nbone.VERSION)")) == (False, "1.0")


def test_one_that_was_moved_is_made_anew(shop: Shop) -> None:
    """Its programs have its path in them."""
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    first = shop.setup(venv="first")
    Path(first.outputs["python"]).parents[1].rename(shop.workspace.folder / "second")
    second = shop.setup(venv="second")
    assert (second.code, second.record["reused"]) == (0, False), second.log
    program = shop.workspace.folder / "second" / "bin" / "nbone"
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == "1.0\n"


def test_a_file_that_was_edited_in_place_does_not_come_back_from_uvs_cache(shop: Shop) -> None:
    """uv links it to its cache: whoever edits one of the two edits both. The RECORD of the package tells."""
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    module = Path(ask(shop.setup(), "import nbone; print(nbone.__file__)"))
    if module.stat().st_nlink == 1:  # on disks where uv copies or clones
        [module] = (shop.workspace.base / "uv").glob("archive-v*/*/nbone.py")
    module.write_text(module.read_text().replace("1.0", "6.6"))
    for slug in ("", "other"):
        done = shop.setup(slug=slug)
        assert (done.code, ask(done, "import nbone; print(nbone.VERSION)")) == (0, "1.0"), done.log
        assert done.annotations("notice")[-1].message == (
            "Files of nbone in uv's cache are not the original ones, so all packages are downloaded again. "
            "Run `uv cache clean` to mend it."
        )
        assert shop.setup(slug=slug).record["reused"]


# --- Code of the repository itself

EDITABLE = """
import os, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    info = "study-1.dist-info"
    with zipfile.ZipFile(f"{folder}/study-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("study.pth", os.path.abspath("src") + "\\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: study\\nVersion: 1\\nRequires-Dist: nbone\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return "study-1-py3-none-any.whl"
"""


@pytest.fixture
def editable(shop: Shop) -> Shop:
    """A repository whose uv.lock has `source = { editable = "." }`."""
    system = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    shop.workspace.write("pyproject.toml", PROJECT.format('"nbone"') + system)
    shop.workspace.write("backend.py", EDITABLE)
    shop.workspace.write("src/study.py", "NAME = 'one'\n")
    shop.uv("lock")
    assert 'editable = "."' in (shop.workspace.folder / "uv.lock").read_text()
    return shop


def copied(workspace: Workspace) -> None:
    """Go on in a copy of the workspace that has other code: `cp -r one two`."""
    copy = workspace.base / "two"
    shutil.copytree(workspace.folder, copy, symlinks=True)
    workspace.folder = copy
    workspace.write("src/study.py", "NAME = 'two'\n")


def test_a_copy_of_the_workspace_runs_its_own_code(editable: Shop) -> None:
    workspace = editable.workspace
    first = workspace.run("setup-env", environ=editable.environ)
    assert first.code == 0, first.log
    one = workspace.folder / ".notebook-ci" / "venv"
    assert "reused" in workspace.run("setup-env", environ=editable.environ).log
    copied(workspace)
    workspace.write("a.ipynb", notebook("import study\nprint(study.NAME)"))
    refused = workspace.run("execute-notebook")
    two = workspace.folder / ".notebook-ci" / "venv"
    assert refused.code == 3
    said = f"The environment {two} was created as {one}, and would run the code that is there."
    assert f"{said} Run setup-env here, or delete the environment." in " ".join(refused.log.split())
    done = workspace.run("setup-env", environ=editable.environ)
    assert (done.code, "reused" in done.log) == (0, False), done.log
    asked = [str(two / "bin" / "python"), "-I", "-c", "import study; print(study.NAME)"]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == "two\n"


def cache_key(shop: Shop, venv: str) -> str:
    return shop.workspace.run("setup-env", {"venv": venv}, flags=["--name-cache"], environ=shop.environ).outputs["key"]


def test_another_workspace_with_the_same_environment_folder_runs_its_own_code(editable: Shop) -> None:
    """As with a fixed `venv` that a cache brings to another checkout."""
    venv = str(editable.workspace.base / "venv")
    first = editable.setup(venv=venv)
    assert (first.code, ask(first, "import study; print(study.NAME)")) == (0, "one"), first.log
    key = cache_key(editable, venv)
    copied(editable.workspace)
    second = editable.setup(venv=venv)
    assert (second.record["reused"], ask(second, "import study; print(study.NAME)")) == (False, "two"), second.log
    assert editable.setup(venv=venv).record["reused"]
    assert cache_key(editable, venv) != key


def test_a_local_package_that_is_built_in_another_way_is_built_again(shop: Shop) -> None:
    system = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    member = PROJECT.format('"nbone"') + system
    shop.workspace.write("pkg/pyproject.toml", member)
    shop.workspace.write("pkg/backend.py", EDITABLE)
    shop.workspace.write("pkg/src/study.py", "NAME = 'old'\n")
    source = '[tool.uv.sources]\nstudy = { path = "pkg", editable = true }\n'
    shop.workspace.write("pyproject.toml", PROJECT.replace("study", "root").format('"study"') + source)
    shop.uv("lock")
    first = shop.setup()
    assert (first.code, ask(first, "import study; print(study.NAME)")) == (0, "old"), first.log
    assert "pkg/pyproject.toml" in first.record["read"]
    assert shop.setup().record["reused"]
    # Its code moves, and only its own pyproject.toml says that it is to be installed in another way.
    shop.workspace.write("pkg/backend.py", EDITABLE.replace('"src"', '"lib"'))
    shop.workspace.write("pkg/lib/study.py", "NAME = 'new'\n")
    shop.workspace.write("pkg/pyproject.toml", f"{member}# lib\n")
    second = shop.setup()
    assert (second.code, ask(second, "import study; print(study.NAME)")) == (0, "new"), second.log


@pytest.mark.parametrize("text", ["./pkg\n", "local @ file:pkg\n"])
def test_requirements_with_local_code_install_it_as_it_is_now(workspace: Workspace, text: str) -> None:
    """uv has a build of it in its cache, and would take that as long as its pyproject.toml is the same."""
    local_package(workspace, "old")
    workspace.write("requirements.txt", f"ipykernel\n{text}")
    for now in ("old", "new"):
        workspace.write("pkg/code.txt", now)
        done = workspace.run("setup-env", {})
        assert (done.code, ask(done, "import local; print(local.CODE)")) == (0, now), done.log


def test_where_a_new_one_fails_the_old_one_stays(shop: Shop) -> None:
    lock = shop.hashed("nbone", "ipykernel")
    shop.workspace.write("requirements.txt", lock)
    first = shop.setup()
    shop.workspace.write("requirements.txt", "nbnoe==1.0\n")
    failed = shop.setup()
    assert (failed.code, failed.outputs["status"], failed.outputs["python"]) == (3, "error", "")
    assert ask(first, "import nbone; print(nbone.VERSION)") == "1.0"
    shop.workspace.write("requirements.txt", lock)
    assert shop.setup().record["reused"]


def test_what_a_killed_job_did_not_come_to_remove_replaces_nothing(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    first = shop.setup()
    venv = Path(first.outputs["python"]).parents[1]
    (venv.with_name(".notebook-ci-venv.notebook-ci-before") / "half").mkdir(parents=True)
    shop.workspace.write("requirements.txt", "nbnoe==1.0\n")
    assert shop.setup().code == 3
    assert ask(first, "import nbone; print(nbone.VERSION)") == "1.0"


def test_what_a_killed_job_has_set_aside_is_taken_away(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    venv = Path(shop.setup().outputs["python"]).parents[1]
    before = venv.rename(venv.with_name(".notebook-ci-venv.notebook-ci-before"))
    venv.mkdir()
    (venv / "notebook-ci.json").write_text("{}\n")
    done = shop.setup()
    assert (done.code, installed(done)) == (0, ONE)
    assert not before.exists()


def test_plain_requirements_are_never_stale(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", "nbone\nipykernel\n")
    first = shop.setup()
    make_wheel(shop.index.folder, "nbone", "2.0")
    second = shop.setup()
    assert (installed(first)["nbone"], installed(second)["nbone"]) == ("1.0", "2.0")
    assert not second.record["reused"]
    assert second.outputs["env-digest"] != first.outputs["env-digest"]


def test_the_digest_is_that_of_the_content(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    shop.workspace.write("plain.txt", "ipykernel\nnbone==1.0\n")
    first, second = shop.setup(), shop.setup(venv="elsewhere/venv", requirements="plain.txt", slug="b")
    assert second.outputs["python"] == str(shop.workspace.folder / "elsewhere/venv/bin/python")
    assert first.outputs["env-digest"] == second.outputs["env-digest"]
    make_wheel(shop.index.folder, "nbone", "1.1")
    shop.workspace.write("plain.txt", "ipykernel\nnbone==1.1\n")
    third = shop.setup(requirements="plain.txt", slug="c")
    assert third.outputs["python"].endswith("notebook-ci-venv-c/bin/python")
    assert third.outputs["env-digest"] != first.outputs["env-digest"]
    assert len(third.outputs["env-digest"]) == 64


@pytest.mark.parametrize("what", ["folder", "venv", "file", "dangling link"])
def test_a_folder_that_is_not_ours_is_refused(shop: Shop, what: str) -> None:
    shop.workspace.write("requirements.txt", "ipykernel\n")
    target = shop.workspace.folder / "mine"
    match what:
        case "folder":
            shop.workspace.write("mine/thesis.txt", "years of work\n")
        case "venv":
            subprocess.run([PYTHON, "-m", "venv", "--without-pip", target], check=True)
        case "file":
            target.write_text("x")
        case "dangling link":
            target.symlink_to("nowhere")
    before = sorted(map(str, target.rglob("*")))
    done = shop.setup(venv="mine")
    assert done.code == 2
    assert done.annotations()[0].message == (
        f"venv is {target}, which is there and was not made by setup-env. "
        "Name another folder with the input venv, or delete it."
    )
    assert sorted(map(str, target.rglob("*"))) == before
    assert not shop.index.asked


# --- Which Python


def test_the_python_of_the_runner_is_not_touched(shop: Shop) -> None:
    def listing() -> list[str]:
        root = Path(sysconfig.get_path("purelib", vars={"base": sys.base_prefix}))
        return sorted(f"{path} {path.stat().st_mtime_ns}" for path in root.parent.glob("site-packages/*"))

    before = listing()
    shop.workspace.write("requirements.txt", "nbone\nipykernel\n")
    venv = shop.workspace.base / "active"
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", venv], check=True)
    active = sorted(map(str, venv.rglob("*")))
    environ = {
        "pythonLocation": sys.base_prefix,
        "VIRTUAL_ENV": str(venv),
        "UV_SYSTEM_PYTHON": "1",
        "UV_PROJECT_ENVIRONMENT": str(venv),
        "CONDA_PREFIX": str(venv),
        "UV_PYTHON": str(PYTHON),
    }
    done = shop.setup(environ)
    assert (done.code, installed(done)) == (0, ONE), done.log
    assert listing() == before
    assert sorted(map(str, venv.rglob("*"))) == active
    assert (
        ask(done, "import sys; print(any('nbone' in p for p in sys.path), sys.prefix != sys.base_prefix)")
        == "False True"
    )


def test_a_version_from_the_tool_cache(shop: Shop) -> None:
    full = ".".join(map(str, sys.version_info[:3]))
    programs = shop.workspace.base / "tools" / "Python" / full / "x64" / "bin"
    programs.mkdir(parents=True)
    (programs / "python3").symlink_to(os.path.realpath(PYTHON))
    environ = {
        "PATH": only_tools(shop.workspace.base / "path"),
        "RUNNER_TOOL_CACHE": str(shop.workspace.base / "tools"),
        "UV_PYTHON_DOWNLOADS": "never",
    }
    shop.workspace.write("requirements.txt", "ipykernel\n")
    for wanted in (VERSION, full, ""):
        done = shop.setup(environ, python_version=wanted, slug=f"v{wanted}")
        assert (done.code, done.record["python_version"]) == (0, full), done.log


def test_a_version_on_path(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", "ipykernel\n")
    done = shop.setup({"PATH": f"{copied_python(shop.workspace.base / 'other').parent}:{PATH}"}, python_version=VERSION)
    assert done.code == 0, done.log
    assert ask(done, "import sys; print(sys.base_prefix)") == str(shop.workspace.base / "other")


@pytest.mark.parametrize("origin", ["input", ".python-version", "pyproject.toml"])
def test_a_version_that_is_not_to_be_had(shop: Shop, origin: str) -> None:
    shop.workspace.write("requirements.txt", "ipykernel\n")
    given, wanted = "", "3.99"
    match origin:
        case "input":
            given = wanted
        case ".python-version":
            shop.workspace.write(".python-version", "3.99\n")
        case "pyproject.toml":
            wanted = ">=3.99"
            shop.workspace.write("pyproject.toml", PROJECT.format("").replace(">=3.11", wanted))
    done = shop.setup(python_version=given)
    assert (done.code, done.outputs["status"]) == (3, "error")
    said = "" if origin == "input" else f" ({origin} asks for it)"
    about, _, reason = done.annotations()[0].message.partition(" uv says: ")
    assert about == f"Python {wanted}{said} is not on this machine, and could not be downloaded."
    assert reason.startswith(f"No download found for request: cpython-{wanted}-")
    assert reason.endswith(". Run actions/setup-python before, with the python-version that you need.")


def test_the_input_wins_over_the_file(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", "ipykernel\n")
    shop.workspace.write(".python-version", "3.99\n")
    assert shop.setup(python_version=VERSION).code == 0


def test_a_file_of_comments_asks_for_nothing(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", "ipykernel\n")
    shop.workspace.write(".python-version", f"# pyenv\n\n  {VERSION}  \n3.99\n")
    assert shop.setup().code == 0


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
    assert failed.annotations()[0].message.startswith("The package index has no package `not-there`. Is the name")
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
