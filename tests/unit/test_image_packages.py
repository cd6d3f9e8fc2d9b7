"""What an image's environment is installed from, and by which commands."""

from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.base.files import sha256
from notebook_ci.base.workspace import Workspace
from notebook_ci.build_image import packages
from notebook_ci.build_image.model import BuildImageInputs
from notebook_ci.build_image.run import ImagePlan, plan
from notebook_ci.records.setup_env import SetupEnvRecord

UV = "uv"
INSTALL = f"uv pip install --python {packages.PYTHON} --compile-bytecode"


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def setup_env(folder: Path, name: str, **more: Any) -> SetupEnvRecord:
    more = {"packages": {"ipykernel": "6", "six": "1"}, "read": {name: sha256(folder / name)}, **more}
    return SetupEnvRecord(stage="setup-env", lock_file=name, python_version="3.12.1", **more)


def test_hashed(tmp_path: Path) -> None:
    write(tmp_path, requirements_txt="six==1 --hash=sha256:0\n")
    found = packages.find("", setup_env(tmp_path, "requirements.txt"), tmp_path)
    assert found.commands(UV, "/p", "/f") == [f"{INSTALL} --require-hashes --requirements /p/requirements.txt"]


def test_plain_is_held_to_what_was_tested_and_gets_what_was_added(tmp_path: Path) -> None:
    write(tmp_path, env__a_txt="-r b.txt\n-c c.txt\n", env__b_txt="six\n", env__c_txt="-r https://host/x.txt\n")
    record = setup_env(tmp_path, "env/a.txt", added={"ipykernel": "6"})
    found = packages.find("", record, tmp_path)
    assert found.commands(UV, "/p", "/f") == [
        f"{INSTALL} --requirements /p/env/a.txt --constraints /p/{packages.TESTED}",
        f"{INSTALL} --no-deps --requirements /p/{packages.ADDED}",
    ]
    texts = found.texts()
    assert texts.keys() == {"env/a.txt", "env/b.txt", "env/c.txt", packages.ADDED, packages.TESTED}
    assert texts[packages.TESTED] == "ipykernel==6\nsix==1\n"


def test_without_setup_env_the_kernel_is_added(tmp_path: Path) -> None:
    write(tmp_path, requirements_txt="six\n", pyproject_toml="[project]\n")
    found = packages.find("", None, tmp_path)
    assert found.lock.name == "requirements.txt"
    assert found.commands(UV, "/p", "/f")[-1].endswith(" --constraints /build/frozen.txt ipykernel")


@pytest.mark.parametrize(
    ("name", "text", "local"),
    [
        ("uv.lock", '[[package]]\nname = "x"\nsource = { editable = "." }\n', True),
        ("uv.lock", '[[package]]\nname = "x"\nsource = { directory = "lib" }\n', True),
        ("uv.lock", '[[package]]\nname = "x"\nsource = { virtual = "." }\n', False),
        ("pylock.toml", '[[packages]]\nname = "x"\ndirectory = { path = "lib" }\n', True),
        ("pylock.toml", '[[packages]]\nname = "x"\nversion = "1"\n', False),
        ("pyproject.toml", '[project]\n[build-system]\nrequires = ["x"]\n', True),
        ("pyproject.toml", "[project]\n", False),
        ("requirements.txt", "six\n-e .\n", True),
        ("requirements.txt", "./lib\n", True),
        ("requirements.txt", "x @ file:./lib\n", True),
        ("requirements.txt", "six\n.\n", True),
        ("requirements.txt", ".[dev]\n", True),
        ("requirements.txt", "lib/x\n", True),
        ("requirements.txt", "six==1 \\\n    --hash=sha256:0 # of a/b\n", False),
        ("requirements.txt", "--index-url https://host/simple\n", False),
        ("requirements.txt", "x@https://host/x.whl\nhttps://host/x.whl\n", False),
        ("requirements.txt", "six # file: ./x\n", False),
        ("requirements.txt", "x @ https://host/x.whl\n", False),
    ],
)
def test_what_needs_the_repository(tmp_path: Path, name: str, text: str, *, local: bool) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / name).write_text(text)
    assert packages.find(name, None, tmp_path).lock.builds_local_code == local


