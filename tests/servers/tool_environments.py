"""The fixture `tools`. A conftest.py that imports it applies it to all its tests."""

import fcntl
import subprocess
from pathlib import Path

import pytest

from integration.suite import ROOT, base_environ, cache

TOOLS = (
    "pipeline",
    "setup-env",
    "poetry",
    "pdm",
    "pipenv",
    "conda",
    "conda-lock",
    "dvc",
    "dvc-s3",
    "dvc-azure",
    "s3-server",
    "validate-data",
    "execute-notebook",
    "mlflow-thin",
    "mlflow-full",
)


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    """The tool environments, made from the real index before a test gives another one; once, by one of the workers."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in TOOLS:
            launch = ["/bin/bash", str(ROOT / "scripts" / "launch.sh"), "--env", name, "--exec", "python", "-c", ""]
            subprocess.run(launch, env={"HOME": str(Path.home()), **base_environ()}, check=True)
