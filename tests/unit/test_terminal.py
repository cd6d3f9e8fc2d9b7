import os
import unicodedata

import pytest

from notebook_ci.base.console import Summary
from notebook_ci.base.errors import Problem
from unit.consoles import Terminal, Written, commands_in


def test_a_terminal_shows_places_as_editors_know_them(terminal: Written) -> None:
    terminal.console.annotate([Problem(severity="warning", message="w", file="a.py")])
    terminal.console.annotate([Problem(severity="notice", message="n")])
    terminal.console.annotate([Problem(severity="error", message="e", file="b.py", line=1)] * 12)
    assert terminal.lines == ["warning: a.py: w", "notice: n", *["error: b.py:1: e"] * 12]


@pytest.mark.parametrize("text", ["::error::owned", "fine\r::add-mask::a", "at the end ##[error]x"])
def test_a_terminal_gets_text_and_no_commands_of_ours(terminal: Written, text: str) -> None:
    terminal.console.output(text)
    terminal.console.progress(text)
    assert terminal.text == f"{text}\n{text}\n"


TRACEBACK = "Traceback\n  f({})\nKeyError: '<key>'"
FAILURE = Problem(
    severity="error", title="KeyError in cell 2", message="'<key>'\nf({})", hint="Mend it.", file="a.ipynb", line=7
)


def test_a_failure_is_shown_once_with_what_led_to_it(terminal: Written) -> None:
    terminal.console.failed("✗ a.ipynb", FAILURE, TRACEBACK)
    terminal.console.annotate([FAILURE, Problem(severity="warning", message="w")])
    assert terminal.lines == [
        "✗ a.ipynb",
        "error: a.ipynb:7: KeyError in cell 2",
        *TRACEBACK.splitlines(),
        "Mend it.",
        "warning: w",
    ]
    assert terminal.text.count("<key>") == 1


@pytest.mark.parametrize("details", ["", "KeyboardInterrupt"])
def test_a_message_that_no_traceback_has_is_shown(terminal: Written, details: str) -> None:
    terminal.console.failed("✗ a.ipynb", FAILURE, details)
    terminal.console.annotate([FAILURE])
    assert terminal.lines[1] == "error: a.ipynb:7: KeyError in cell 2: '<key>'"
    assert terminal.lines[2:] == [details or "f({})", "Mend it."]


def test_a_runner_annotates_at_the_end(runner: Written) -> None:
    runner.console.failed("✗ a.ipynb", FAILURE, TRACEBACK)
    assert commands_in(runner.text) == []
    assert runner.lines[0] == "✗ a.ipynb · KeyError in cell 2: '<key>'"
    assert TRACEBACK in runner.text
    runner.console.annotate([FAILURE])
    assert commands_in(runner.text) == [
        "::error file=a.ipynb,line=7,title=KeyError in cell 2::'<key>'%0Af({})%0AMend it."
    ]


def test_control_characters_in_a_title_do_nothing(terminal: Written) -> None:
    terminal.console.annotate([Problem(severity="error", title="x\x1b]0;owned\x07\n::error::y", message="no")])
    assert terminal.lines == [r"error: x\x1b]0;owned\x07\n::error::y: no"]


# Outputs and the summary


def test_a_terminal_shows_outputs_with_a_value_and_no_status(terminal: Written) -> None:
    terminal.console.set_outputs({"status": "passed", "output-dir": "x", "run": "7", "of-a-long-name": ""})
    terminal.console.set_outputs({})
    assert terminal.lines == ["  output-dir  x", "  run         7"]


