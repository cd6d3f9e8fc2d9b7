"""What the summary says of validate-data."""

import re
from typing import Any

import pytest

from notebook_ci.base.errors import Problem
from notebook_ci.records.validate_data import Example, RuleResult, ValidateRecord, Violation
from notebook_ci.summary.of_run import render
from notebook_ci.validate_data import summary

HOSTILE = "</details><img src=x> [l](http://x) @team\n# a|b `c`"


def violation(column: str = "mass", **fields: Any) -> Violation:
    given: dict[str, Any] = {
        "kind": "violation",
        "severity": "critical",
        "expectation": "expect_column_values_to_not_be_null",
        "file": "s.json",
        "line": 7,
        "message": f"2 of 3 values of `{column}` fail.",
    }
    return Violation(column=column, **(given | fields))


def record(*results: RuleResult, status: str = "failed") -> ValidateRecord:
    return ValidateRecord(
        stage="validate-data",
        status=status,  # type: ignore[arg-type]  # one of the words that a record has
        evaluated=sum(result.evaluated for result in results),
        failed=sum(result.failed for result in results),
        results=list(results),
    )


def result(*violations: Violation, data: str = "a.csv", **fields: Any) -> RuleResult:
    failed = sum(each.fails for each in violations)
    made = RuleResult(
        data=data, suite="s.json", suite_name="s", evaluated=5, failed=failed, success=not failed, **fields
    )
    made.violations, made.warned = list(violations), len(violations) - failed
    return made


def test_all_is_well() -> None:
    well = record(result(rows=1344), status="passed")
    assert summary.note(well) == "5 expectations met"
    assert summary.failures(well) == []
    assert summary.section(well)[0].splitlines() == [
        "| data      | rows  | suite    | met |",
        "| --------- | ----- | -------- | --- |",
        "| ✅ `a.csv` | 1,344 | `s.json` | 5/5 |",
    ]


def test_a_warning_is_noted() -> None:
    warned = record(result(violation(severity="warning", note="Why.")), status="passed")
    assert summary.note(warned) == "4 expectations met, 1 warning"
    assert summary.failures(warned) == []
    assert "⚠️ **`a.csv`, column `mass`**\n\n2 of 3 values of `mass` fail. Why. (`s.json`, line 7)" in summary.section(
        warned
    )


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([result(violation())], "`a.csv`, column `mass`: 2 of 3 values of `mass` fail, after"),
        ([result(violation(column=""))], "`a.csv`, the table: 2 of 3 values of "),
        ([result(violation(), violation("x"))], "`a.csv`, column `mass`: 2 of 3 values of `mass` fail (and 1 more"),
        (
            [result(violation()), result(data="b.csv", error="b.csv is empty.")],
            "`a.csv`, column `mass`: 2 of 3 values of `mass` fail (and 1 more failure), after",
        ),
        ([result(data="b.csv", error="b.csv is empty.")], "b.csv is empty, after"),
        ([result(violation(severity="info", kind="missing-column"))], "`a.csv`, column `mass`: 2 of"),
    ],
)
def test_the_headline(results: list[RuleResult], said: str) -> None:
    failed = record(*results)
    failed.problems = [Problem(severity="error", message=each.error) for each in results if each.error]
    assert render([failed]).startswith(f"### ❌ validate-data failed: {said}")


def test_violations_that_do_not_fail_follow_the_table_and_examples_are_folded() -> None:
    examples = [Example(row=row, value=f'"{row}"') for row in range(1, 5)]
    found = record(
        result(data="good.csv"),
        result(
            violation("a", severity="info"),
            violation("b", severity="warning", examples=examples),
            violation("c", examples=examples),
            violation("d", severity="info", kind="missing-column", examples=examples[:3]),
        ),
    )
    blocks = summary.section(found)
    assert blocks[0].splitlines()[2].startswith("| ❌ `a.csv`")
    heads = [block.splitlines()[0] for block in blocks[1:] if block]
    assert heads == ["⚠️ **`a.csv`, column `b`**", "ℹ️ **`a.csv`, column `a`**"]  # noqa: RUF001 - the sign is meant
    assert '<details><summary>Examples</summary>\n\n```text\nrow 1: "1"\n' in blocks[1]
    assert "<details>" not in blocks[2]
    failed = summary.failures(found)
    assert [(each.part, each.details.count("row")) for each in failed] == [("column `c`", 4), ("column `d`", 0)]


def test_many_violations_are_cut() -> None:
    blocks = summary.section(record(result(*(violation(severity="warning") for _ in range(25)))))
    assert len([block for block in blocks if block.startswith("⚠️")]) == 20
    assert blocks[-1] == "- … and 5 more: see the record."


def test_hostile_text_does_nothing() -> None:
    hostile = violation(HOSTILE, message=HOSTILE, note=HOSTILE, examples=[Example(row=1, value=HOSTILE)] * 5)
    text = render([record(result(hostile, data=HOSTILE, error=HOSTILE))])
    text = re.sub(r"^```text\n.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    outside = "".join(piece for number, piece in enumerate(text.split("`")) if number % 2 == 0)
    assert "<img" not in outside
    assert "@team" not in outside
    assert outside.count("</details>") == outside.count("<details>") == 1
    assert not [line for line in text.splitlines() if re.match("# |## ", line)]
