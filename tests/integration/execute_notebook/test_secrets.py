"""Secrets reach the notebooks that they are meant for, and nothing that is written."""

import base64
import hashlib
from typing import Any

import pytest

from integration.suite import Done, Workspace, code, notebook, parameters
from servers.shared import made_once

PASSWORD, TOKEN, KEY = "p&w<x>\"y'z-1", "0a1b2c3d4e5f-of-a-job", "s3cret-of-the-data-in-s3"
ENVIRON = {"DB_LOGIN": PASSWORD, "MY_TOKEN": TOKEN, "AWS_SECRET_ACCESS_KEY": KEY, "SHORT": "no"}
FORMAT = "ghp" + "_" + "0123456789abcdefghij0123456789abcdef"
NAMES = "import os\nprint([name for name in ('AWS_SECRET_ACCESS_KEY', 'DB_LOGIN', 'MY_TOKEN') if name in os.environ])"
NOTEBOOKS: dict[str, Any] = {
    "gets.ipynb": notebook(
        parameters("password = other = None\nx = 1"),
        "import hashlib\nprint(hashlib.sha256(password.encode()).hexdigest(), other == 'no', x)",
        "print(password)\npassword",
    ),
    "tells.ipynb": notebook(
        "import os, base64, time",
        "value = os.environ['AWS_SECRET_ACCESS_KEY']\n"
        "for piece in (value[:9], value[9:], '\\n'):\n    print(piece, end='', flush=True)\n    time.sleep(0.05)",
        "print(base64.encodebytes(value.encode() * 4).decode())",
        f"print('{FORMAT[:7]}' + '{FORMAT[7:]}')",
    ),
    "names.ipynb": notebook(NAMES),
    "needs.ipynb": notebook("import os\nos.environ['MY_TOKEN']"),
    # A message about the difference shows only a part of the credential.
    "changed.ipynb": notebook(
        code("import os\nprint('x' * 60 + os.environ['AWS_SECRET_ACCESS_KEY'])")
        | {"execution_count": 1, "outputs": [{"output_type": "stream", "name": "stdout", "text": ["ok\n"]}]}
    ),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, kernel: Any) -> tuple[Workspace, Done]:
    return made_once(tmp_path_factory, "secrets", lambda folder: execute_all(Workspace(folder), kernel))


def execute_all(workspace: Workspace, kernel: Any) -> tuple[Workspace, Done]:
    for name, content in NOTEBOOKS.items():
        workspace.write(name, content)
    workspace.write("notebook-ci.toml", "[[execute-notebook.for]]\nnotebooks = 'changed.ipynb'\ncompare = 'numbers'\n")
    variables = "password: DB_LOGIN\nother: SHORT"
    given = {"secret_parameters": variables, "parameters": "x: 2", "html": "true", "log_outputs": "true"}
    return workspace, workspace.execute(kernel, ENVIRON, **given)


def test_secrets_are_written_nowhere(ran: tuple[Workspace, Done]) -> None:
    workspace, done = ran
    files = {str(path): path.read_bytes() for path in workspace.runner_temp.rglob("*") if path.is_file()}
    assert len([name for name in files if name.endswith(".html")]) == len(NOTEBOOKS) + 1, "with the changes"
    assert done.notebooks["changed.ipynb"]["failure"]["kind"] == "changed-output"
    secrets = [PASSWORD, TOKEN, KEY, KEY[:16], FORMAT, base64.b64encode(KEY.encode() * 4).decode()[:24]]
    for text in (*files.values(), done.log.encode(), done.summary.encode()):
        for secret in secrets:
            assert secret.encode() not in text
            assert secret.encode() not in text.replace(b"\\n", b"").replace(b"\n", b"")


def test_a_secret_parameter_reaches_the_kernel(ran: tuple[Workspace, Done]) -> None:
    _, done = ran
    digest = hashlib.sha256(PASSWORD.encode()).hexdigest()
    assert done.printed("gets.ipynb") == f"{digest} True 2\n***\n"
    executed = done.executed("gets.ipynb")
    injected = "".join(executed["cells"][1]["source"])
    assert injected == '# Parameters\nx = 2\npassword = "***"\nother = "***"\n'
    shown = {"x": 2, "password": "***", "other": "***"}
    assert executed["metadata"]["papermill"]["parameters"] == shown
    assert done.notebooks["gets.ipynb"]["parameters"] == done.record["inputs"]["parameters"] == shown
    assert done.record["inputs"]["secret-parameters"] == {"password": "DB_LOGIN", "other": "SHORT"}
    assert "The secret of `other` is too short" in done.log


def test_a_warning_names_cells_and_kinds(ran: tuple[Workspace, Done]) -> None:
    _, done = ran
    found = {each.place[0]: each for each in done.annotations("warning")}
    message = found["tells.ipynb"].message
    value = "value of `AWS_SECRET_ACCESS_KEY`"
    assert f"cell 2 ({value}), cell 3 ({value}), cell 4 (GitHub token)" in message
    assert found["tells.ipynb"].properties["title"] == "Secret in cell 2"
    assert "cell 3 (value of `password`)" in found["gets.ipynb"].message
    assert found.keys() == {"tells.ipynb", "gets.ipynb", "changed.ipynb"}
    assert done.notebooks["tells.ipynb"]["status"] == "passed"


def test_credentials_of_the_job_are_withheld(ran: tuple[Workspace, Done]) -> None:
    _, done = ran
    assert done.printed("names.ipynb") == "['AWS_SECRET_ACCESS_KEY', 'DB_LOGIN']\n"
    assert any("`MY_TOKEN`" in each.message for each in done.annotations("notice"))
    failure = done.notebooks["needs.ipynb"]["failure"]
    assert (failure["ename"], failure["hint"].partition(",")[0]) == ("KeyError", "`MY_TOKEN` looks like a credential")


def test_a_notebook_with_a_secret_can_fail(workspace: Workspace, kernel: Any) -> None:
    workspace.write("tells.ipynb", NOTEBOOKS["tells.ipynb"])
    workspace.write("names.ipynb", NOTEBOOKS["names.ipynb"])
    given = {"on_secret": "fail", "pass_env": "*\n!AWS_REGION", "kernel_start": "spawn", "retries": "1"}
    done = workspace.execute(kernel, ENVIRON, **given)
    assert done.code == 1, done.log
    failure = done.notebooks["tells.ipynb"]["failure"]
    assert (failure["kind"], failure["title"], failure["cell"]) == ("secret", "Secret in cell 2", 2)
    assert KEY not in done.printed("tells.ipynb")
    assert done.notebooks["names.ipynb"]["status"] == "passed"
    assert done.printed("names.ipynb") == "['AWS_SECRET_ACCESS_KEY', 'DB_LOGIN', 'MY_TOKEN']\n"


def test_notebooks_can_be_saved_as_they_are(workspace: Workspace, kernel: Any) -> None:
    workspace.write("tells.ipynb", NOTEBOOKS["tells.ipynb"])
    done = workspace.execute(kernel, ENVIRON, on_secret="off", log_outputs="true", html="true")  # noqa: S106 - a choice
    assert done.code == 0, done.log
    assert done.annotations("warning") == []
    assert KEY in done.printed("tells.ipynb")
    assert KEY not in done.log
    assert FORMAT in next(workspace.runner_temp.rglob("tells.html")).read_text(encoding="utf-8")
