"""The actions that a run can use: the suite under test and the stand-ins for third-party actions."""

import compileall
import py_compile
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# As docs and templates name it; `make release` renews it here too.
SUITE, _, SUITE_REF = "notebook-ci/notebook-ci@v1".partition("@")

PINNED: Mapping[str, str] = {
    "actions/cache": "55cc8345863c7cc4c66a329aec7e433d2d1c52a9",  # v6.1.0
    "actions/checkout": "3d3c42e5aac5ba805825da76410c181273ba90b1",  # v7.0.1
    "actions/download-artifact": "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c",  # v8.0.1
    "actions/setup-python": "5fda3b95a4ea91299a34e894583c3862153e4b97",  # v7.0.0
    "actions/upload-artifact": "043fb46d1a93c77aae656e7c1c64a875d1fc6a0a",  # v7.0.1
    "docker/login-action": "dbcb813823bdd20940b903addbd779551569679f",  # v4.6.0
}
"""The commit each stand-in stands for. Another commit is unknown to a run, so that a new pin is a reason to look
whether the stand-in is still like the real action."""

STANDINS = Path(__file__).resolve().parents[1] / "standins"

_OWN_REFERENCE = re.compile(r"""^(\s*(?:-\s+)?uses:\s*["']?)\$/([^\s"'#]*)""", re.MULTILINE)


def uses(action: str) -> str:
    """The pinned reference of a third-party action, for `uses:`.

    Args:
        action: E.g. `actions/cache/restore`.
    """
    owner, repository, *_ = action.split("/")
    return f"{action}@{PINNED[f'{owner}/{repository}']}"


@dataclass(frozen=True)
class Suite:
    """Folders that stand for repositories of actions.

    Attributes:
        repositories: From `owner/name@ref` to the folder with that repository's files.
    """

    repositories: Mapping[str, Path]

    @classmethod
    def stage(cls, checkout: Path, folder: Path) -> "Suite":
        """Copy the working tree of a checkout of the suite, so that work not committed yet is tested too.

        What git ignores is left out, and so are the tests, which no action uses. References of the suite to itself
        (`$/actions/x`), which act 0.2.89 does not know, are rewritten in the copy.

        Args:
            checkout: A git repository, or a folder in one.
            folder: Where to put the copy; made here.
        """
        command = ["git", "-C", str(checkout), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        command += ["--", ":!tests"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            source, target = checkout / name, folder / name
            if not source.is_symlink() and not source.exists():
                continue  # deleted, but the deletion is not committed
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
            if target.suffix in {".yml", ".yaml"} and not target.is_symlink():
                _rewrite_own_references(target)
        # On GitHub a job compiles what its first step imports, and others find it. act copies the suite anew for each
        # step, with new times: byte-code of the usual kind would not be used.
        unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
        compileall.compile_dir(folder / "scripts", quiet=2, invalidation_mode=unchecked)
        standins = {f"{name}@{commit}": STANDINS / name for name, commit in PINNED.items()}
        return cls({f"{SUITE}@{SUITE_REF}": folder, **standins})


def _rewrite_own_references(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    rewritten = _OWN_REFERENCE.sub(_absolute_reference, text)
    if rewritten != text:
        file.write_text(rewritten, encoding="utf-8")


def _absolute_reference(found: re.Match[str]) -> str:
    path = f"/{found[2]}" if found[2] else ""
    return f"{found[1]}{SUITE}{path}@{SUITE_REF}"
