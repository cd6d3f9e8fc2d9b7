"""What a summary says of test-notebook."""

from notebook_ci.records.test_notebook import CaseResult, PytestRecord
from notebook_ci.summary.of_run import render

PASSED = CaseResult(test="tests/test_a.py::test_a", status="passed", duration=0.5)
SLOW = CaseResult(test="tests/test_a.py::test_slow", status="passed", duration=75)
FAILED = CaseResult(
    test="tests/test_a.py::test_b",
    status="failed",
    file="a.ipynb",
    line=12,
    message="assert 1 == 2",
    traceback="a.ipynb:12: AssertionError",
)
SKIPPED = CaseResult(test="tests/test_a.py::test_c", status="skipped")


def rendered(*cases: CaseResult, **fields: object) -> str:
    return render([PytestRecord(stage="test-notebook", duration=3, cases=list(cases), **fields)])  # type: ignore[arg-type]


def test_tests_that_passed() -> None:
    text = rendered(PASSED, SLOW, SKIPPED, coverage=87.25)
    assert text.startswith("### ✅ test-notebook: 2 tests passed, 1 skipped, 87.2% of lines covered in 3.0 s\n")
    assert "| `tests/test_a.py::test_slow` | 1\N{NO-BREAK SPACE}min\N{NO-BREAK SPACE}15\N{NO-BREAK SPACE}s |" in text
    assert "0.5 s" not in text


def test_one_that_failed() -> None:
    text = rendered(FAILED, PASSED, status="failed")
    assert text.startswith("### ❌ test-notebook failed: `tests/test_a.py::test_b`: assert 1 == 2, after 3.0 s\n")
    block = "**❌ `tests/test_a.py::test_b` (`a.ipynb`, line 12)**\n\n```text\na.ipynb:12: AssertionError\n```"
    assert block in text


def test_several_that_failed() -> None:
    text = rendered(*[FAILED] * 30, status="failed")
    assert "failed: `tests/test_a.py::test_b`: assert 1 == 2 (and 29 more failures), after" in text
    assert "- … and 10 more: see the record." in text
