"""DVC repositories for tests, made by DVC itself."""

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dvc_pull import STAGE
from integration.refusals import run_here
from integration.suite import ROOT, Done, Workspace, base_environ

RAW = "id,species\n1,Adelie\n2,Gentoo\n3,Chinstrap\n"
IMAGES = {"1.txt": "one\n", "2.txt": "two\n", "deep/3.txt": "three\n"}
LEGACY = b"a,b\r\n1,2\r\n"
DVC_YAML = """\
stages:
  clean:
    cmd: cp data/raw.csv data/clean.csv && echo '{"rows":3}' > metrics.json
    deps: [data/raw.csv]
    outs: [data/clean.csv]
    metrics:
      - metrics.json:
          cache: false
"""
# What the S3 API on loopback takes.
KEYS = {"AWS_ACCESS_KEY_ID": "loopback", "AWS_SECRET_ACCESS_KEY": "loopback-secret", "AWS_DEFAULT_REGION": "us-east-1"}
GIT = ("git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "init.defaultBranch=main")


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def run(folder: Path, *command: str, environ: Mapping[str, str] | None = None) -> str:
    """Run a program in a folder; what it prints is shown where it fails."""
    env = {
        **base_environ(),
        "HOME": str(folder),
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(folder.parent / "site"),
    }
    done = subprocess.run(
        command, cwd=folder, env=env | dict(environ or {}), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def git(folder: Path, *arguments: str) -> str:
    return run(folder, *GIT, *arguments)


def dvc(folder: Path, *arguments: str, tools: str = "dvc", environ: Mapping[str, str] | None = None) -> str:
    launch = ("/bin/bash", str(ROOT / "scripts" / "launch.sh"), "--env", tools, "--exec", "dvc")
    return run(folder, *launch, *arguments, environ=environ)


def make(folder: Path) -> Path:
    """Make a repository in `folder / "repository"`, its data pushed to `folder / "store"`. Returns `folder`."""
    repository = folder / "repository"
    (repository / "data").mkdir(parents=True)
    git(repository, "init", "--quiet")
    dvc(repository, "init", "--quiet")
    (repository / "data" / "raw.csv").write_text(RAW)
    for name, text in IMAGES.items():
        path = repository / "data" / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    dvc(repository, "add", "--quiet", "data/raw.csv", "data/images")
    (repository / "dvc.yaml").write_text(DVC_YAML)
    dvc(repository, "repro", "--quiet")
    (repository / ".dvc" / "config").write_text(remote("../../store"))
    dvc(repository, "push", "--quiet")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "data")
    return folder


def remote(url: str, **settings: str) -> str:
    """Return a configuration with the default remote `storage`."""
    lines = "".join(f"    {name} = {value}\n" for name, value in settings.items())
    return f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = {url}\n{lines}"


@dataclass(frozen=True)
class Checkout:
    """A fresh checkout of it: no data, an empty cache, and the remote's folder beside it.

    Attributes:
        workspace: Where it is.
        store: The folder of the remote.
    """

    workspace: Workspace
    store: Path

    @classmethod
    def of(cls, made: Path, workspace: Workspace) -> "Checkout":
        git(workspace.base, "clone", "--quiet", str(made / "repository"), str(workspace.folder))
        store = workspace.base / "store"
        shutil.copytree(made / "store", store)
        return cls(workspace, store)

    @property
    def folder(self) -> Path:
        return self.workspace.folder

    def pointer(self, name: str, **changes: str) -> None:
        """Change a pointer: each text into another."""
        path = self.folder / name
        text = path.read_text()
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)

    def object(self, content: str, store: Path | None = None) -> Path:
        """Return where the object of a content is in a store."""
        hashed = md5(content.encode())
        return (store or self.store) / "files" / "md5" / hashed[:2] / hashed[2:]

    @property
    def cache(self) -> Path:
        return self.folder / ".dvc" / "cache"

    def listing(self) -> dict[str, tuple[int, bytes]]:
        """Return modes and contents of the remote."""
        files = (path for path in sorted(self.store.rglob("*")) if path.is_file())
        return {str(path.relative_to(self.store)): (path.stat().st_mode, path.read_bytes()) for path in files}

    def remote(self, url: str, **settings: str) -> None:
        """Give the remote another address."""
        (self.folder / ".dvc" / "config").write_text(remote(url, **settings))


def spoil(path: Path, mode: int, content: str = "id,species\n1,Dodo\n") -> None:
    """Put another content into an object."""
    path.chmod(0o644)
    path.write_text(content)
    path.chmod(mode)


def site(workspace: Workspace) -> dict[str, str]:
    """Return where DVC keeps what it knows of a repository, apart from other tests."""
    return {"DVC_SITE_CACHE_DIR": str(workspace.base / "site")}


def pull(checkout: Checkout, environ: Mapping[str, str] | None = None, **inputs: str) -> Done:
    """Run the stage; `dvc_dir` is the input `dvc-dir`."""
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    return run_here(checkout.workspace, STAGE, given, {**site(checkout.workspace), **(environ or {})})


def expect(done: Done, code: int) -> list[tuple[str, int, str]]:
    """Return the errors that were annotated: file, line, message."""
    assert done.code == code, done.log
    assert "Traceback" not in done.log
    assert done.outputs["status"] == {0: "passed", 1: "failed", 2: "error", 3: "error"}[code]
    return [(*command.place, command.message) for command in done.annotations()]
