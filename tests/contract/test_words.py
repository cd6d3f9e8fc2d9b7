"""The plain English of what people read before they use the suite: READMEs, other documents, action.yml, `--help`."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from notebook_ci.base.inputs import declared
from notebook_ci.base.usage import usage
from notebook_ci.stages import STAGES, load_stage
from pipeline import PIPELINE

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (
    "*.md",
    "docs/*.md",
    "actions/*/README.md",
    "scripts/*/README.md",
    "examples/*/*.md",
    "action.yml",
    "actions/*/action.yml",
    "workflows-templates/*.yml",
)
# By rule: what to look for, and a text that has it. The rule says what to write instead.
RULES = {
    "one per line, one table per stage": (
        r"\b(one|entry|table|record|line|step|row) an? (line|stage|output|set|cpu|notebook)\b",
        "one entry a line",
    ),
    "X is not a Y": (r"(?<!there )\b(is|are) no [a-z]|\bwhich is none\b", "x is no stage"),
    "checks X against Y": (r"\b(hold|holds|held|laid)\b[^.|]{0,40}\bagainst\b", "holds them against a suite"),
    "X is in Y": (r"\b(stand|stands|standing) (too )?in\b", "It stands in the file."),
    "is created, exists": (r"\bis made\b(?! up)|\bcome to be\b|\bif it is there\b", "the environment is made"),
    "in the format of, still": (r"\bin the manner of\b|\bof which nothing\b|\ball the same\b", "in the manner of x"),
    "next to": (r"\bbeside (the|it|them|its)\b", "a file beside the runs"),
}


def texts() -> Iterator[tuple[str, str]]:
    for pattern in DOCUMENTS:
        for path in ROOT.glob(pattern):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    yield "--help", usage()
    for command in [PIPELINE, *(load_stage(name) for name in STAGES)]:
        inputs = declared(command.inputs).values()
        described = [f"{item.description} {item.shown_default} {item.kind.accepts}" for item in inputs]
        summaries = (command.description, command.inputs.__doc__ or "")
        yield command.name, "\n".join([*summaries, *described, *command.all_outputs.values()])


def found(rule: str, text: str) -> list[str]:
    """Return what breaks a rule. Words that a line break divides are seen, too."""
    return [match[0] for match in re.finditer(RULES[rule][0], re.sub(r"\s+", " ", text), re.IGNORECASE)]


@pytest.mark.parametrize("rule", RULES)
def test_texts_follow_a_rule(rule: str) -> None:
    assert not [f"{name}: {words!r}; write: {rule}" for name, text in texts() for words in found(rule, text)]


@pytest.mark.parametrize("rule", RULES)
def test_a_text_that_breaks_a_rule_is_found(rule: str) -> None:
    assert found(rule, RULES[rule][1])


def test_every_kind_of_text_is_read() -> None:
    names = {name for name, _ in texts()}
    assert {"README.md", "CHANGELOG.md", "docs/benchmarks.md", "action.yml", "actions/log-run/action.yml"} <= names
    assert {"actions/log-run/README.md", "examples/penguins/README.md", "--help", "pipeline", *STAGES} <= names
