"""Cells and expectations as test cases, in XML that follows the schema of JUnit reports."""

import re
from xml.etree import ElementTree as ET

import pytest

from notebook_ci.base.errors import CheckFailed
from notebook_ci.records.execute_notebook import ExecuteRecord, Failure, NotebookResult
from notebook_ci.records.record import Record
from notebook_ci.records.test_notebook import CaseResult, PytestRecord
from notebook_ci.records.validate_data import RuleResult, ValidateRecord, Violation
from notebook_ci.summary.junit import junit

FAILURE = Failure(
    kind="cell-error",
    title="KeyError in cell 2",
    message="'<x>'",
    cell=2,
    line=41,
    traceback="Trace\x1b[0m\nKeyError: '<x>'",
)
DIED = Failure(kind="kernel-not-started", title="Kernel did not start", message="no memory")
RAN = {"1": 0.5, "2": 0.25}


# What `junit-10.xsd` of Jenkins has, which reporters follow, as far as we need it. By element: its attributes, those
# that it needs, and the elements in it.
COUNTS = {"tests", "failures", "errors"}
OF_RESULT = ({"type", "message"}, set[str](), set[str]())
SCHEMA = {
    "testsuites": ({"name", "time", *COUNTS}, set[str](), {"testsuite"}),
    "testsuite": ({"name", "time", "skipped", "file", *COUNTS}, {"name", *COUNTS}, {"testcase"}),
    "testcase": ({"name", "time", "classname"}, {"name"}, {"failure", "skipped"}),
    "failure": OF_RESULT,
    "skipped": OF_RESULT,
}
SECONDS = re.compile(r"[0-9]{1,9}\.[0-9]{3}")


def check_schema(element: ET.Element) -> None:
    attributes, needed, inside = SCHEMA[element.tag]
    assert needed <= set(element.attrib) <= attributes, element.attrib
    assert {each.tag for each in element} <= inside
    assert all(element.attrib[name].isdecimal() for name in {*COUNTS, "skipped"} & set(element.attrib))
    assert SECONDS.fullmatch(element.get("time", "0.000"))
    for each in element:
        check_schema(each)


def suites(*records: Record) -> list[ET.Element]:
    root = ET.fromstring(junit(records))  # noqa: S314 - our own text
    assert root.tag == "testsuites"
    check_schema(root)
    return list(root)


@pytest.mark.parametrize(
    "wrong",
    [
        "<testsuites skipped='0'/>",
        "<testsuite name='a' tests='1' failures='0'/>",
        "<testsuite name='a' tests='x' failures='0' errors='0'/>",
        "<testsuite name='a' tests='1' failures='0' errors='0' time='1e-05'/>",
        "<testcase classname='a'/>",
        "<testcase name='a'><skipped><failure/></skipped></testcase>",
        "<testcase name='a' line='1'/>",
    ],
)
def test_what_the_schema_does_not_allow_is_noticed(wrong: str) -> None:
    with pytest.raises(AssertionError):
        check_schema(ET.fromstring(wrong))  # noqa: S314 - our own text


def cases(*results: NotebookResult) -> list[tuple[str, str, str]]:
    """Return per case its group and name, and what happened."""
    found = suites(ExecuteRecord(stage="execute-notebook", notebooks=list(results)))
    named = [(f"{case.get('classname')}: {case.get('name')}", list(case)) for suite in found for case in suite]
    return [(name, each[0].tag, each[0].get("message", "")) if each else (name, "", "") for name, each in named]


def test_each_cell_that_ran_is_a_case() -> None:
    result = NotebookResult(path="b.ipynb", name="b@small.ipynb", status="failed", duration=1.25, cells=4)
    result.failure, result.cell_seconds, result.executed_cells = FAILURE, RAN, 2
    [suite] = suites(Record(stage="setup-env"), ExecuteRecord(stage="execute-notebook", slug="py3", notebooks=[result]))
    assert suite.attrib == {
        "name": "execute-notebook.py3: b@small.ipynb",
        "file": "b.ipynb",
        "time": "1.250",
        "tests": "3",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }
    first, second, others = suite
    assert first.attrib == {"classname": "b@small.ipynb", "name": "cell 1", "time": "0.500"}
    assert list(first) == []
    [failure] = second
    assert (failure.tag, failure.attrib) == ("failure", {"message": "KeyError in cell 2: '<x>'"})
    assert failure.text == "b.ipynb:41\nTrace\ufffd[0m\nKeyError: '<x>'"
    assert (others.get("name"), others[0].attrib) == ("other cells", {"message": "2 of 4 cells did not run"})


