"""What a notebook of an ordinary user can find out about the processes that run it."""

import json
import os
from pathlib import Path

import pytest

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
LOOK = """
import json, os
from pathlib import Path

def opened(path):
    try:
        os.readlink(path / "0") if path.name == "fd" else path.open("rb").close()
    except OSError:
        return False
    return True

def chain(pid):
    while pid:
        yield pid
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

def line(pid):
    return Path(f"/proc/{pid}/cmdline").read_text()

found = {}
pipeline = next(pid for pid in chain(os.getpid()) if "/pipeline.py" in line(pid))
for folder in Path("/proc").glob("[0-9]*"):
    try:
        names = ("pipeline.py", "execute_notebook.py", "start.py", "")
        name = next(each for each in names if each in line(folder.name))
        is_ours = pipeline in chain(int(folder.name))
    except OSError:
        continue
    if is_ours and name:
        secrets = [each for each in ("environ", "fd", "maps", "mem") if opened(folder / each)]
        found.setdefault(name, []).append(secrets)
print(json.dumps({"mine": [opened(Path("/proc/self") / name) for name in ("environ", "fd", "maps", "mem")], **found}))
"""
ALL = ["environ", "fd", "maps", "mem"]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_notebook_cannot_look_into_what_runs_it(workspace: Workspace, kernel: Path, start: str) -> None:
    workspace.write("notebook-ci.toml", f'[execute-notebook]\npython = "{kernel}"\nkernel-start = "{start}"\n')
    workspace.write("a.ipynb", notebook(LOOK))
    done = workspace.run("pipeline", {"stages": "execute-notebook"}, prefix=USER)
    assert done.code == 0, done.log
    [executed] = Path(done.outputs["run-dir"]).glob("*/a.ipynb")
    [output] = json.loads(executed.read_text(encoding="utf-8"))["cells"][0]["outputs"]
    found = json.loads("".join(output["text"]))
    assert found.pop("mine") == [True] * len(ALL), "it can look into what is not closed to it"
    # Server, supervisor and kernel have no more than the notebook's environment.
    assert found.pop("start.py", []) == ([ALL] * 3 if start == "fork" else [])
    assert found == {"pipeline.py": [[]], "execute_notebook.py": [[], []]}, "the stage, and its worker"
