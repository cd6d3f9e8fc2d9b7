"""Notebooks that nobody here wrote: those in the source archives of packages, which are downloaded to measure."""

import fnmatch
import hashlib
import io
import json
import os
import subprocess
import tarfile
import tomllib
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dev.bench import environments
from dev.bench.notebooks import Notebooks
from dev.bench.works import Work
from notebook_ci.base import indexes
from notebook_ci.base.process import Argument

LOCK = "bench-real"
# The archives, and patterns of the notebooks that are left out, by the reason.
CHOICE = Path(__file__).with_suffix(".toml")


def prepared(work: Work, environ: Mapping[str, str]) -> tuple[Work, Mapping[str, str]]:
    """Return a work with these notebooks, and the variables of its contenders."""
    return replace(work, notebooks=read()), {**environ, "PEERS": environments.python_of(LOCK)}


def read() -> Notebooks:
    """Download the archives. Return their notebooks by the package's name and the path in `folder` of the archive.

    Raises SystemExit if an archive is another one than the chosen one, or if nothing matches a pattern.
    """
    choice = tomllib.loads(CHOICE.read_text(encoding="utf-8"))
    found: dict[str, Any] = {}
    for name, archive in choice["archives"].items():
        content = _download(f"{name}=={archive['version']}")
        if hashlib.sha256(content).hexdigest() != archive["sha256"]:
            raise SystemExit(f"The source archive of {name} is not the one in {CHOICE}.")
        root = f"{name}-{archive['version']}/{archive['folder']}/"
        with tarfile.open(fileobj=io.BytesIO(content)) as file:
            for member in file:
                if (
                    member.name.startswith(root)
                    and member.name.endswith(".ipynb")
                    and (each := file.extractfile(member))
                ):
                    found[f"{name}/{member.name.removeprefix(root)}"] = json.load(each)
    for pattern in (each for patterns in choice["left-out"].values() for each in patterns):
        out = fnmatch.filter(found, pattern)
        if not out:
            raise SystemExit(f"{CHOICE}: no notebook is `{pattern}`.")
        found = {name: notebook for name, notebook in found.items() if name not in out}
    return found


def _download(requirement: str) -> bytes:
    """Return a source archive. uv tells its address; `pip download` would also build it, to read its metadata."""
    command: list[Argument] = [environments.uv(), "pip", "compile", "-", "--format", "pylock.toml", "--quiet"]
    command += ["--no-deps", "--no-binary", ":all:"]
    environ = indexes.without_settings(os.environ) | indexes.read(os.environ, Path.cwd()).for_uv()
    done = subprocess.run(command, env=environ, input=requirement, stdout=subprocess.PIPE, text=True, check=True)
    [package] = tomllib.loads(done.stdout)["packages"]
    with urllib.request.urlopen(package["sdist"]["url"]) as response:  # noqa: S310 - the index of whoever measures
        return bytes(response.read())