def test_a_terminal_shows_the_summary_on_standard_output(terminal: Written, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.console.summarize(Summary("# One", "✓ one <b>\n"))
    assert capsys.readouterr().out == "✓ one <b>\n"
    assert terminal.text == ""


def test_a_summary_in_a_file_has_no_colors(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().console.summarize(Summary("# One", "✗ one\n"))  # its progress goes to a terminal
    assert capsys.readouterr().out == "✗ one\n"
    Terminal({"FORCE_COLOR": "1"}).console.summarize(Summary("# One", "✗ one\n"))
    assert capsys.readouterr().out == "\x1b[31m✗\x1b[0m one\n"


def test_a_part_of_a_chain_shows_neither(capsys: pytest.CaptureFixture[str]) -> None:
    part = Terminal({"GITHUB_OUTPUT": os.devnull, "GITHUB_STEP_SUMMARY": os.devnull})
    part.console.set_outputs({"a": "1"})
    part.console.summarize(Summary("# One", "✓ one\n"))
    assert (part.text, capsys.readouterr().out) == ("", "")


@pytest.mark.parametrize(
    ("environ", "is_terminal", "has_colors"),
    [
        ({}, True, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({}, False, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "", "NO_COLOR": ""}, False, False),
    ],
)
def test_only_a_terminal_has_colors(environ: dict[str, str], *, is_terminal: bool, has_colors: bool) -> None:
    written = Terminal(environ, is_terminal=is_terminal)
    written.console.progress("✗ a · error: b")
    written.console.annotate([Problem(severity="warning", message="careful\nerror: none")])
    written.console.output("error: foreign")
    red, yellow, end = ("\x1b[31m", "\x1b[1;33m", "\x1b[0m") if has_colors else ("", "", "")
    assert written.text == (f"{red}✗{end} a · error: b\n{yellow}warning{end}: careful\nerror: none\nerror: foreign\n")


# What goes on at this moment


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "5")
    return Terminal()


def test_live_lines_stand_below_all_else(screen: Terminal) -> None:
    screen.console.live(["one", "two"])
    assert screen.screen == ["one", "two"]
    screen.console.progress("done")
    assert screen.screen == ["done", "one", "two"]
    screen.console.live(["three"])
    screen.console.annotate([Problem(severity="warning", message="careful")])
    screen.console.output("first\nsecond")
    assert screen.screen == ["done", "warning: careful", "first", "second", "three"]
    screen.console.live([])
    assert screen.screen == ["done", "warning: careful", "first", "second"]
    screen.console.progress("end")
    assert screen.screen[-1] == "end"


def test_nothing_is_erased_where_nothing_was_drawn(screen: Terminal) -> None:
    screen.console.live([])
    screen.console.progress("a")
    screen.console.live([])
    assert screen.text == "a\n"


def test_live_lines_are_cut_to_the_width_and_the_height(screen: Terminal) -> None:
    """A line that is broken in two, or one above the upper edge, could not be erased."""
    screen.console.live(["x" * 100, *(str(number) for number in range(10))])
    assert screen.screen == ["x" * 19, "0", "1", "2"]
    screen.console.live(["y"])
    assert screen.screen == ["y"]


@pytest.mark.parametrize("name", ["日本語のノートブック.ipynb", "n\u0308" * 30, "👩‍🔬" * 12])
def test_wide_characters_do_not_break_a_live_line(screen: Terminal, name: str) -> None:
    screen.console.live([name])
    [line] = screen.screen
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in line)
    narrow = sum(unicodedata.category(each) not in {"Mn", "Cf"} for each in line) - wide
    assert 2 * wide + narrow < 20


@pytest.mark.parametrize("name", ["a\nb.ipynb", "a\rb.ipynb", "a\x1b[2Jb.ipynb", "a\x85b", "a\tb"])
def test_a_name_with_control_characters_draws_one_line(screen: Terminal, name: str) -> None:
    screen.console.live([name, "below"])
    assert len(screen.screen) == 2
    assert "\x1b[2J" not in screen.text
    assert "\r" not in screen.text


@pytest.mark.parametrize(
    ("environ", "is_terminal"),
    [({"GITHUB_ACTIONS": "true"}, True), ({}, False), ({"TERM": "dumb"}, True)],
    ids=["runner", "pipe", "dumb"],
)
def test_without_a_terminal_there_are_no_live_lines(environ: dict[str, str], *, is_terminal: bool) -> None:
    written = Terminal(environ, is_terminal=is_terminal)
    assert not written.console.is_live
    written.console.live(["one"])
    written.console.progress("text")
    written.console.live([])
    assert written.text == "text\n"
