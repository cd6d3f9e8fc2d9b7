"""The files that describe an environment: `environment.json`, and the bill of materials, checked by its library."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from integration.suite import ROOT, Done, base_environ

# Runs in the environment of these tests, which has jsonschema; the library itself is in that of setup-env.
VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())
sys.stdout.write(str(wrong or ""))
"""


def described(done: Done) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the packages of `environment.json` by name, and the components of the valid bill by their purl or name."""
    folder = Path(done.outputs["record"]).with_suffix("")
    assert {f"{folder.name}/environment.json", f"{folder.name}/sbom.cdx.json"} <= done.record["created"].keys()
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["digest"] == done.outputs["env-digest"]
    text = (folder / "sbom.cdx.json").read_text()
    assert invalid(text) == ""
    components = {each.get("purl", each["name"]): each for each in json.loads(text)["components"]}
    return {each["name"]: each for each in environment["packages"]}, components


def invalid(bill: str) -> str:
    """Return what is wrong with a bill of materials, by its schema."""
    where = "import cyclonedx, pathlib; print(pathlib.Path(cyclonedx.__file__).parents[1])"
    launch = ["/bin/bash", str(ROOT / "scripts" / "launch.sh"), "--env", "setup-env", "--exec", "python", "-c", where]
    environ = {**base_environ(), "HOME": os.environ["HOME"]}
    library = subprocess.run(launch, env=environ, capture_output=True, text=True, check=True).stdout.strip()
    check = [sys.executable, "-c", VALIDATE]
    environ = {"PYTHONPATH": library, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(check, env=environ, input=bill, capture_output=True, text=True, check=True).stdout
