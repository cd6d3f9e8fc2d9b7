"""What every stand-in needs: its inputs, its outputs, and the folders it works in."""

import glob
import os
import subprocess
import uuid
from pathlib import Path


class StandinError(Exception):
    """The step fails with this message, as the real action's step would."""


def text(name: str) -> str:
    """The value of an input, stripped; "" if it is not given. The variable's name is the one GitHub's toolkit uses."""
    return os.environ.get(f"INPUT_{name.replace(' ', '_').upper()}", "").strip()


def flag(name: str) -> bool:
    """The value of a boolean input."""
    return text(name).lower() == "true"


def lines(name: str) -> list[str]:
    """The lines of an input that are not empty, stripped."""
    return [line.strip() for line in text(name).splitlines() if line.strip()]


def set_output(name: str, value: object) -> None:
    """Set an output of the step."""
    _append("GITHUB_OUTPUT", name, value)


def set_variable(name: str, value: object) -> None:
    """Set an environment variable for the following steps."""
    _append("GITHUB_ENV", name, value)


def save_state(name: str, value: object) -> None:
    """Keep a value for the `post` part of the same step."""
    _append("GITHUB_STATE", name, value)


def state(name: str) -> str:
    """A value kept by the `main` part of the same step; "" if it kept none."""
    return os.environ.get(f"STATE_{name}", "")


def add_path(folder: Path) -> None:
    """Put a folder at the head of PATH for the following steps."""
    with Path(os.environ["GITHUB_PATH"]).open("a", encoding="utf-8") as file:
        file.write(f"{folder}\n")


def command(name: str, message: str) -> None:
    """Print a workflow command, e.g. a warning."""
    escaped = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    print(f"::{name}::{escaped}", flush=True)


def workspace() -> Path:
    """The folder the job works in."""
    return Path(os.environ["GITHUB_WORKSPACE"])


def absolute(pattern: str) -> str:
    """A path or pattern of an input as an absolute one: relative to the workspace, `~` expanded, no `..` left."""
    return os.path.normpath(workspace() / Path(pattern).expanduser())


def find(pattern: str) -> list[Path]:
    """What matches an absolute pattern (`*`, `?`, `[...]`, `**`), hidden files included, in order of name."""
    return sorted(Path(found) for found in glob.glob(pattern, recursive=True, include_hidden=True))  # noqa: PTH207 - absolute


def copy_tree(source: Path, target: Path) -> None:
    """Copy a file or a folder with links, modes and times kept; files that are in the way are replaced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    kept = ["--recursive", "--no-dereference", "--preserve=mode,timestamps"]
    subprocess.run(["cp", *kept, "--remove-destination", "--no-target-directory", "--", source, target], check=True)


def _append(file_variable: str, name: str, value: object) -> None:
    end = f"end-{uuid.uuid4()}"
    with Path(os.environ[file_variable]).open("a", encoding="utf-8") as file:
        file.write(f"{name}<<{end}\n{value}\n{end}\n")
