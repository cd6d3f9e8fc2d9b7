"""Cells, expectations and tests as test cases: JUnit XML, which CI systems and reporters show.

No library such as junitparser is used: all stages share this code, and some have only the standard library.
"""

import re
from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from notebook_ci.records.execute_notebook import ExecuteRecord, Failure, NotebookResult
from notebook_ci.records.record import Record
from notebook_ci.records.test_notebook import CaseResult, PytestRecord
from notebook_ci.records.validate_data import RuleResult, ValidateRecord

# All but "Characters" in XML 1.0: compiling this takes 0.4 ms, and compiling its complement 3 ms.
_NOT_IN_XML = re.compile("[\0-\b\v\f\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def junit(records: Sequence[Record]) -> str:
    """Return a suite per execution of a notebook, per data and suite of expectations, per file of tests; or nothing."""
    root = Element("testsuites", name="notebook-ci")
    for record in records:
        name = ".".join(filter(None, [record.stage, record.slug]))
        suites: list[Element] = []
        if isinstance(record, ExecuteRecord):
            suites = [_of_notebook(name, result) for result in record.notebooks]
        elif isinstance(record, ValidateRecord):
            suites = [_of_data(name, result) for result in record.results]
        elif isinstance(record, PytestRecord):
            suites = list(_of_tests(name, record))
        if suites and record.errors and not any(suite.findall("testcase/failure") for suite in suites):
            suites.append(_of_errors(name, record))  # it failed for another reason
        root.extend(suites)
    if root.find("testsuite") is None:
        return ""
    for element in (*root, root):
        for total, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            if (element, total) != (root, "skipped"):  # which the schema of Jenkins does not have
                element.set(total, str(sum(1 for _ in element.iter(tag))))
    return tostring(root, encoding="unicode") + "\n"


def _of_errors(stage: str, record: Record) -> Element:
    suite = Element("testsuite", name=_text(stage))
    for error in record.errors:
        SubElement(_case(suite, stage, error.title or "error"), "failure", message=_text(error.message))
    return suite


def _of_notebook(stage: str, result: NotebookResult) -> Element:
    """Return a case per cell that ran. What belongs to no cell, such as a kernel that died, is a case of its own."""
    suite = Element("testsuite", name=_text(f"{stage}: {result.name}"), file=_text(result.path))
    suite.set("time", f"{result.duration:.3f}")
    failures = {str(failure.cell): failure for failure in reversed(result.failures)}
    for cell, seconds in result.cell_seconds.items():
        _fill(_case(suite, result.name, f"cell {cell}", seconds), failures.pop(cell, None), result)
    for failure in sorted(failures.values(), key=lambda each: each.cell or 0):
        _fill(_case(suite, result.name, f"cell {failure.cell}" if failure.cell else "notebook"), failure, result)
    if result.status == "skipped":
        needed = f": it needs {result.skipped_for}" if result.skipped_for else ""
        _skip(_case(suite, result.name, "notebook"), f"Not begun{needed}")
    elif left := result.cells - result.executed_cells:
        _skip(_case(suite, result.name, "other cells"), f"{left} of {result.cells} cells did not run")
    elif suite.find("testcase") is None:
        _case(suite, result.name, "notebook")
    return suite


def _of_data(stage: str, result: RuleResult) -> Element:
    """Return a case per expectation. Only those that make the stage fail are failures."""
    suite = Element("testsuite", name=_text(f"{stage}: {result.data}"), file=_text(result.suite))
    for name in result.met:
        _case(suite, result.data, name)
    for violation in result.violations:
        case = _case(suite, result.data, violation.name)
        if violation.fails:
            SubElement(case, "failure", message=_text(violation.message)).text = _text(violation.observed)
        else:
            _skip(case, f"{violation.severity}: {violation.message}")
    if result.error:
        SubElement(_case(suite, result.data, "data"), "failure", message=_text(result.error))
    return suite


def _of_tests(stage: str, record: PytestRecord) -> Iterator[Element]:
    """Yield a suite per file, with a case per test."""
    files: dict[str, list[CaseResult]] = {}
    for result in record.cases:
        files.setdefault(result.test.partition("::")[0], []).append(result)
    for file, results in files.items():
        suite = Element("testsuite", name=_text(f"{stage}: {file}"), file=_text(file))
        suite.set("time", f"{sum(result.duration for result in results):.3f}")
        for result in results:
            case = _case(suite, file, result.test.partition("::")[2] or "import", result.duration)
            if result.status == "failed":
                where = f"{result.file}:{result.line}\n" if result.file else ""
                failure = SubElement(case, "failure", message=_text(result.message))
                failure.text = _text(where + (result.traceback or result.message))
            elif result.status != "passed":
                _skip(case, result.status.replace("-", " "))
        yield suite


def _case(suite: Element, group: str, name: str, seconds: float = 0) -> Element:
    return SubElement(suite, "testcase", classname=_text(group), name=_text(name), time=f"{seconds:.3f}")


def _fill(case: Element, failure: Failure | None, result: NotebookResult) -> None:
    if failure is None:
        return
    message = f"{failure.title}: {failure.message}"
    if result.status == "allowed":
        _skip(case, f"Allowed to fail: {message}")
        return
    where = f"{result.path}:{failure.line}\n" if failure.line else ""
    SubElement(case, "failure", message=_text(message)).text = _text(where + (failure.traceback or failure.message))


def _skip(case: Element, why: str) -> None:
    SubElement(case, "skipped", message=_text(why))


def _text(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)
