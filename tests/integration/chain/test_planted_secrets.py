"""Of 200 secrets that notebooks, tests and data show in every encoding, nothing is left in what the stages write.

The 100 tokens of known formats are shown in plain text only: nobody can find an unknown token in base64.
"""

import json
import random
import string
from pathlib import Path
from typing import Any

from integration.comment_run.pull_request import Driver, PullRequest
from integration.suite import Done, Workspace, notebook, parameters
from servers.github_api import GitHubRestApi

CHANCE = random.Random(5)  # noqa: S311 - not for secrets
LETTERS = string.ascii_letters + string.digits
KNOWN = {f"TEAM_{number}_TOKEN": "".join(CHANCE.choices(f"{LETTERS * 2}-+/_&", k=24)) for number in range(100)}
FORMATS = [
    f"{begin}{''.join(CHANCE.choices(LETTERS, k=length))}"
    for begin, length in (
        ("gh" + "p_", 36),
        ("glp" + "at-", 20),
        ("sk_l" + "ive_", 24),
        ("np" + "m_", 36),
        ("AI" + "za", 35),
    )
    for _ in range(20)
]
# A value whose variable does not look like a credential: only `secret-parameters` says that it is one.
PHRASE = "correct-horse/battery&staple+9"
ENCODERS = """
import base64, html, json, textwrap, urllib.parse
def encoded(value):
    data = value.encode()
    b64 = base64.b64encode(b"user:" + data * 4).decode()
    yield from (value, base64.b64encode(data).decode(), urllib.parse.quote(value, safe=""), json.dumps(value))
    yield from (html.escape(value), data.hex(), data.hex().upper(), value[::-1], repr(value))
    yield from ("\\n".join(textwrap.wrap(b64, 64)), "\\n".join(textwrap.wrap(b64, 76)), value[:9] + "\\n" + value[9:])
"""
ENCODE = f"""{ENCODERS}
import os, sys
from IPython.display import HTML, JSON, Markdown, display
def show(value):
    texts = list(encoded(value))
    for stream in (sys.stdout, sys.stderr):
        print(*texts, sep="\\n", file=stream)
    display(HTML("".join(f"<p>{{text}}</p>" for text in texts)), Markdown("\\n\\n".join(texts)))
    display(JSON({{"a": texts}} | dict.fromkeys(texts)))
    for piece in (value[:7], value[7:], "\\n"):
        print(piece, end="", flush=True)
known = [value for name, value in sorted(os.environ.items()) if name.startswith("TEAM_")]
"""
TESTS = f"""{ENCODERS}
import os, pytest
PHRASE = os.environ["STUDY_PHRASE"]
@pytest.mark.parametrize("value", [PHRASE, os.environ["TEAM_7_TOKEN"]])
def test_tells(value):
    print(*encoded(value), sep="\\n")
    assert value == list(encoded(value))
"""
SUITE = {
    "name": "team",
    "expectations": [{"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "a", "value_set": ["x"]}}],
}
SHOW = "for value in known[{}::5]:\n    show(value)"
SHOW_PHRASE = """
show(phrase)
import sys
sys.stdout.write("100%\\r" + phrase[:5])
sys.stdout.write(phrase[5:] + "\\r200%\\n")
first = display({"text/plain": phrase[:9]}, raw=True, display_id="x")
display({"application/vnd.team+json": {phrase: [[phrase]]}, "text/latex": phrase}, raw=True, metadata={phrase: phrase})
display({"image/svg+xml": f"<svg><text>{phrase}</text></svg>"}, raw=True, display_id="x", update=True)
print(dict(os.environ))
"""
FAIL = "raise RuntimeError(' '.join(text for value in known[:20] for text in encoded(value)))"


def told(done: Done) -> dict[str, str]:
    return {"log": done.log, "summary": done.summary, "outputs": repr(done.outputs)}


def test_200_secrets_leave_nothing(workspace: Workspace, kernel: Path, api: GitHubRestApi, driver: Driver) -> None:
    halves = [[value[:8], value[8:]] for value in FORMATS]
    shown = f"for first, second in json.loads({json.dumps(json.dumps(halves))}):\n    print(first + second)\n"
    cells = [ENCODE, *(SHOW.format(number) for number in range(5)), shown]
    workspace.write("shows.ipynb", notebook(*cells))
    workspace.write("fails.ipynb", notebook(ENCODE, FAIL))
    workspace.write(
        "gets.ipynb", notebook(ENCODE, parameters("phrase = ''"), SHOW_PHRASE, "raise KeyError('x' * 1985 + phrase)")
    )
    workspace.write("tests/test_tells.py", TESTS)
    workspace.write("suite.json", json.dumps(SUITE))
    workspace.write("data.csv", "a\n" + "\n".join([*FORMATS[::10], *list(KNOWN.values())[:8], PHRASE]) + "\n")
    toml = f'[log-run]\ntracking-uri = "sqlite:///{workspace.folder}/mlflow.db"\n[test-notebook]\npython = "{kernel}"\n'
    toml += 'pytest-args = "-p no:cacheprovider"\n'
    workspace.write("notebook-ci.toml", f'{toml}[validate-data]\ndata = "data.csv"\nsuite = "suite.json"\n')
    sources = {path for path in workspace.folder.rglob("*") if path.is_file()}
    given = {"secret_parameters": "phrase: STUDY_PHRASE", "pass_env": "TEAM_*", "html": "true", "log_outputs": "true"}
    environ = {**KNOWN, "STUDY_PHRASE": PHRASE}
    steps = [
        workspace.execute(kernel, environ, **given),
        workspace.run("test-notebook", {"pass-env": "TEAM_*\nSTUDY_*"}, environ=environ),
        workspace.run("pipeline", {"stages": "validate-data\nlog-run\nreport-run"}, environ=environ),
    ]
    assert [done.code for done in steps] == [1, 1, 1], [done.log[-3000:] for done in steps]
    of_run = {"run-dir": str(workspace.runner_temp / "notebook-ci"), "result": "failure"}
    steps.append(PullRequest(workspace, api, driver).run(1, environ=environ, **of_run))
    (comment,) = api.by("github-actions[bot]")
    assert r"\*\*\*" in comment
    # What is uploaded: MLflow's files are in the workspace. Copies are searched once.
    paths = [path for root in (workspace.folder, workspace.runner_temp) for path in root.rglob("*") if path.is_file()]
    files = {path.read_bytes(): str(path) for path in paths if path not in sources}
    files |= {comment.encode(): "comment"}
    files |= {text.encode(): name for done in steps for name, text in told(done).items()}
    written = {path.name: path.read_bytes() for path in paths if path not in sources}
    assert {
        "report.html",
        "junit.xml",
        "shows.html",
        "mlflow.db",
        "log-run.json",
        "validate-data.json",
    } <= written.keys()
    assert "✓ shows.ipynb" in steps[0].log, "it failed where it should, and nowhere before"
    assert steps[1].outputs["failed"] == "2"
    assert written["validate-data.json"].count(b"***") > 10
    encoders: dict[str, Any] = {}
    exec(ENCODERS, encoders)  # noqa: S102 - as the notebook does
    planted = {text for value in environ.values() for text in encoders["encoded"](value)} | {*FORMATS, PHRASE[:12]}
    # In two streams, HTML and Markdown, and twice in JSON.
    assert written["shows.ipynb"].count(b"***") > 100 * 12 * 5
    assert written["fails.ipynb"].count(b"***") > 20 * 12
    left: dict[str, list[str]] = {}
    for data, name in files.items():
        for compact in {data, data.replace(b"\\n", b"\n")}:
            for text in planted:
                if text.encode() in compact:
                    left.setdefault(name, []).append(text)
    assert {name: found[:3] for name, found in left.items()} == {}
