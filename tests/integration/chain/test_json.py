"""What a program reads from the chain."""

import json
import subprocess
from pathlib import Path

from integration.suite import ROOT, Workspace, notebook


def test_programs_get_all_records_as_one_document(workspace: Workspace, kernel: Path) -> None:
    workspace.write("notebook-ci.toml", f"[execute-notebook]\npython = '{kernel}'\n")
    workspace.write("notebooks/a.ipynb", notebook("1"))
    workspace.write("notebooks/b.ipynb", notebook("import subprocess\nsubprocess.run(['echo', 'noise'])\n1 / 0"))
    command = ["bash", str(ROOT / "scripts" / "launch.sh"), "pipeline", "--json", "--stages", "execute-notebook"]
    environ = {**workspace.environ, "GITHUB_ACTIONS": "true"}  # there, progress goes to standard output otherwise
    done = subprocess.run(command, cwd=workspace.folder, env=environ, capture_output=True, text=True, check=False)
    document = json.loads(done.stdout)
    assert (done.returncode, document["status"]) == (1, "failed"), done.stderr
    [record] = document["records"]
    assert record == json.loads(Path(document["run_dir"], "execute-notebook.json").read_text(encoding="utf-8"))
    assert record["notebooks"][1]["failure"]["ename"] == "ZeroDivisionError"
    assert "notebooks/b.ipynb" in done.stderr
