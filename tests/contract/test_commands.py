"""Commands in messages: every name in one is quoted, because `texts.command_line` put it there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
# Their texts are lines of a Dockerfile.
DOCKERFILES = {"dockerfile.py", "packages.py"}
PROGRAMS = "apt-get|bash|chmod|cp|docker|dvc|git|jupyter|jupytext|mkdir|mlflow|mv|pip|python3?|rm|sh|uv|uvx"
# A word, a space, and later what is inserted: a command, if it stands between backticks.
COMMAND = re.compile(r"[A-Za-z][\w./-]* .*\{\w*\}")
BARE = re.compile(rf"(?:^|: |[Rr]un |with )(?:{PROGRAMS}) [a-z-]+ [^.:;`]*\{{\}}")


def texts(source: str) -> Iterator[tuple[int, str, bool]]:
    """Yield line and text of each f-string, with `{}` for what it inserts, and of other texts; whether it is one."""
    tree = ast.parse(source)
    pieces = {id(piece) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for piece in node.values}
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(
                    str(getattr(piece, "value", "")) if isinstance(piece, ast.Constant) else "{}"
                    for piece in node.values
                ),
                True,
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in pieces | statements:
            yield node.lineno, node.value, False


def unquoted(source: str) -> list[int]:
    """Return the lines of commands that have a name in them as it is."""
    found = []
    for line, text, is_formatted in texts(source):
        outside, between = text.split("`")[::2], text.split("`")[1::2]
        if any(map(COMMAND.match, between)) or (is_formatted and any(map(BARE.search, outside))):
            found.append(line)
    return found


def test_no_command_in_a_message_has_a_name_as_it_is() -> None:
    paths = [path for path in SCRIPTS.rglob("*.py") if path.name not in DOCKERFILES and "dev" not in path.parts]
    assert len(paths) > 100
    found = {str(path.relative_to(SCRIPTS)): unquoted(path.read_text(encoding="utf-8")) for path in paths}
    assert not {path: lines for path, lines in found.items() if lines}


@pytest.mark.parametrize(
    "source",
    [
        'f"Push it: `dvc push {pointer}`."',
        'f"Run `launch.sh --env x --exec mlflow db upgrade {uri}`"',
        'f"Convert it: jupyter nbconvert --inplace {name}"',
        'hint = "Run `git checkout -- {file}`."',
        'f"Use `a` and `git add {a} {b}`"',
    ],
)
def test_such_a_command_is_found(source: str) -> None:
    assert unquoted(source) == [1]


@pytest.mark.parametrize(
    "source",
    [
        '"""Run `dvc push {x}`."""',
        "f\"Push it: {command_line('dvc push {}', pointer)}.\"",
        'f"`{name}` is `{value}`, or a number from 1 to {most}"',
        'f"`{x}==<version>`"',
        'f"The cache of uv has altered files of {x}"',
        '"Write `small: {alpha: 0.1}`"',
    ],
)
def test_what_is_no_such_command(source: str) -> None:
    assert unquoted(source) == []
