"""Notebooks and repositories that mean harm, or break what executes them."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from integration.local_package import local_package
from integration.suite import PROJECT, Done, Workspace, code, notebook, uncompiled_environment


def test_an_environment_with_code_of_the_repository_is_not_reused(workspace: Workspace) -> None:
    """Else a pull request would be tested with the code of the branch that it wants to change."""
    local_package(workspace, "old")
    project = PROJECT.format('"local"') + '[tool.uv.sources]\nlocal = { path = "pkg" }\n'
    workspace.write("pyproject.toml", project)
    lock = (
        'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n'
        '[[package]]\nname = "local"\nversion = "1"\nsource = { directory = "pkg" }\n'
        '[[package]]\nname = "study"\nversion = "1"\nsource = { virtual = "." }\n'
        'dependencies = [{ name = "local" }]\n'
        '[package.metadata]\nrequires-dist = [{ name = "local", directory = "pkg" }]\n'
    )
    workspace.write("uv.lock", lock)
    first = workspace.run("setup-env", {}, environ={"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "secret"})
    assert first.code == 0, first.log
    workspace.write("pkg/code.txt", "new")
    second = workspace.run("setup-env", {})  # with uv's cache, which holds the old build
    assert (second.code, second.record["reused"]) == (0, False), second.log
    workspace.write("a.ipynb", notebook("import local\nprint(local.CODE, local.SEEN)"))
    done = workspace.run("execute-notebook", {})
    assert done.printed("a.ipynb") == "new []\n", "and the build saw nothing that speaks to the runner"


def test_an_output_widget(workspace: Workspace) -> None:
    """A reply that comes while something is sent was never read: the cell hung for good."""
    python = uncompiled_environment(workspace.base / "venv", "ipykernel", "ipywidgets")
    source = "import ipywidgets\nout = ipywidgets.Output()\nwith out:\n    print('hello')"
    workspace.write("a.ipynb", notebook(source, "print('next')\nout"))
    done = workspace.execute(python, cell_timeout="30")
    assert done.code == 0, done.log
    assert done.printed("a.ipynb") == "next\n"
    assert "hello" in json.dumps(done.executed("a.ipynb")["metadata"]["widgets"])


def test_one_notebook_that_breaks_its_execution_leaves_the_others(workspace: Workspace, kernel: Path) -> None:
    nested = "x = {}\nfor _ in range(600):\n    x = {'x': x}\n"
    workspace.write("a.ipynb", notebook(nested + "display({'application/json': x}, raw=True)"))
    message = "get_ipython().kernel.session.send(get_ipython().kernel.iopub_socket, 'stream', {'name': 7}, "
    workspace.write("b.ipynb", notebook(message + "parent=get_ipython().kernel.get_parent())"))
    workspace.write("c.ipynb", notebook("print(1)  # papermill_description="))
    wait = "while not os.path.exists('begun'):\n    time.sleep(0.01)\n"
    workspace.write("d.ipynb", notebook(f"import os, time\n{wait}os.remove('e.ipynb')"))
    workspace.write("e.ipynb", notebook("open('begun', 'w').close()\nprint('was read before')"))
    done = workspace.execute(kernel, workers="2")
    assert done.code == 1
    status = {path: result["status"] for path, result in done.notebooks.items()}
    assert status == {
        "a.ipynb": "failed",
        "b.ipynb": "failed",
        "c.ipynb": "passed",
        "d.ipynb": "passed",
        "e.ipynb": "passed",
    }
    assert done.notebooks["a.ipynb"]["failure"]["kind"] == "broken-execution"
    assert done.notebooks["a.ipynb"]["failure"]["line"], "where it was"


def test_an_error_that_only_looks_like_sys_exit_fails(workspace: Workspace, kernel: Path) -> None:
    """The verdict is the reply of the kernel, not an output that a hook of the notebook displays after it."""
    hook = (
        "shell = get_ipython()\n"
        "def forge(result):\n"
        "    content = {'ename': 'SystemExit', 'evalue': '0', 'traceback': []}\n"
        "    kernel = shell.kernel\n"
        "    kernel.session.send(kernel.iopub_socket, 'error', content, parent=kernel.get_parent())\n"
        "shell.events.register('post_run_cell', forge)"
    )
    workspace.write("a.ipynb", notebook(hook + "\n1 / 0"))
    done = workspace.execute(kernel)
    assert done.code == 1
    assert done.notebooks["a.ipynb"]["failure"]["ename"] == "ZeroDivisionError"


def test_cells_that_are_skipped_by_a_tag_do_not_count_as_run(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("1", code("assert False", "skip-execution")))
    done = workspace.execute(kernel)
    assert (done.code, done.notebooks["a.ipynb"]["executed_cells"], done.notebooks["a.ipynb"]["cells"]) == (0, 1, 2)
    [warning] = done.annotations("warning")
    assert warning.message == "1 of 2 code cells did not run: cells are tagged `skip-execution`."


def test_a_name_of_an_error_without_end(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("raise type('E' * 1_000_000, (Exception,), {})('no')"))
    done = workspace.execute(kernel)
    assert done.code == 1
    [error] = done.annotations()
    assert len(error.properties["title"]) < 300
    assert len(json.dumps(done.record)) < 100_000


def test_a_digest_is_that_of_what_was_executed(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("import os\nos.mkfifo('b.tmp')\nos.replace('b.tmp', 'b.ipynb')"))
    workspace.write("b.ipynb", notebook("print('b')"))
    before = workspace.write("c.ipynb", notebook("print('c')")).read_bytes()
    workspace.write("a2.ipynb", notebook("open('c.ipynb', 'w').write('{}')"))
    done = workspace.execute(kernel)
    assert done.code == 0, done.log
    assert done.record["read"]["c.ipynb"] == hashlib.sha256(before).hexdigest()
    assert done.printed("b.ipynb") == "b\n"


def test_nothing_is_written_through_a_link_that_a_notebook_planted(workspace: Workspace, kernel: Path) -> None:
    """Neither a page nor an executed notebook, its own or that of a later one; nor where a folder became a link."""
    victim = workspace.base / "victim"
    victim.mkdir()
    names = [f"{name}.{kind}" for name in ("a", "b", "c") for kind in ("ipynb", "html")]
    for name in names:
        (victim / name).write_text("mine")
    plant = (
        f"import os, pathlib\nvictim = pathlib.Path({str(victim)!r})\n"
        "made = pathlib.Path(os.environ['RUNNER_TEMP']) / 'notebook-ci' / 'execute-notebook'\n"
        "for path in victim.iterdir():\n"
        "    (made / path.name).unlink(missing_ok=True)\n    (made / path.name).symlink_to(path)\n"
        "(made / 'deep').symlink_to(victim)"
    )
    workspace.write("a.ipynb", notebook(plant))
    workspace.write("b.ipynb", notebook("print('b')"))
    workspace.write("deep/c.ipynb", notebook("print('c')"))
    done = workspace.execute(kernel, html="true", workers="1")
    assert {path.name: path.read_text() for path in victim.iterdir()} == dict.fromkeys(names, "mine")
    made = Path(done.outputs["output-dir"])
    assert not [path for path in made.rglob("*") if path.is_symlink()], "an upload would follow it"
    assert "print" in (made / "b.html").read_text(encoding="utf-8")
    assert done.code == 3
    assert "a link has replaced its folder" in done.log
    assert (
        "Links were removed from the run directory, because an upload would follow them: `execute-notebook/c.html`"
        in done.log
    )


# What a notebook can have its kernel send: text for `raw`, else the content of a message of a type.
SEND = """
kernel = get_ipython().kernel
def send(kind, content, socket=kernel.iopub_socket, **more):
    kernel.session.send(socket, kind, content, parent=kernel.get_parent(), **more)
