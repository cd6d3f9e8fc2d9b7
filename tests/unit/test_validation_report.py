"""What the summary says of validate-data."""

from typing import Any

import pytest

from notebook_ci.records.validate_data import Example, RuleResult, ValidateRecord, Violation
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
    assert summary.verdict(well) == ""
    assert summary.section(well)[0].splitlines() == [
        "| data      | rows  | suite    | met |",
        "| --------- | ----- | -------- | --- |",
        "| ✅ `a.csv` | 1,344 | `s.json` | 5/5 |",
    ]


def test_a_warning_is_noted() -> None:
    warned = record(result(violation(severity="warning", note="Why.")), status="passed")
    assert summary.note(warned) == "4 expectations met, 1 warning"
    assert summary.verdict(warned) == ""
    assert "⚠️ **`a.csv`: `mass`**\n\n2 of 3 values of `mass` fail. Why. (`s.json`, line 7)" in summary.section(warned)


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ([result(violation())], "`a.csv`, `mass` (`expect_column_values_to_not_be_null`)"),
        ([result(violation(column=""))], "`a.csv`, the table (`expect_column_values_to_not_be_null`)"),
        ([result(violation(), violation())], "2 of 5 expectations in `a.csv`"),
        ([result(violation()), result(violation(), data="b.csv")], "2 of 10 expectations in 2 data sets"),
        (
            [result(violation()), result(data="b.csv", error="b.csv is empty.")],
            "1 of 10 expectations in `a.csv`; 1 file could not be read",
        ),
        ([result(data="b.csv", error="b.csv is empty.")], ""),
        ([result(violation(severity="info", kind="missing-column"))], "`a.csv`, `mass` (`expect_column_values_to_no"),
    ],
)
def test_the_verdict(results: list[RuleResult], verdict: str) -> None:
    assert summary.verdict(record(*results)).startswith(verdict)
    assert verdict or not summary.verdict(record(*results))


def test_the_worst_comes_first_and_examples_are_folded() -> None:
    examples = [Example(row=row, value=f'"{row}"') for row in range(1, 5)]
    blocks = summary.section(
        record(
            result(data="good.csv"),
            result(
                violation("a", severity="info"),
                violation("b", severity="warning"),
                violation("c", examples=examples),
                violation("d", severity="info", kind="missing-column", examples=examples[:3]),
            ),
        )
    )
    assert blocks[0].splitlines()[2].startswith("| ❌ `a.csv`")
    heads = [block.splitlines()[0] for block in blocks[1:] if block]
    assert heads == [
        "❌ **`a.csv`: `c`**",
        "❌ **`a.csv`: `d`** (column missing)",
        "⚠️ **`a.csv`: `b`**",
        "ℹ️ **`a.csv`: `a`**",  # noqa: RUF001 - the sign is meant
    ]
    assert "<details><summary>Examples</summary>" in blocks[1]
    assert '| 4   | `"4"` |' in blocks[1]
    assert "<details>" not in blocks[2]


def test_many_violations_are_cut() -> None:
    blocks = summary.section(record(result(*(violation() for _ in range(25)))))
    assert len([block for block in blocks if block.startswith("❌")]) == 20
    assert blocks[-1] == "- … and 5 more: see the record."


def test_hostile_text_does_nothing() -> None:
    hostile = violation(HOSTILE, message=HOSTILE, note=HOSTILE, examples=[Example(row=1, value=HOSTILE)] * 5)
    text = "\n\n".join(summary.section(record(result(hostile, data=HOSTILE, error=HOSTILE))))
    outside = "".join(piece for number, piece in enumerate(text.split("`")) if number % 2 == 0)
    assert "<img" not in text
    assert "@team" not in outside
    assert text.count("</details>") == text.count("<details>") == 1
    assert not [line for line in text.splitlines() if line.startswith("#")]
