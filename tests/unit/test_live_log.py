"""What cells print, on its way to the log."""

import pytest
from nbformat.v4 import new_output

from notebook_ci.base import masking
from notebook_ci.base.spellings import Known
from notebook_ci.execute_notebook.outputs import LiveLog

TEXT = "stream"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_known", Known())


def test_whole_lines_are_passed_on() -> None:
    sent: list[str] = []
    log = LiveLog(sent.append, 1000)
    for text in ("a se", "cret", "\nsecond\nthi", "rd", "\n", "\n", "begun"):
        log.add(new_output(TEXT, name="stdout", text=text))
    assert sent == ["a secret\nsecond", "third"]
    log.end()
    log.end()
    assert sent[2:] == ["begun"]


def test_lines_over_which_a_credential_is_wrapped_are_passed_on_together() -> None:
    masking.hide("MY_TOKEN", "abcdefgh-01234567")
    sent: list[str] = []
    log = LiveLog(sent.append, 1000)
    for text in ("a\n", "abcdefgh\n", "-01234567\n", "b\n" * 100, "abcdef\n"):
        log.add(new_output(TEXT, name="stdout", text=text))
    log.end()
    assert [masking.masked(text) for text in sent] == ["a", "***\n" + "b\n" * 99 + "b", "abcdef"]


def test_text_of_results_counts_and_errors_do_not() -> None:
    sent: list[str] = []
    log = LiveLog(sent.append, 1000)
    log.add(new_output("display_data", data={"image/png": "AAAA"}))
    log.add(new_output("execute_result", data={"text/plain": "a  b\n1  2", "text/html": "<table>"}))
    log.add(new_output("error", ename="E", evalue="e", traceback=["t"]))
    log.end()
    assert sent == ["a  b\n1  2"]


def test_the_log_is_limited_and_says_so_once() -> None:
    sent: list[str] = []
    log = LiveLog(sent.append, 100)
    for _ in range(1000):
        log.add(new_output(TEXT, name="stdout", text="x" * 30 + "\n"))
    for _ in range(1000):
        log.add(new_output(TEXT, name="stdout", text="endless"))
    log.end()
    assert sent == ["x" * 30] * 3 + ["[notebook-ci: `max-output` is reached; the rest is not shown here]"]


def test_without_room_nothing_is_passed_on() -> None:
    sent: list[str] = []
    log = LiveLog(sent.append, 0)
    log.add(new_output(TEXT, name="stdout", text="x\n"))
    log.end()
    assert sent == []
