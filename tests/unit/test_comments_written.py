"""The text of comments: what has changed, what is hidden in the first line, and that nothing of it notifies anybody."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from notebook_ci.base import markdown
from notebook_ci.base.errors import Problem
from notebook_ci.comment_run import changes, mark, text
from notebook_ci.comment_run.event import Target
from notebook_ci.comment_run.mark import Mark
from notebook_ci.records.execute_notebook import ExecuteRecord
from notebook_ci.records.record import Record, Status
from notebook_ci.records.test_notebook import CaseResult, PytestRecord
from notebook_ci.records.validate_data import RuleResult, ValidateRecord
from unit.shard_runs import failed, passed, skipped

URL = "https://github.com/acme/penguins"
ADDRESS = "postgres://bob:Xk39fjw9e8@db/sales"
TARGET = Target(
    repository="acme/penguins", url=URL, sha="a" * 40, commit="a" * 40, workflow="Notebooks", path="n.yml", run=1,
    attempt=1, run_url=f"{URL}/actions/runs/1", result="failure", is_from_fork=True,
)  # fmt: skip


def executed(*names: str, bad: str = "", slug: str = "") -> ExecuteRecord:
    results = [*map(passed, names), *map(failed, bad.split())]
    status: Status = "failed" if bad else "passed"
    return ExecuteRecord(stage="execute-notebook", slug=slug, status=status, notebooks=results)


def described(before: list[Record], after: list[Record]) -> str:
    known = changes.kept([], changes.checked(before))
    return changes.describe(known, changes.checked(after))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (executed("a", bad="b c"), executed("a", "b", "c"), "2 fixed (`b`, `c`)"),
        (executed("a", "b"), executed(bad="a b"), "2 new failures (`a`, `b`)"),
        (executed(bad="a b"), executed(bad="a b"), "2 failures as before (`a`, `b`)"),
        (executed("b", bad="a"), executed("b"), "1 did not run again"),
        (executed("a"), executed("a"), ""),
        (executed(bad="a", slug="x"), executed("a", slug="y"), "1 did not run again"),
    ],
)
def test_fixed_is_what_ran_again_and_passed(before: Record, after: Record, expected: str) -> None:
    assert described([before], [after]) == expected


def test_skipped_and_allowed_notebooks_count_for_nothing() -> None:
    after = ExecuteRecord(stage="execute-notebook", notebooks=[skipped("a"), failed("b", status="allowed")])
    assert described([executed(bad="a b")], [after]) == "2 did not run again"


def test_tests_data_and_stages_count_as_notebooks_do() -> None:
    cases = [CaseResult(test="t.py::test_a", status="failed"), CaseResult(test="t.py::test_b", status="passed")]
    tests = PytestRecord(stage="test-notebook", status="failed", cases=cases)
    results = [RuleResult(data="a.csv", suite="a.json", suite_name="a", success=good) for good in (True, False)]
    data = ValidateRecord(stage="validate-data", status="failed", results=results)
    broken = Record(stage="setup-env", status="error")
    assert described([executed("a")], [tests, data, broken]) == (
        "3 new failures (`t.py::test_a`, `a.csv`, `setup-env`)"
    )
    fixed = PytestRecord(stage="test-notebook", cases=[CaseResult(test="t.py::test_a", status="passed")])
    assert described([tests, broken], [fixed, Record(stage="setup-env")]) == "2 fixed (`t.py::test_a`, `setup-env`)"


def test_what_a_broken_stage_kept_from_running_is_not_forgotten() -> None:
    before = changes.kept([], changes.checked([executed(bad="a")]))
    between = changes.checked([Record(stage="setup-env", status="error")])
    assert changes.describe(before, between) == "1 new failure (`setup-env`), 1 did not run again"
    after = changes.checked([Record(stage="setup-env"), executed("a")])
    assert changes.describe(changes.kept(before, between), after) == "2 fixed (`setup-env`, `a`)"


def test_a_mark_is_read_again() -> None:
    hidden = Mark(key=mark.key_of("a-->b.yml", "", ""), run=3, attempt=2, failed=["x:1"])
    body = mark.marked(hidden, "text --> <!--\n")
    line = mark.first_line(body)
    assert line.count("-->") == 1
    found = mark.read(body.replace("\n", "\r\n"))
    assert found
    assert (found.key, found.order, found.failed) == (hidden.key, (3, 2), ["x:1"])
    assert mark.first_line(mark.marked(hidden, "other")) != line, "so a change of the text is seen"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "text\n<!-- notebook-ci comment-run {} -->",
        "<!-- notebook-ci comment-run -->",
        "<!-- notebook-ci comment-run {} -->",
        "<!-- notebook-ci comment-run [1] -->",
        "<!-- notebook-ci comment-run " + "[" * 100_000 + " -->",
        '<!-- notebook-ci comment-run {"key": "k", "run": "1", "attempt": 1, "failed": []} -->',
        '<!-- notebook-ci comment-run {"key": "k", "run": 1, "attempt": 1, "failed": [1]} -->',
    ],
)
def test_what_is_not_a_mark_is_ignored(body: str) -> None:
    assert mark.read(body) is None


# What GitHub makes links or notifications of: mentions, issues, addresses.
LIVELY = re.compile(r"@\w|#\d|\bGH-\d|\w+://|\bwww\.|!\[|<(?!/?details>|/?summary>)|\]\(", re.IGNORECASE)
PIECES = st.sampled_from(
    [
        "@ada",
        "請",
        "#1",
        "acme/x#2",
        "GH-3",
        "https://evil",
        "www.evil",
        "![x](y)",
        "[x](y)",
        "<img>",
        "`",
        "``",
        "\\",
        " ",
        "\n",
        "|",
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join))
@example("\\`x` https://evil #1 `y`")  # after a backslash that is escaped, code begins
@example("請@ada a@b")
@settings(max_examples=300, deadline=None)
def test_no_text_notifies_anybody_or_links_elsewhere(stranger: str) -> None:
    shown = "\n".join([markdown.inline(stranger), markdown.name(stranger), markdown.title(stranger)])
    assert not LIVELY.search(outside_of_code(text.harmless(shown, URL)))


@pytest.mark.parametrize("lively", ["@ada", "請@ada", "#1", "GH-1", "https://x", "www.x", "![", "<img", "[x](y)"])
def test_what_is_lively_is_found(lively: str) -> None:
    assert LIVELY.search(lively)


def test_credentials_in_addresses_are_hidden() -> None:
    stranger = Record(stage="dvc-pull", status="error", problems=[Problem(severity="error", message=f"No {ADDRESS}.")])
    written = text.write(TARGET, text.Results(records=[stranger]), changed="", report="", slug="")
    assert "Xk39fjw9e8" not in written
    assert "postgres:\u200b//bob:***@" in written


def outside_of_code(shown: str) -> str:
    """Return Markdown without escapes and code spans, which begin and end with as many backticks."""
    return re.sub(r"\\[\\`*\[\]|~_]|(`+)(?:[^\n]*?(?<!`)\1(?!`))?", "\x00", shown)


def test_links_to_the_own_repository_and_code_are_kept() -> None:
    kept = (
        f"[a]({URL}/blob/c0ffee/a.ipynb?plain=1#L1) [b]({URL}/actions/runs/1)\n```text\n@property\n# 1 #1\n```\n`#1 @x`"
    )
    assert text.harmless(kept.replace("#L1", "#L"), URL) == kept.replace("#L1", "#L")
    assert text.harmless(f"{URL}/issues/1", URL) == "https:\u200b//github.com/acme/penguins/issues/1"
    assert "://" not in text.harmless("https://github.com.evil/acme/penguins/actions/runs/1", URL)
