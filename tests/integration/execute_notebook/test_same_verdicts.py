"""Verdicts equal to those of papermill and nbmake on their own test notebooks, which come with their releases."""

import json
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import pytest

from integration.suite import PYTHON, UV, Workspace, base_environ, uncompiled_environment
from servers.shared import made_once

PEERS = ("papermill==2.7.0", "nbmake==1.5.5")
# Its source archive.
NBMAKE = "nbmake==1.5.5 --hash=sha256:239dc868ea13a7c049746e2aba2c229bd0f6cdbc6bfa1d22f4c88638aa4c5f5c\n"
# Each is the peer's own way, or takes too long here.
EXCEPTIONS = {
    "papermill": {
        "keyboard_interrupt.ipynb": "sleeps for a minute",
        "notimplemented_translator.ipynb": "names a kernel for R, which papermill's tests replace",
    },
    "nbmake": {
        "mock.ipynb": "metadata of nbmake change what a cell executes",
        "post_cell_execute.ipynb": "metadata of nbmake add code after a cell",
        "post_cell_execute_error.ipynb": "metadata of nbmake add code after a cell",
    },
}
PAPERMILL = """
import json, os, sys, papermill
verdicts = {}
for path in sys.argv[2:]:
    folder, name = os.path.split(path)
    try:
        papermill.execute_notebook(path, os.devnull, kernel_name="python3", cwd=folder, progress_bar=False)
        verdicts[name] = "passed"
    except Exception:
        verdicts[name] = "failed"
json.dump(verdicts, open(sys.argv[1], "w"))
"""


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with both, and with a kernel."""
    return made_once(
        tmp_path_factory, "peers", lambda folder: uncompiled_environment(folder / "venv", "ipykernel", *PEERS)
    )


def released(name: str, peers: Path, folder: Path) -> Path:
    """Return the folder of a peer's test notebooks. nbmake has them in its source archive alone, which uv unpacks."""
    if name == "papermill":
        [found] = peers.parents[1].glob("lib/python*/site-packages/papermill/tests/notebooks")
        return found
    wanted = folder / "nbmake.txt"
    wanted.write_text(NBMAKE)
    install: list[str | Path] = [
        "pip",
        "install",
        "--quiet",
        "--python",
        PYTHON,
        "--target",
        folder / "nbmake",
        "--no-deps",
    ]
    subprocess.run(
        [*UV, *install, "--no-binary", "nbmake", "--require-hashes", "-r", wanted],
        env={**base_environ(), "HOME": str(folder), "UV_CACHE_DIR": str(folder / "uv")},
        check=True,
    )
    found = folder / "notebooks"
    found.mkdir()
    for path in folder.glob("uv/sdists-v*/**/src/**/*.ipynb"):
        shutil.copy(path, found)
    return found


def of_papermill(peers: Path, workspace: Workspace, names: list[str]) -> Mapping[str, str]:
    told = workspace.base / "papermill.json"
    paths = [workspace.folder / name for name in names]
    subprocess.run([peers, "-c", PAPERMILL, told, *paths], env=workspace.environ, check=True)
    return dict(json.loads(told.read_text()))


def of_nbmake(peers: Path, workspace: Workspace, names: list[str]) -> Mapping[str, str]:
    told = workspace.base / "nbmake.xml"
    run: list[str | Path] = [peers, "-m", "pytest", "--nbmake", f"--junitxml={told}", "-p", "no:cacheprovider", *names]
    subprocess.run(run, cwd=workspace.folder, env=workspace.environ, check=False)
    bad = {"failure", "error"}
    return {
        case.attrib["name"]: "failed" if bad.intersection(part.tag for part in case) else "passed"
        for case in ET.parse(told).iter("testcase")  # noqa: S314 - pytest has written it
    }


@pytest.mark.parametrize("peer", EXCEPTIONS)
def test_verdicts_are_those_of_the_peer(peer: str, peers: Path, tmp_path: Path, workspace: Workspace) -> None:
    folder = released(peer, peers, tmp_path)
    there = {path.name for path in folder.glob("*.ipynb")}
    assert there > EXCEPTIONS[peer].keys(), "each exception exists"
    names = sorted(there - EXCEPTIONS[peer].keys())
    for name in names:
        shutil.copy(folder / name, workspace.folder / name)
    theirs = (of_papermill if peer == "papermill" else of_nbmake)(peers, workspace, names)
    done = workspace.execute(peers, notebooks="\n".join(names))
    ours = {name: result["status"] for name, result in done.notebooks.items()}
    assert ours == theirs
    assert set(ours.values()) == {"passed", "failed"}
