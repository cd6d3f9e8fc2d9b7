"""What stops several stages in the same way: no Python, a full disk, a file that may not be read."""

from pathlib import Path

import pytest

from integration.refusals import RAN, Content
from integration.suite import NO_ROOT, Workspace, notebook, only_tools, private_mount

# --- Locks and indexes


@pytest.mark.parametrize("stage", ["execute-notebook", "setup-env"])
def test_no_python_anywhere(workspace: Workspace, stage: str) -> None:
    environ = {"PATH": only_tools(workspace.base / "path")}
    done = workspace.run(stage, {}, environ=environ)
    assert done.code == 3
    assert done.commands[0].message.startswith("No Python for the tools was found on PATH or in the tool cache")
    assert "Traceback" not in done.log


# --- Disks and rights


@pytest.mark.parametrize("stage", ["execute-notebook", "setup-env"])
def test_a_full_run_directory(workspace: Workspace, kernel: Path, stage: str) -> None:
    """Nothing at all can be written: the exit code and the log say it."""
    workspace.write("a.ipynb", notebook("print('x' * 100_000)"))
    workspace.write("requirements.txt", "ipykernel\n")
    prefix = private_mount('mount -t tmpfs -o size=64k tmpfs "$D"', 'head -c 60000 /dev/zero > "$D/full" || true')
    inputs = {"python": str(kernel)} if stage == "execute-notebook" else {}
    done = workspace.run(stage, inputs, environ={"D": str(workspace.runner_temp)}, prefix=prefix)
    assert done.code == 3
    assert "Traceback" not in done.log
    assert any(
        "No space left on device" in error.message or "disk is full" in error.message for error in done.annotations()
    )
    assert "NOTEBOOK_CI_CACHE" not in done.log
    assert done.outputs["status"] == "error"
    assert not workspace.leftovers()


@pytest.mark.parametrize(
    ("name", "message", "code"),
    [
        ("notebook-ci.toml", "`notebook-ci.toml` cannot be read: Permission denied.", 2),
        ("a.ipynb", "`a.ipynb` cannot be read: Permission denied.", 1),
        ("p.yaml", "`p.yaml` cannot be read: Permission denied.", 2),
        ("requirements.txt", "`requirements.txt` cannot be read: Permission denied.", 2),
        (".python-version", "`.python-version` cannot be read: ", 2),
    ],
)
def test_a_file_that_may_not_be_read(workspace: Workspace, kernel: Path, name: str, message: str, code: int) -> None:
    stage = "setup-env" if name in {"requirements.txt", ".python-version"} else "execute-notebook"
    files: dict[str, Content] = {"a.ipynb": RAN, "p.yaml": "alpha: 1\n", "requirements.txt": "ipykernel\n"}
    for file, content in {**files, name: files.get(name, "x")}.items():
        workspace.write(file, content)
    (workspace.folder / name).chmod(0)
    inputs = {"python": str(kernel), "parameters-file": "p.yaml"} if stage == "execute-notebook" else {}
    done = workspace.run(stage, inputs, prefix=NO_ROOT)
    assert done.code == code, done.log
    assert done.annotations()[0].message.startswith(message)
    assert "Traceback" not in done.log
    assert not list(workspace.folder.rglob("ran"))
