"""The plain English of READMEs, other documents, action.yml, `--help` and messages; the names in the code."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from notebook_ci.base.inputs import declared
from notebook_ci.stages import ALL_STAGES, load_stage
from pipeline import PIPELINE, usage

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (
    "*.md",
    "docs/*.md",
    "actions/*/README.md",
    "scripts/*/README.md",
    "examples/*/*.md",
    "action.yml",
    "actions/*/action.yml",
    "workflows-templates/**/*.yml",
    ".github/workflows/notebook-*.yml",
)
COMMANDS = [PIPELINE, *map(load_stage, ALL_STAGES)]
# Only names with a hyphen: others, such as `data`, are also ordinary words.
INPUTS = {name for command in COMMANDS for name in declared(command.inputs) if "-" in name}
NOT_IN_NAMES = {"keeper", "made", "place", "places", "told", "wanted"}
# By rule: what to look for, and a text that has it. The rule says what to write instead.
RULES = {
    "one per line, one table per stage": (
        r"\b(one|entry|table|record|line|step|row|errors|warnings) an? (line|stage|output|set|cpu|notebook|step)\b",
        "one entry a line",
    ),
    "X is not a Y": (r"(?<!there )\b(is|are) no [`{a-z]|\bwhich is none\b", "`x` is no stage"),
    "checks X against Y": (r"\b(hold|holds|held|laid)\b[^.|]{0,40}\bagainst\b", "holds them against a suite"),
    "X is in Y": (r"\b(stand|stands|standing) (too )?in\b", "It stands in the file."),
    "is created, exists": (r"\bis made\b(?! up)|\bcome to be\b|\bif it is there\b", "the environment is made"),
    "in the format of, still": (r"\bin the manner of\b|\bof which nothing\b|\ball the same\b", "in the manner of x"),
    "next to": (r"\bbeside (the|it|them|its)\b", "a file beside the runs"),
}
# Of messages and hints in the code, whose placeholders are `{}`.
MESSAGE_RULES = {
    "the name of an input in backticks": (
        rf"(?<![`\w/-])({'|'.join(sorted(INPUTS))})(?![`\w-])",
        "Correct base-image.",
    ),
    "set `x` to ..., without the word input": (r"\bthe input `?[a-z-]+", "Name a folder with the input venv."),
    "subject first": (r"(^|\. )Of (several|two|all)\b|\bof which\b", "Of several files the first is taken."),
    "created, installed": (r"\b(is|are|was|were|be|been) made\b|\b[Mm]aking the\b", "The folder cannot be made."),
    "again": (r"\banew\b", "It is made anew."),
    "exists, does not exist": (r"\b(is|are) (not )?there\b(?! a)", "requirements.txt is not there."),
    "Use X; Known: X": (r"\bAccepted (is|are)\b|\bKnown are\b|\bGiven are\b", "Known are a, b."),
    "an ordinary verb": (r"\b(told|wanted|lies|mend)\b", "as it is told"),
    "writable": (r"\b[Hh]ave the right\b|\bthat can be written\b", "Have the right to write there."),
}


@cache
def trees() -> dict[str, ast.Module]:
    """Return the parsed files of `scripts/` by path."""
    files = sorted((ROOT / "scripts").rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in files}


def texts() -> Iterator[tuple[str, str]]:
    for pattern in DOCUMENTS:
        for path in ROOT.glob(pattern):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    yield "--help", usage()
    for command in COMMANDS:
        inputs = declared(command.inputs).values()
        described = [f"{item.description} {item.shown_default} {item.kind.accepts}" for item in inputs]
        summaries = (command.description, command.inputs.__doc__ or "")
        yield command.name, "\n".join([*summaries, *described, *command.all_outputs.values()])
    yield from messages()


def messages() -> Iterator[tuple[str, str]]:
    """Yield the texts of more than one word in the code, with file and line; no docstrings."""
    for file, tree in trees().items():
        for line, text in strings(tree):
            if " " in text.strip():
                yield f"{file}:{line}", text


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Expr(ast.Constant()):  # a docstring
                continue
            case ast.Constant(str(text)):
                yield node.lineno, text
            case ast.JoinedStr(values):
                yield (
                    node.lineno,
                    "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in values),
                )
                for each in values:
                    if isinstance(each, ast.FormattedValue):
                        yield from strings(each)
                continue
        yield from strings(node)


def names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name) | ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
                yield name
            case ast.Name(name) | ast.Attribute(attr=name) | ast.arg(name):
                yield name


def found(rule: str, text: str) -> list[str]:
    """Return what breaks a rule. Words that a line break divides are seen, too."""
    pattern, _ = (RULES | MESSAGE_RULES)[rule]
    flags = re.IGNORECASE if rule in RULES else 0
    return [match[0] for match in re.finditer(pattern, re.sub(r"\s+", " ", text), flags)]


def forbidden(tree: ast.AST) -> set[str]:
    """Return the names that contain a word which the glossary replaces."""
    return {
        name for name in names(tree) if NOT_IN_NAMES & set(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_"))
    }


def doubled(parsed: dict[str, ast.Module]) -> list[str]:
    """Return the classes whose name another class has, too; a leading underscore makes no difference."""
    files: dict[str, list[str]] = {}
    for file, tree in parsed.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                files.setdefault(node.name.strip("_"), []).append(file)
    return [f"{name}: {', '.join(where)}" for name, where in files.items() if len(where) > 1]


@pytest.mark.parametrize("rule", [*RULES, *MESSAGE_RULES])
def test_texts_follow_a_rule(rule: str) -> None:
    read = texts() if rule in RULES else messages()
    assert not [f"{name}: {words!r}; write: {rule}" for name, text in read for words in found(rule, text)]


@pytest.mark.parametrize("rule", [*RULES, *MESSAGE_RULES])
def test_a_text_that_breaks_a_rule_is_found(rule: str) -> None:
    assert found(rule, (RULES | MESSAGE_RULES)[rule][1])


def test_every_kind_of_text_is_read() -> None:
    read = dict(texts())
    assert {"README.md", "CHANGELOG.md", "docs/benchmarks.md", "action.yml", "actions/log-run/action.yml"} <= set(read)
    assert {"actions/log-run/README.md", "examples/penguins/README.md", "--help", "pipeline", *ALL_STAGES} <= set(read)
    assert "Results so far were kept." in read.values(), "a hint in the code"
    assert "`{}` {}does not exist." in read.values(), "a message with a placeholder"


def test_of_code_texts_are_read_and_docstrings_are_not() -> None:
    tree = ast.parse('"""A b."""\ndef f():\n    """C d."""\n    return g(f"e {h + \'i j\'} k", l="m")\n')
    assert list(strings(tree)) == [(4, "e {} k"), (4, "i j"), (4, "m")]


def test_names_in_the_code_are_those_of_the_glossary() -> None:
    assert not {file: found for file, tree in trees().items() if (found := forbidden(tree))}


@pytest.mark.parametrize("name", ["told", "_Told", "self.made", "the_place", "NOT_WANTED", "keeperOf"])
def test_a_name_that_is_not_of_the_glossary_is_found(name: str) -> None:
    assert forbidden(ast.parse(f"{name} = placement"))
    assert forbidden(ast.parse(f"def f({name.partition('.')[2] or name}): pass"))


def test_no_two_classes_have_one_name() -> None:
    assert not doubled(trees())


def test_two_classes_of_one_name_are_found() -> None:
    assert doubled({"a.py": ast.parse("class _A: pass"), "b.py": ast.parse("def f():\n    class A: pass")}) == [
        "A: a.py, b.py"
    ]
