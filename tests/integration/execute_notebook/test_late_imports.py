"""What notebooks write into the suite and into its tool environment while they run is not used to judge them."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from integration.suite import Workspace, code, in_the_tool_environment, markdown, notebook, parameters

# Makes every verdict of the process that imports it a pass.
EVIL = """
import sys
with open({mark!r}, "a") as file:
    print(__name__, file=file)
if runner := sys.modules.get("notebook_ci.execute_notebook.runner"):
    runner.Executor._collect = lambda self, *_: setattr(self._outcome.result, "status", "passed")
class HTMLExporter:
    def __init__(self, **_):
        self.from_filename = lambda _: ("EV" "IL", None)
"""
REWRITE = """
import pathlib
other = "EV" + "IL"
cache, suite, evil = pathlib.Path({cache!r}), pathlib.Path({suite!r}), {evil!r}
home = pathlib.Path.home() / ".local/share/jupyter/nbconvert/templates"
for name in ("lab", "base"):
    for folder in (home / name, pathlib.Path(name)):
        folder.mkdir(parents=True)
        for template in ("base.html.j2", "index.html.j2", "null.j2", "conf.json"):
            (folder / template).write_text(other)
[tools] = cache.glob("execute-notebook-*")
for folder in (tools / "lib", tools / "share", suite / "scripts"):
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755)
    for path in folder.rglob("*"):
        if path.suffix in (".py", ".j2", ".css", ".json"):
            path.write_text(evil if path.suffix == ".py" else other)
        elif path.suffix in (".pyc", ".so"):
            path.unlink()
