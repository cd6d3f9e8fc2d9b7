"""The suite writes nowhere what looks like a credential in the environment of a step."""

import base64
import json
from pathlib import Path

from integration.suite import Done, Workspace, notebook, texts

PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nBAQEFAASCBKcwggSjAgEAAoIB\n-----END PRIVATE KEY-----\n"
SECRETS = {
    "DB_PASSWORD": "p_w*<&%>\"'1",
    "HARMLESS": "ghp_0123456789abcdefghij0123",
    "DATABASE_URL": "postgres://ann:s3cr%2Ft-of-db@host/db",
    "GCP_SA_KEY": json.dumps({"type": "service_account", "private_key": PEM}, indent=1),
    "SIGNING_KEY": PEM,
}
SHOWN = {"DEBUG_TOKEN": "1", "MY_SECRET": "true", "BRANCH_KEY": "main", "X_TOKEN": "1234567"}
# Pieces that would give one away, in Markdown and in base64 too.
PIECES = ["p_w*<&", "ghp_0123", "s3cr%2Ft", "BEGIN PRIVATE", "MIIEvQ", "BAQEFA"]
PIECES += [piece.replace("_", r"\_").replace("*", r"\*").replace("<&", "") for piece in PIECES[:2]]
PIECES += [
    base64.b64encode(bytes(before) + piece.encode()).decode()[before + 1 : -4]
    for piece in PIECES[1:4]
    for before in range(3)
]
TELL = """
import base64, json, os, urllib.parse
from IPython.display import HTML, JSON, display
for name in NAMES:
    value = os.environ[name]
    print(value, repr(value), json.dumps(value), urllib.parse.quote(value, safe=""))
    print(base64.b64encode(value.encode()), base64.b64encode(f"ann:{value}".encode()))
    display(HTML(f"<b>{value}</b>"), JSON({"value": [value]}), {"text/plain": value}, raw=False)
print({name: os.environ[name] for name in ("DEBUG_TOKEN", "MY_SECRET", "BRANCH_KEY", "X_TOKEN")}, os.getcwd())
print(json.loads(os.environ["GCP_SA_KEY"])["private_key"])
print(urllib.parse.unquote(os.environ["DATABASE_URL"]))
print(urllib.parse.unquote(os.environ["DATABASE_URL"]), file=__import__("sys").stderr)
""".replace("NAMES", repr(list(SECRETS)))
FAIL = "raise RuntimeError(' '.join(os.environ[name] for name in NAMES))".replace("NAMES", repr(list(SECRETS)))


def assert_nothing_is_let_out(done: Done, *folders: Path) -> None:
    written = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    texts_of = {"log": done.log, "summary": done.summary, "outputs": json.dumps(dict(done.outputs))}
    texts_of |= {str(path): path.read_bytes().decode("utf-8", "replace") for path in written}
    found = [(name, piece) for name, text in texts_of.items() for piece in PIECES if piece in text]
    assert not found


def test_a_notebook_that_tells_all(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook(TELL, FAIL))
    workspace.write("b.ipynb", notebook("import scrapbook_is_not_there"))
    given = {"html": "true", "pass_env": "*"}
    done = workspace.execute(kernel, {**SECRETS, **SHOWN}, **given)
    assert done.code == 1, done.log
    assert len(done.annotations()) == 2
    assert "RuntimeError" in done.log
    assert_nothing_is_let_out(done, workspace.runner_temp / "notebook-ci")
    printed = texts(done.executed("a.ipynb")["cells"][0])
    assert "***" in printed
    assert str(SHOWN) in printed
    assert str(workspace.folder) in printed
    assert done.notebooks["a.ipynb"]["failure"]["evalue"].strip() == "*** *** postgres://ann:***@host/db *** ***"


def test_a_requirements_file_that_includes_the_environment(workspace: Workspace) -> None:
    workspace.write("requirements.txt", "-r /proc/self/environ\n")
    done = workspace.run("setup-env", {}, environ=SECRETS)
    assert done.code == 2
    assert "`/proc/self/environ` is not UTF-8 text" in done.log
    assert_nothing_is_let_out(done, workspace.runner_temp / "notebook-ci")


def test_a_requirements_file_with_a_credential_that_uv_prints(workspace: Workspace) -> None:
    workspace.write("requirements.txt", f"{SECRETS['HARMLESS']}=>1\n")
    done = workspace.run("setup-env", {}, environ=SECRETS)
    assert done.code == 2
    folder = workspace.runner_temp / "notebook-ci"
    assert "***" in (folder / "setup-env" / "install.log").read_text(encoding="utf-8")
    assert_nothing_is_let_out(done, folder)


def test_a_wrong_input_that_holds_one(workspace: Workspace) -> None:
    name = f"{SECRETS['HARMLESS']}.txt"
    runner = workspace.run("setup-env", {"requirements": name}, environ=SECRETS)
    laptop = workspace.run("setup-env", flags=[f"--requirements={name}"], environ=SECRETS)
    for done in (runner, laptop):
        assert done.code == 2
        assert "***.txt" in done.log
        assert_nothing_is_let_out(done, workspace.runner_temp, workspace.folder)