@pytest.mark.parametrize("is_installed", [True, False])
def test_a_project_is_in_the_image_where_setup_env_installed_it(tmp_path: Path, *, is_installed: bool) -> None:
    write(
        tmp_path,
        pyproject_toml="[project]\nname = 'study'\n[build-system]\nrequires = ['setuptools']\n",
        study__x_py="",
    )
    record = setup_env(
        tmp_path, "pyproject.toml", packages={"ipykernel": "6", **({"study": "1"} if is_installed else {})}
    )
    (tmp_path / "results").mkdir()  # by a notebook: setuptools could not choose a folder any more
    [install, *_] = packages.find("", record, tmp_path).commands(UV, "/p", "/f")
    assert ("--editable" in install) == is_installed


def test_a_lock_that_was_changed_is_refused(tmp_path: Path) -> None:
    write(tmp_path, requirements_txt="six\n")
    record = setup_env(tmp_path, "requirements.txt")
    write(tmp_path, requirements_txt="six\nseven\n")
    with pytest.raises(InputError, match=r"^`requirements.txt` has changed since"):
        packages.find("", record, tmp_path)


def test_a_name_with_a_blank_is_one_word_of_the_shell(tmp_path: Path) -> None:
    (tmp_path / "my packages.txt").write_text("six\n")
    [install, *_] = packages.find("my packages.txt", None, tmp_path).commands(UV, "/p", "/f")
    assert install.endswith(" --requirements '/p/my packages.txt'")


def test_a_name_that_would_add_a_line_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a\nRUN x.txt").write_text("six\n")
    with pytest.raises(InputError, match="a name that a Dockerfile cannot contain"):
        packages.find("a\nRUN x.txt", None, tmp_path)


def test_what_lies_outside_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    write(tmp_path, inside__requirements_txt="-r ../base.txt\n", base_txt="six\n")
    with pytest.raises(InputError, match="is outside the workspace"):
        packages.find("", None, inside).texts()


def test_without_setup_env_that_is_taken_which_it_would_find(tmp_path: Path) -> None:
    write(tmp_path, pyproject_toml="[project]\n")
    (tmp_path / "requirements-ci.txt").write_text("six\n")
    assert packages.find("", None, tmp_path).lock.name == "requirements-ci.txt"
    (tmp_path / "requirements-gpu.txt").touch()
    with pytest.raises(InputError, match="Several files could say what to install"):
        packages.find("", None, tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("pyproject.toml", "[tool.x]\n", r"^`pyproject.toml` has no `\[project\]` table"),
        ("sub/requirements.txt", "-r base.txt\n", r"^`sub/base.txt` does not exist"),
        ("environment.yml", "dependencies:\n", r"^`environment.yml` lists packages of conda"),
    ],
)
def test_what_cannot_be_installed_from_is_refused_before_the_build(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        packages.find(name, None, tmp_path)


def test_a_file_of_conda_is_refused_in_the_plan_unless_the_image_has_its_own_dockerfile(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, {})
    assert isinstance(plan(BuildImageInputs(image="x"), workspace), ImagePlan), "nothing says what to install yet"
    write(tmp_path, environment_yml="dependencies: [python]\n", Dockerfile="FROM scratch\n")
    with pytest.raises(InputError, match=r"^`environment.yml` lists packages of conda") as caught:
        plan(BuildImageInputs(image="x"), workspace)
    assert "`dockerfile`" in caught.value.hint
    assert isinstance(plan(BuildImageInputs(image="x", dockerfile="Dockerfile"), workspace), ImagePlan)
    write(tmp_path, requirements_txt="six\n")
    assert isinstance(plan(BuildImageInputs(image="x"), workspace), ImagePlan)
