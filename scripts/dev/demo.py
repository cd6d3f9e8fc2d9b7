"""Runs the suite on a copy of examples/penguins, as a user would on a laptop, and sums up what happened."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from dev.tools import cache_root
from notebook_ci.github import Console
from notebook_ci.records import RunDirectory
from notebook_ci.report.summary import render

STAGES = ("setup-env", "execute-notebook")
GIT_IDENTITY = ("-c", "user.name=notebook-ci demo", "-c", "user.email=demo@localhost")


def main() -> int:
    """Copy, run each stage, sum up. The exit code is that of the first stage that fails."""
    began = time.monotonic()
    repository = place()
    console = Console({})
    console.progress(f"Copying examples/penguins to {repository}")
    copy(repository)
    directory = RunDirectory.open("", {}, repository)
    run = directory.path
    exit_code = 0
    for number, stage in enumerate(STAGES, 1):
        console.progress(f"\n[{number}/{len(STAGES)}] {stage}")
        exit_code = launch(stage, repository, run)
        if exit_code:
            break
    console.progress("")
    if records := directory.records():
        console.summarize(render(records))
    console.progress(f"The whole demo took {time.monotonic() - began:.0f} s. Look at:")
    console.progress(f"  executed notebooks  {run / 'execute-notebook' / 'notebooks'}")
    console.progress(f"  records             {run}")
    console.progress(f"  the repository      {repository}")
    return exit_code


def place() -> Path:
    """Return where the copy goes: outside the checkout, the same each time, so that its environment is reused."""
    given = os.environ.get("DEMO_DIR")
    return Path(given).absolute() if given else cache_root() / "demo" / "penguins"


def copy(repository: Path) -> None:
    """Make the copy a git repository of its own with the example as its last commit."""
    shutil.copytree(ROOT / "examples" / "penguins", repository, dirs_exist_ok=True)
    git(repository, "init", "--quiet")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "The penguins example")


def git(repository: Path, *arguments: str) -> None:
    """Run git, without the settings of this user."""
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", *GIT_IDENTITY, *arguments], cwd=repository, env=environ, check=True)


def launch(stage: str, repository: Path, run: Path) -> int:
    """Run a stage as on a laptop: without what a runner sets. Its own summary is left out, as the demo has one."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "RUNNER_"))}
    command = ["bash", str(ROOT / "scripts" / "launch.sh"), stage, "--run-dir", str(run)]
    return subprocess.run(command, cwd=repository, env=environ, stdout=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
