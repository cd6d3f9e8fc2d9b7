"""What a notebook of an ordinary user can find out about the processes that run it."""

import json
import os
from pathlib import Path

import pytest

from integration.hostile import FIND
from integration.suite import Workspace, notebook

# An ordinary user, for whom files are no obstacle, but processes are. Root may look into any of them.
USER = (
    [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
    ]
    if os.geteuid() == 0
    else []
)
# Which of its secrets each process of this user gives away.
LOOK = f"""{FIND}
import json

def opened(path):
    try:
        os.readlink(path / "0") if path.name == "fd" else path.open("rb").close()
    except OSError:
        return False
    return True

NAMES = ("environ", "fd", "maps", "mem")
seen = {{
    name: [[each for each in NAMES if opened(Path(f"/proc/{{pid}}/{{each}}"))] for pid in pids]
    for name, pids in found.items()
}}
print(json.dumps({{"mine": [opened(Path("/proc/self") / name) for name in NAMES], **seen}}))
"""
ALL = ["environ", "fd", "maps", "mem"]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_notebook_cannot_look_into_what_runs_it(workspace: Workspace, kernel: Path, start: str) -> None:
    inputs = f'[execute-notebook]\npython = "{kernel}"\nkernel-start = "{start}"\n'
    refused = f'[log-run]\nexperiment = "{"x" * 501}"\n'  # only at its turn
    workspace.write("notebook-ci.toml", inputs + refused)
    workspace.write("a.ipynb", notebook(LOOK))
    later = ["log-run"] if start == "fork" else []
    done = workspace.run("pipeline", {"stages": "\n".join(["execute-notebook", *later])}, prefix=USER)
    assert done.code == (2 if later else 0), done.log
    [executed] = Path(done.outputs["run-dir"]).glob("*/a.ipynb")
    [output] = json.loads(executed.read_text(encoding="utf-8"))["cells"][0]["outputs"]
    found = json.loads("".join(output["text"]))
    assert found.pop("mine") == [True] * len(ALL), "it can look into what is not closed to it"
    # Server, supervisor and kernel have no more than the notebook's environment.
    assert found.pop("start.py", []) == ([ALL] * 3 if start == "fork" else [])
    waiting: dict[str, list[list[str]]] = {"/log_run.py": [[]], "/log_run/worker.py": [[]]} if later else {}
    assert found == {"pipeline.py": [[]], "execute_notebook.py": [[], []], **waiting}, "each stage, and its worker"
