"""Code of the repository itself is installed as it is now."""

import shutil
import subprocess

import pytest

from integration.local_package import local_package
from integration.setup_env.shops import EDITABLE, Shop, ask, cache_key
from integration.suite import PROJECT, Workspace, notebook


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
    # Of another size: Python takes byte-code of the same second and size for that of the new code.
    workspace.write("src/study.py", "NAME = 'two'  # other code\n")


def test_a_copy_of_the_workspace_runs_its_own_code(editable: Shop) -> None:
    workspace = editable.workspace
    first = workspace.run("setup-env", environ=editable.environ)
    assert first.code == 0, first.log
    one = workspace.folder / ".notebook-ci" / "venv"
    assert "Reusing" in workspace.run("setup-env", environ=editable.environ).log
    copied(workspace)
    workspace.write("a.ipynb", notebook("import study\nprint(study.NAME)"))
    refused = workspace.run("execute-notebook")
    two = workspace.folder / ".notebook-ci" / "venv"
    assert refused.code == 3
    said = f"The environment `{two}` was created as `{one}`, and would run the code in that folder."
    assert f"{said} Run setup-env here, or delete the environment." in " ".join(refused.log.split())
    done = workspace.run("setup-env", environ=editable.environ)
    assert (done.code, "Reusing" in done.log) == (0, False), done.log
    asked = [str(two / "bin" / "python"), "-I", "-c", "import study; print(study.NAME)"]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == "two\n"


def test_another_workspace_with_the_same_environment_folder_runs_its_own_code(editable: Shop) -> None:
    """As with a fixed `venv` that a cache brings to another checkout."""
    venv = str(editable.workspace.base / "venv")
    first = editable.setup(venv=venv)
    assert (first.code, ask(first, "import study; print(study.NAME)")) == (0, "one"), first.log
    key = cache_key(editable, venv=venv)
    copied(editable.workspace)
    second = editable.setup(venv=venv)
    assert (second.record["reused"], ask(second, "import study; print(study.NAME)")) == (False, "two"), second.log
    assert editable.setup(venv=venv).record["reused"]
    assert cache_key(editable, venv=venv) != key


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
    shop.workspace.write("pkg/backend.py", EDITABLE.replace('"src"', '"lib"') + "# of another size: see `copied`\n")
    shop.workspace.write("pkg/lib/study.py", "NAME = 'new'\n")
    shop.workspace.write("pkg/pyproject.toml", f"{member}# lib\n")
    second = shop.setup()
    assert (second.code, ask(second, "import study; print(study.NAME)")) == (0, "new"), second.log


@pytest.mark.parametrize("text", ["./pkg\n", "local @ file:pkg\n", "local @ ./pkg\n"])
def test_requirements_with_local_code_install_it_as_it_is_now(shop: Shop, text: str) -> None:
    """uv has a build of it in its cache, and would take that as long as its pyproject.toml is the same."""
    local_package(shop.workspace, "old")
    shop.workspace.write("requirements.txt", f"ipykernel\n{text}")
    for now in ("old", "new"):
        shop.workspace.write("pkg/code.txt", now)
        done = shop.setup()
        assert (done.code, ask(done, "import local; print(local.CODE)")) == (0, now), done.log
