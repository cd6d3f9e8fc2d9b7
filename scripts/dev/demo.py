"""Runs the suite on a copy of examples/penguins, as a user would do locally, and summarizes the result."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from dev.tools import cache_root
from notebook_ci.base.launcher import LAUNCHER


def main() -> int:
    """Copy the example, run the chain, and print where its results are. Returns the exit code of the chain."""
    began = time.monotonic()
    # Outside the checkout, and always the same folder, so that its environment is reused.
    repository = Path(os.environ.get("DEMO_DIR") or cache_root() / "demo" / "penguins").absolute()
    print(f"Copying examples/penguins to {repository}", file=sys.stderr)
    copy(repository)
    # As on a local machine: without the variables of a runner.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "RUNNER_"))}
    exit_code = subprocess.run(["bash", str(LAUNCHER), "pipeline"], cwd=repository, env=environ, check=False).returncode
    runs = sorted((repository / ".notebook-ci" / "runs").glob("*"))
    lines = [f"The whole demo took {time.monotonic() - began:.0f} s. Look at:"]
    if runs:
        lines += [
            f"  executed notebooks  {runs[-1] / 'execute-notebook' / 'notebooks'}",
            f"  records             {runs[-1]}",
            f"  the run at MLflow   {view(runs[-1])}",
        ]
    lines.append(f"  the repository      {repository}")
    # To standard error, as the chain does, so that the lines stay in order.
    print("\n".join(lines), file=sys.stderr)
    return exit_code


def view(run: Path) -> str:
    """Return the command that shows a run in MLflow, from the record of log-run."""
    record = run / "log-run.json"
    return str(json.loads(record.read_text(encoding="utf-8"))["view"]) if record.exists() else "it was not logged"


def copy(repository: Path) -> None:
    """Make the copy a git repository of its own, with the example as its last commit."""
    repository.mkdir(parents=True, exist_ok=True)
    git(repository, "init", "--quiet")
    # Remove the files of an older example. Files that git does not track stay.
    git(repository, "rm", "-r", "--quiet", "--force", "--ignore-unmatch", ".")
    shutil.copytree(ROOT / "examples" / "penguins", repository, dirs_exist_ok=True)
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "The penguins example")


def git(repository: Path, *arguments: str) -> None:
    """Run git without the user's settings."""
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    identity = ("-c", "user.name=notebook-ci demo", "-c", "user.email=demo@localhost")
    subprocess.run(["git", *identity, *arguments], cwd=repository, env=environ, check=True)


if __name__ == "__main__":
    sys.exit(main())
