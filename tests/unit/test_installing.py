import json
import subprocess
import sys
from pathlib import Path

import pytest

from notebook_ci.base.errors import SurroundingsError
from notebook_ci.environments import uv
from notebook_ci.tools.installing import DESCRIBE, explain


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("HTTP status client error (401 Unauthorized) for url", "requires credentials"),
        ("403 Client Error: for url", "denies access"),
        ("Because boto3==1.29.401 was not found in the package registry", "lacks a package of the lock"),
        ("tqdm-4.403.0 has no usable wheels", "lacks a package of the lock"),
        ("Resolved 407 packages in 403ms\nerror: unknown", "see the lines above"),
        ("operation timed out", "does not answer in time"),
    ],
)
def test_what_was_printed_is_explained(output: str, said: str) -> None:
    error = explain("The packages could not be installed", output, elsewhere="set X")
    assert error.message.startswith("The packages could not be installed: ")
    assert said in error.message


@pytest.mark.parametrize("output", ["No space left on device (os error 28)", "Permission denied (os error 13)"])
def test_where_else_it_can_be_made_is_said(output: str) -> None:
    assert explain("It could not be made", output, elsewhere="set X to another folder").hint.endswith(
        "or set X to another folder."
    )


def test_python_3_7_lists_packages_without_a_library() -> None:
    """Its standard library has no `importlib.metadata`, and a new environment no `pkg_resources`."""

    def packages(before: str) -> dict[str, str]:
        done = subprocess.run([sys.executable, "-I", "-c", before + DESCRIBE], capture_output=True, check=True)
        return dict(json.loads(done.stdout)["packages"])

    found = packages("import sys; sys.modules['importlib.metadata'] = None\n")
    assert found == packages("")
    assert "pytest" in found


def test_why_a_python_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho first >&2\necho 'no such module' >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(SurroundingsError) as caught:
        uv.describe(python)
    assert caught.value.message == f"The Python `{python}` does not answer: no such module."