[packages] = tools.glob("lib/python*/site-packages")
for folder in (packages, suite / "scripts"):
    for name in ("IPython", "black", "wave"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(evil)
"""


def test_a_notebook_that_rewrites_the_tools_cannot_change_its_verdict(workspace: Workspace, kernel: Path) -> None:
    """Nor that of those behind it, nor the pages."""
    suite, mark = workspace.base / "suite", workspace.base / "imported"
    for name in ("scripts", "requirements"):
        shutil.copytree(workspace.suite / name, suite / name, ignore=shutil.ignore_patterns("__pycache__"))
    workspace.suite, cache = suite, workspace.base / "cache"
    tools = tool_environment(workspace)
    shutil.copytree(tools, cache / tools.name, symlinks=True)
    evil = EVIL.format(mark=str(mark))
    workspace.write("a.ipynb", notebook(REWRITE.format(cache=str(cache), suite=str(suite), evil=evil), "1 / 0"))
    workspace.write("b.ipynb", notebook(parameters("p = 1"), "1 / 0", markdown("```bash\nls\n```")))
    workspace.write("deep/c.ipynb", notebook("print('fine')"))
    environ = {"NOTEBOOK_CI_CACHE": str(cache)}
    done = workspace.execute(kernel, environ, html="true", parameters="p: 2", workers="1", preload="decimal")
    assert (suite / "scripts" / "notebook_ci" / "base" / "stage.py").read_text() == evil, "it did rewrite them"
    status = {path: result["status"] for path, result in done.notebooks.items()}
    assert (done.code, status) == (1, {"a.ipynb": "failed", "b.ipynb": "failed", "deep/c.ipynb": "passed"}), done.log
    assert not mark.exists(), mark.read_text()
    assert "ZeroDivisionError: division by zero (and 1 more failure)" in done.summary
    for name in ("a", "b", "deep/c"):
        page = (Path(done.outputs["output-dir"]) / f"{name}.html").read_text(encoding="utf-8")
        assert ("EVIL" in page, "jp-Cell" in page, "<style" in page) == (False, True, True)


def tool_environment(workspace: Workspace) -> Path:
    return Path(in_the_tool_environment(workspace, "print(sys.prefix)").stdout.strip())


DIE = """
import os, pathlib, time
for path in pathlib.Path("/proc").glob("[0-9]*"):
    parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
    if parent == os.environ["STAGE_PID"] and b"kernel_server" not in (path / "cmdline").read_bytes():
        os.kill(int(path.name), 9)
time.sleep(60)
"""
EXECUTIONS: dict[str, Any] = {
    "a-passes": notebook(parameters("p = 1"), "print(p)", markdown("# T\n\n```bash\nls\n```\n\n| a |\n|---|\n| 1 |")),
    "b-fails": notebook("def f():\n    return 1 / 0", "f()"),
    "c-syntax": notebook("if"),
    "d-group": notebook("raise ExceptionGroup('x', [ValueError(1)])"),
    "e-exits": notebook("import sys; sys.exit(3)"),
    "f-dies": notebook("import os; os.kill(os.getpid(), 9)"),
    "g-worker-dies": notebook(DIE),
    "h-hangs": notebook("import time; time.sleep(60)"),
    "i-raises": notebook(code("1 / 0", "raises-exception"), "print('\\u00fc \\ud800')"),
    "j-shows": notebook(
        "from IPython.display import *\ndisplay(HTML('<b>x</b>'), Markdown('```sql\\nSELECT 1\\n```'), Math('x'))\n"
        "display({'text/vnd.mermaid': ''}, raw=True); print('\\x1b[31mred')"
    ),
    "k-cancels": notebook("import os, time\nos.kill(int(os.environ['STAGE_PID']), 15)\ntime.sleep(60)"),
}
OF_OTHERS = {"IPython", "black"}  # nbconvert and papermill can do without


def used_late(workspace: Workspace, command: str, first: str, flags: list[str]) -> tuple[int, list[str]]:
    """Run a stage or the pipeline, and assert that its process and its forks import nothing after `first` has happened.

    Returns:
        Its exit code, and what it has read of the suite, of its environment and of the home folder since.
    """
    log = workspace.base / "log"
    script = f"""
import os
log = os.open({str(log)!r}, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
begun = False
def hook(event, args):
    global begun
    begun = begun or event == {first!r}
    if begun and event in ("import", "open", "os.listdir", "os.scandir"):
        os.write(log, f"{{event}}\\t{{args[0]}}\\n".encode())
os.chdir({str(workspace.folder)!r})
os.environ["STAGE_PID"] = str(os.getpid())
sys.argv[1:] = {flags!r}
from {command} as command
from notebook_ci.base.stage import run_script
sys.addaudithook(hook)
run_script(command)
"""
    done = in_the_tool_environment(workspace, script)
    assert "bug in notebook-ci" not in done.stdout
    lines = [line.split("\t") for line in log.read_text().splitlines()]
    assert lines, done.stdout + done.stderr
    imported = {name.partition(".")[0] for event, name in lines if event == "import"}
    assert imported - sys.stdlib_module_names <= OF_OTHERS
    ours = (str(tool_environment(workspace)), str(workspace.suite), str(workspace.home))
    return done.returncode, [path for event, path in lines if event != "import" and path.startswith(ours)]


@pytest.mark.parametrize(
    ("start", "names"), [("fork", tuple(EXECUTIONS)), ("spawn", ("a-passes", "b-fails", "f-dies"))]
)
def test_nothing_is_missing_once_notebooks_run(
    workspace: Workspace, kernel: Path, start: str, names: tuple[str, ...]
) -> None:
    """Of all that a run does then, nothing imports a module, or reads a file, of the suite and its environment."""
    for name in names:
        workspace.write(f"{name}.ipynb", EXECUTIONS[name])
    flags = ["--python", str(kernel), "--html", "true", "--cell-timeout", "3", "--sweep", "[p: 3, p: 4]"]
    flags += ["--workers", "1", "--kernel-start", start, "--run-dir", str(workspace.base / "run")]
    code, read = used_late(workspace, "execute_notebook import STAGE", "os.fork", flags)
    assert (code, read) == (128 + 15 if "k-cancels" in names else 1, [])


def test_nothing_is_missing_in_the_pipeline_once_stages_run(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("1 / 0"))
    workspace.write("notebook-ci.toml", f"[execute-notebook]\npython = '{kernel}'\n")
    flags = ["--stages", "execute-notebook", "--run-dir", str(workspace.base / "run")]
    code, _ = used_late(workspace, "pipeline import PIPELINE", "subprocess.Popen", flags)
    assert code == 1, "it reads its own files, to compare them with what they were"
