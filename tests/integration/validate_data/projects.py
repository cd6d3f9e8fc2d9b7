"""What tests of validate-data share: suites, data, and what came of them."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from integration.suite import ROOT, Done, Workspace, base_environ

PENGUINS = ROOT / "examples" / "penguins"
STAGE = "validate-data"
SMALL = (
    "name,mass,length,day\nAda,3.5,10,2024-01-01\nBob,4.5,20,2024-01-02\nCyd,,30,2024-01-03\nDon,99.0,5,2024-01-04\n"
)


def stated(expectation: str, /, *, severity: str = "critical", notes: str = "", **kwargs: Any) -> dict[str, Any]:
    """Return an expectation as a suite states it."""
    meta = {"meta": {"notes": notes}} if notes else {}
    return {"type": expectation, "kwargs": kwargs, "severity": severity, **meta}


def suite(*expectations: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "suite", "expectations": list(expectations), **more}


def exists(column: str) -> dict[str, Any]:
    return suite(stated("expect_column_to_exist", column=column))


def results(done: Done) -> dict[str, dict[str, Any]]:
    """Return the results of the record by data."""
    return {result["data"]: result for result in done.record["results"]}


def violations(done: Done) -> list[dict[str, Any]]:
    return [violation for result in done.record["results"] for violation in result["violations"]]


def lines_violated(result: Mapping[str, Any]) -> list[int]:
    return [violation["line"] for violation in result["violations"]]


def validate(workspace: Workspace, rules: Mapping[str, str | Sequence[str]]) -> Done:
    return workspace.run(STAGE, {"rules": json.dumps(rules)})


def with_tools(script: str, folder: Path) -> None:
    """Run Python in the tool environment of validate-data."""
    launch = ["/bin/bash", str(ROOT / "scripts" / "launch.sh"), "--env", STAGE, "--exec", "python", "-c", script]
    environ = {"HOME": str(folder.parent), "GX_ANALYTICS_ENABLED": "False", **base_environ()}
    done = subprocess.run(launch, env=environ, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