def raw(*parts):
    kernel.iopub_thread.socket.send_multipart(parts)
def reply(content):
    ident = kernel._parent_ident["shell"]
    kernel.session.send(kernel.shell_stream, "execute_reply", content, parent=kernel.get_parent(), ident=ident)
"""
JUNK = {
    "name": "send('stream', {'name': 7})",
    "text": "send('stream', {'name': 'stdout', 'text': 7})",
    "no text": "send('stream', {'name': 'stdout'})",
    "data": "send('display_data', {'data': [], 'metadata': {}})",
    "no metadata": "send('execute_result', {'data': {}})",
    "transient": "send('display_data', {'data': {}, 'metadata': {}, 'transient': 7})",
    "display id": "send('display_data', {'data': {}, 'metadata': {}, 'transient': {'display_id': [1]}})",
    "update": "send('update_display_data', {'data': 7, 'metadata': {}, 'transient': {'display_id': 'x'}})",
    "error": "send('error', {'ename': 7, 'evalue': '', 'traceback': []})",
    "traceback": "send('error', {'ename': 'E', 'evalue': '', 'traceback': [7]})",
    "comm": "send('comm_open', {'comm_id': [], 'data': {'state': {}}})",
    "status": "send('status', {'execution_state': []})",
    "type": "send(['x'], {})",
    "content": "send('stream', 'text')",
    "command": "send('notebook_ci_command_failed', {'exit_code': 'x', 'traceback': []})",
    "raw": "raw(b'junk')",
    "unsigned": "raw(b'<IDS|MSG>', b'', b'{}', b'{}', b'{}', b'{}')",
    "reply": "reply({'status': 'error', 'ename': 7, 'evalue': [], 'traceback': 'x'})",
    "no status": "reply({})",
    "payload": "reply({'status': 'ok', 'payload': 'x'})",
}


@pytest.fixture(scope="module")
def junk(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> tuple[Workspace, Done]:
    workspace = Workspace(tmp_path_factory.mktemp("junk"))
    for name, source in JUNK.items():
        workspace.write(f"{name}.ipynb", notebook("print('kept')", f"{SEND}{source}"))
    workspace.write("good.ipynb", notebook(f"{SEND}send('stream', {{'name': 'stdout', 'text': 'good'}})"))
    return workspace, workspace.execute(kernel)


HARMLESS = ("status", "update")  # nothing reads what is wrong in them


@pytest.mark.parametrize("name", JUNK)
def test_a_junk_message_is_a_fault_of_its_notebook(junk: tuple[Workspace, Done], name: str) -> None:
    _, done = junk
    assert done.code == 1
    assert done.notebooks["good.ipynb"]["status"] == "passed"
    assert done.printed("good.ipynb") == "good"
    for shown in (done.log, done.summary):
        assert "notebook_ci/" not in shown, "a traceback of ours"
        assert "This is a bug" not in shown
    result = done.notebooks[f"{name}.ipynb"]
    if name in HARMLESS:
        assert result["status"] == "passed"
        return
    assert result["failure"]["kind"] == "broken-execution"
    assert "an invalid message" in result["failure"]["message"]
    assert re.search(r"\(\w+\.py, line \d+\)", result["failure"]["message"]), "what a report of a bug needs"
    assert result["failure"]["cell"] == 2
    assert done.executed(f"{name}.ipynb")["cells"][0]["outputs"]
