"""Notebooks as test cases: JUnit XML, which CI systems show."""

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from notebook_ci.records.execute_notebook import ExecuteRecord, NotebookResult
from notebook_ci.records.record import Record

_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # "Characters" in XML 1.0


def junit(records: Sequence[Record]) -> str:
    """Return one test case per execution of a notebook; nothing if none was planned."""
    executed = [record for record in records if isinstance(record, ExecuteRecord)]
    cases = [_case(record, result) for record in executed for result in record.notebooks]
    if not cases:
        return ""
    failed, skipped = (sum(case.find(tag) is not None for case in cases) for tag in ("failure", "skipped"))
    numbers = {"tests": len(cases), "failures": failed, "skipped": skipped}
    suite = Element("testsuite", {"name": "notebook-ci"} | {name: str(number) for name, number in numbers.items()})
    suite.extend(cases)
    return tostring(suite, encoding="unicode") + "\n"


def _case(record: ExecuteRecord, result: NotebookResult) -> Element:
    name = ".".join(filter(None, [record.stage, record.slug]))
    case = Element("testcase", classname=name, name=_text(result.name), file=_text(result.path))
    case.set("time", f"{result.duration:.3f}")
    said = "\n".join(f"{failure.title}: {failure.message}" for failure in result.failures)
    if result.status == "failed":
        details = SubElement(case, "failure", message=_text(said))
        details.text = _text("\n\n".join(failure.traceback or failure.message for failure in result.failures))
    elif result.status == "allowed":
        SubElement(case, "skipped", message=_text(f"Allowed to fail: {said}"))
    elif result.status == "skipped":
        needed = f": it needs {result.skipped_for}" if result.skipped_for else ""
        SubElement(case, "skipped", message=_text(f"Not begun{needed}"))
    return case


def _text(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)
