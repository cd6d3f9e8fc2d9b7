"""Of 200 secrets that notebooks show in every encoding, nothing is left in what a chain writes."""

import json
import random
import string
from pathlib import Path
from typing import Any

from integration.suite import Workspace, notebook

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
SHOW = "for value in known[{}::5]:\n    show(value)"
FAIL = "raise RuntimeError(' '.join(text for value in known[:20] for text in encoded(value)))"


def test_200_secrets_leave_nothing(workspace: Workspace, kernel: Path) -> None:
    halves = [[value[:8], value[8:]] for value in FORMATS]
    shown = f"for first, second in json.loads({json.dumps(json.dumps(halves))}):\n    print(first + second)\n"
    cells = [ENCODE, *(SHOW.format(number) for number in range(5)), shown]
    workspace.write("shows.ipynb", notebook(*cells))
    workspace.write("fails.ipynb", notebook(ENCODE, FAIL))
    toml = f'[execute-notebook]\npython = "{kernel}"\npass-env = "TEAM_*"\nhtml = true\nlog-outputs = true\n'
    workspace.write("notebook-ci.toml", toml + f'[log-run]\ntracking-uri = "sqlite:///{workspace.folder}/mlflow.db"\n')
    done = workspace.run("pipeline", {"stages": "execute-notebook\nlog-run\nreport-run"}, environ=KNOWN)
    assert done.code == 1, done.log[-3000:]
    # What is uploaded: MLflow's files are in the workspace. Copies are searched once.
    sources = {workspace.folder / name for name in ("shows.ipynb", "fails.ipynb", "notebook-ci.toml")}
    paths = [path for root in (workspace.folder, workspace.runner_temp) for path in root.rglob("*") if path.is_file()]
    files = {path.read_bytes(): str(path) for path in paths if path not in sources}
    files |= {done.log.encode(): "log", done.summary.encode(): "summary", repr(done.outputs).encode(): "outputs"}
    written = {path.name: path.read_bytes() for path in paths if path not in sources}
    assert {"report.html", "junit.xml", "shows.html", "mlflow.db", "log-run.json"} <= written.keys()
    assert "✓ shows.ipynb" in done.log, "it failed where it should, and nowhere before"
    encoders: dict[str, Any] = {}
    exec(ENCODERS, encoders)  # noqa: S102 - as the notebook does
    planted = {text for value in KNOWN.values() for text in encoders["encoded"](value)} | set(FORMATS)
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