def test_what_belongs_to_no_cell_is_a_case_of_the_notebook() -> None:
    died = NotebookResult(path="a.ipynb", name="a.ipynb", status="failed", failure=DIED)
    late = NotebookResult(path="b.ipynb", name="b.ipynb", status="failed", failure=FAILURE, other_failures=[DIED])
    waits = NotebookResult(path="c.ipynb", name="c.ipynb", status="skipped", skipped_for="a.ipynb", cells=3)
    empty = NotebookResult(path="d.ipynb", name="d.ipynb", status="passed")
    assert cases(died, late, waits, empty) == [
        ("a.ipynb: notebook", "failure", "Kernel did not start: no memory"),
        ("b.ipynb: notebook", "failure", "Kernel did not start: no memory"),
        ("b.ipynb: cell 2", "failure", "KeyError in cell 2: '<x>'"),
        ("c.ipynb: notebook", "skipped", "Not begun: it needs a.ipynb"),
        ("d.ipynb: notebook", "", ""),
    ]


def test_a_failure_that_is_allowed_is_skipped() -> None:
    result = NotebookResult(path="a.ipynb", name="a.ipynb", status="allowed", failure=FAILURE, cell_seconds=RAN)
    assert cases(result)[1:] == [("a.ipynb: cell 2", "skipped", "Allowed to fail: KeyError in cell 2: '<x>'")]


def test_expectations_are_cases() -> None:
    violation = Violation(
        kind="violation",
        severity="critical",
        expectation="expect_x",
        column="a",
        file="s.json",
        line=3,
        message="1 of 3",
    )
    mild = Violation(
        kind="violation", severity="info", expectation="expect_y", column="", file="s.json", line=4, message="2 of 3"
    )
    result = RuleResult(
        data="a.csv", suite="s.json", suite_name="s", met=["expect_z of b"], violations=[violation, mild]
    )
    broken = RuleResult(data="b.csv", suite="s.json", suite_name="s", error="no such file")
    first, second = suites(ValidateRecord(stage="validate-data", results=[result, broken]))
    assert [(case.get("name"), [each.tag for each in case]) for case in (*first, *second)] == [
        ("expect_z of b", []),
        ("expect_x of a", ["failure"]),
        ("expect_y", ["skipped"]),
        ("data", ["failure"]),
    ]
    assert [(suite.get("tests"), suite.get("failures"), suite.get("skipped")) for suite in (first, second)] == [
        ("3", "1", "1"),
        ("1", "1", "0"),
    ]


def test_characters_that_no_xml_has() -> None:
    name = 'a\x00\ud800\uffff<&">.ipynb'
    result = NotebookResult(path=name, name=name, status="failed", failure=FAILURE)
    [suite] = suites(ExecuteRecord(stage="x", notebooks=[result]))
    assert suite.get("file") == 'a\ufffd\ufffd\ufffd<&">.ipynb'


def test_a_stage_that_fails_for_another_reason_has_a_failure() -> None:
    record = PytestRecord(stage="test-notebook", cases=[CaseResult(test="a.py::test_a", status="not-run")])
    record.add(CheckFailed("pytest ended before the tests did."))
    not_run, stage = suites(record)
    assert [each.tag for case in not_run for each in case] == ["skipped"]
    assert [each.get("message") for case in stage for each in case] == ["pytest ended before the tests did."]


def test_without_cases_there_is_none() -> None:
    assert junit([Record(stage="setup-env"), ExecuteRecord(stage="execute-notebook")]) == ""


def test_each_test_is_a_case_of_its_file() -> None:
    failed = CaseResult(test="a.py::T::test_b", status="failed", file="a.ipynb", line=7, message="no", duration=0.5)
    others = [CaseResult(test="a.py::test_c", status="not-run"), CaseResult(test="a.py::test_a", status="passed")]
    broken = CaseResult(test="b.py", status="failed", message="SyntaxError: x", traceback="E   SyntaxError: x")
    first, second = suites(PytestRecord(stage="test-notebook", cases=[failed, *others, broken]))
    assert first.attrib == {
        "name": "test-notebook: a.py",
        "file": "a.py",
        "time": "0.500",
        "tests": "3",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }
    assert [case.get("name") for case in first] == ["T::test_b", "test_c", "test_a"]
    assert (first[0][0].attrib, first[0][0].text) == ({"message": "no"}, "a.ipynb:7\nno")
    assert (first[1][0].tag, first[1][0].attrib) == ("skipped", {"message": "not run"})
    assert list(first[2]) == []
    assert (second[0].get("name"), second[0][0].text) == ("import", "E   SyntaxError: x")
