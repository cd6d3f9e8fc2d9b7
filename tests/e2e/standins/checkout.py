"""Stands in for actions/checkout 7.0.1: checks out the repository of the test, which is $HARNESS_REPOSITORY.

Only what is committed arrives, with as much history as `fetch-depth` says, as on GitHub. (act by itself copies the
working folder instead, with all its history and whatever lies in it.)
"""

import os
import shutil
import subprocess
from pathlib import Path

from standins import toolkit


def checkout() -> None:
    """`actions/checkout`."""
    wanted = toolkit.text("repository")
    if wanted and wanted != os.environ["GITHUB_REPOSITORY"]:
        raise toolkit.StandinError(f"The stand-in for actions/checkout has one repository only, not '{wanted}'.")
    target = Path(toolkit.absolute(toolkit.text("path") or "."))
    _empty(target)
    _git(target, "init", "--quiet", "--initial-branch=main")
    address = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}"
    _git(target, "remote", "add", "origin", address)
    ref, commit = _ref_and_commit(toolkit.text("ref"))
    _fetch(target, ref, commit)
    if ref.startswith("refs/heads/"):
        branch = ref.removeprefix("refs/heads/")
        _git(target, "checkout", "--quiet", "--force", "-B", branch, f"refs/remotes/origin/{branch}")
    else:
        _git(target, "checkout", "--quiet", "--force", "--detach", commit)
    toolkit.set_output("ref", ref)
    toolkit.set_output("commit", commit)


def _ref_and_commit(wanted: str) -> tuple[str, str]:
    """What to check out: the full name of the branch or tag, or "" for a bare commit, and the commit."""
    if not wanted:
        return os.environ["GITHUB_REF"], os.environ["GITHUB_SHA"]
    for ref in (wanted, f"refs/heads/{wanted}", f"refs/tags/{wanted}"):
        if ref.startswith("refs/") and (commit := _resolve(ref)):
            return ref, commit
    if commit := _resolve(wanted):
        return "", commit
    raise toolkit.StandinError(f"A branch or tag with the name '{wanted}' could not be found")


def _resolve(name: str) -> str:
    command = ["git", "-C", _repository(), "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _fetch(target: Path, ref: str, commit: str) -> None:
    local = ref.replace("refs/heads/", "refs/remotes/origin/").replace("refs/pull/", "refs/remotes/pull/")
    refspec = f"+{commit}:{local}" if ref else commit
    source = f"file://{_repository()}"  # a bare path would be copied whole, whatever the depth
    if depth := int(toolkit.text("fetch-depth") or "1"):
        _git(target, "fetch", "--quiet", "--no-tags", f"--depth={depth}", source, refspec)
        return
    _git(target, "fetch", "--quiet", source, "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
    _git(target, "fetch", "--quiet", source, refspec)


def _empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()


def _repository() -> str:
    return os.environ["HARNESS_REPOSITORY"]


def _git(folder: Path, *arguments: str) -> None:
    result = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        raise toolkit.StandinError(f"git {' '.join(arguments)} failed: {result.stderr.strip()}")
