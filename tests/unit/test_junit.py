"""Notebooks as test cases."""

from xml.etree import ElementTree as ET

from notebook_ci.records.execute_notebook import ExecuteRecord, Failure, NotebookResult
from notebook_ci.records.record import Record
from notebook_ci.report.junit import junit

FAILURE = Failure(
    kind="cell-error", title="KeyError in cell 2", message="'<x>'", traceback="Trace\x1b[0m\nKeyError: '<x>'"
)


def test_each_execution_is_a_case() -> None:
    results = [
        NotebookResult(path="a.ipynb", name="a.ipynb", status="passed", duration=1.25),
        NotebookResult(path="b.ipynb", name="b@small.ipynb", status="failed", failure=FAILURE),
        NotebookResult(path="c.ipynb", name="c.ipynb", status="skipped", skipped_for="b@small.ipynb"),
        NotebookResult(path="d.ipynb", name="d.ipynb", status="allowed", failure=FAILURE),
    ]
    records = [Record(stage="setup-env"), ExecuteRecord(stage="execute-notebook", slug="py3", notebooks=results)]
    suite = ET.fromstring(junit(records))  # noqa: S314 - our own text
    assert suite.attrib == {"name": "notebook-ci", "tests": "4", "failures": "1", "skipped": "2"}
    passed, failed, skipped, allowed = suite
    assert passed.attrib == {
        "classname": "execute-notebook.py3",
        "name": "a.ipynb",
        "file": "a.ipynb",
        "time": "1.250",
    }
    assert list(passed) == []
    [failure] = failed
    assert (failed.attrib["name"], failure.tag) == ("b@small.ipynb", "failure")
    assert failure.attrib == {"message": "KeyError in cell 2: '<x>'"}
    assert failure.text == "Trace\ufffd[0m\nKeyError: '<x>'"
    assert [(each.tag, each.attrib["message"]) for each in (skipped[0], allowed[0])] == [
        ("skipped", "Not begun: it needs b@small.ipynb"),
        ("skipped", "Allowed to fail: KeyError in cell 2: '<x>'"),
    ]


def test_characters_that_no_xml_has() -> None:
    name = 'a\x00\ud800\uffff<&">.ipynb'
    result = NotebookResult(path=name, name=name, status="failed", failure=FAILURE)
    [case] = ET.fromstring(junit([ExecuteRecord(stage="x", notebooks=[result])]))  # noqa: S314 - our own text
    assert case.attrib["name"] == 'a\ufffd\ufffd\ufffd<&">.ipynb'


def test_without_notebooks_there_is_none() -> None:
    assert junit([Record(stage="setup-env"), ExecuteRecord(stage="execute-notebook")]) == ""
