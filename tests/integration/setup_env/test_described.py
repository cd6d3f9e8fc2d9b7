"""What setup-env says of an environment, and gives to later steps."""

import json
import subprocess
from pathlib import Path

import pytest

from integration.index_server import digest, make_wheel
from integration.local_package import local_package
from integration.setup_env.bills import described, invalid
from integration.setup_env.shops import EDITABLE, Shop
from integration.suite import PATH
from unit.consoles import outputs_in

BUILD = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
GIT = ("git", "-c", "user.name=x", "-c", "user.email=x@example.org")


@pytest.fixture
def commit(shop: Shop) -> str:
    """The commit of a package in a git repository beside the workspace."""
    local_package(shop.workspace, "one")
    repository = (shop.workspace.folder / "pkg").rename(shop.workspace.base / "repository")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*GIT, *command], cwd=repository, check=True)
    asked = subprocess.run([*GIT, "rev-parse", "HEAD"], cwd=repository, check=True, capture_output=True, text=True)
    return asked.stdout.strip()


def test_an_environment_is_described_and_activated(shop: Shop, commit: str) -> None:
    workspace = shop.workspace
    wheel = make_wheel(shop.index.folder, "nbdirect")
    direct = shop.index.url(f"/files/{wheel.name}", login="ann:s3cret-pass")
    repository = (workspace.base / "repository").as_uri()
    lines = ["nbone", "-e ./study", f"local @ git+{repository}@{commit}", f"nbdirect @ {direct}", "ipykernel"]
    workspace.write("study/pyproject.toml", f'{BUILD}[project]\nname = "study"\nversion = "1"\n')
    workspace.write("study/backend.py", EDITABLE)
    workspace.write("study/src/study.py", "")
    workspace.write("requirements.txt", "\n".join(lines) + "\n")
    done = shop.setup(activate="true")
    assert done.code == 0, done.log
    packages, components = described(done)
    url = direct.replace("ann:s3cret-pass@", "")
    assert packages == {
        "ipykernel": {"name": "ipykernel", "version": "1.0", "origin": "index"},
        "local": {
            "name": "local",
            "version": "1",
            "origin": "git",
            "url": f"{workspace.base}/repository",
            "commit": commit,
        },
        "nbdirect": packages["nbdirect"],
        "nbone": {"name": "nbone", "version": "1.0", "origin": "index"},
        "study": {"name": "study", "version": "1", "origin": "path", "url": "study", "editable": True},
    }
    direct_one = packages["nbdirect"]
    assert (direct_one["origin"], direct_one["url"]) == ("url", url)
    assert direct_one.get("sha256") in {None, digest(wheel)}, "uv knows it if the lock or the cache has it"
    assert "pkg:pypi/nbone@1.0" in components
    assert {each["name"] for each in components.values()} == {*packages, "cpython"}
    kept = [path for path in (workspace.runner_temp / "notebook-ci").rglob("*") if path.is_file()]
    assert not [path for path in kept if b"s3cret" in path.read_bytes()]
    # Later steps.
    venv = Path(done.outputs["python"]).parents[1]
    variables = outputs_in(workspace.base / "github_env")
    assert variables.keys() == {"VIRTUAL_ENV", "NOTEBOOK_CI_PYTHON"}
    assert variables["VIRTUAL_ENV"] == str(venv)
    assert (workspace.base / "github_path").read_text() == f"{venv}/bin\n"
    later: dict[str, str | None] = {**variables, "PATH": f"{venv}/bin:{PATH}"}
    # The same content on another machine, installed in another order, with the first environment active.
    workspace.folder.rename(workspace.base / "elsewhere")
    workspace.folder = workspace.base / "elsewhere"
    workspace.write("requirements.txt", "\n".join(reversed(lines)) + "\n")
    again = shop.setup(later, venv=str(workspace.base / "deeper" / "venv"))
    assert (again.code, again.outputs["env-digest"]) == (0, done.outputs["env-digest"]), again.log
    assert "Installing the tool environment" not in again.log, "the tools keep their Python"
    assert not (workspace.base / "github_env").read_text(), "only if `activate` is set"


def test_nothing_is_activated_after_a_failure(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", "nbnone\n")
    done = shop.setup(activate="true")
    assert (done.code, (shop.workspace.base / "github_env").read_text()) == (3, "")
    assert not (shop.workspace.base / "github_path").read_text()


def test_an_invalid_bill_is_found() -> None:
    assert "'name' is a required property" in invalid(
        json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "library"}]})
    )
