import io
import sys
from pathlib import Path

import pytest

from notebook_ci.base import github
from notebook_ci.base.console import Summary, console
from notebook_ci.base.errors import CheckFailed, Problem, Severity
from notebook_ci.base.github import SUMMARY_CUT, workflow_command
from notebook_ci.base.markdown import bounded
from unit.consoles import Written, commands_in

FOREIGN = [
    "::error::owned",
    "  ::set-output name=x::y",
    "fine\n::add-mask::a",
    "fine\r::add-mask::a",
    "fine\r\n \t::add-mask::a",
    "at the end ##[error]x",
    "\u2003::debug::x",
    "::stop-commands::mine\n::error::x",
]


# Annotations


def test_an_annotation_has_its_place_and_its_hint() -> None:
    problem = Problem(severity="error", message="It broke.", hint="Mend it.", title="Oh", file="a.ipynb", line=7)
    assert workflow_command(problem) == "::error file=a.ipynb,line=7,title=Oh::It broke. Mend it."


def test_a_hint_is_no_part_of_a_line_of_code() -> None:
    problem = Problem(severity="error", message="no\nimport x", hint="Add it.", title="ImportError in cell 2")
    assert workflow_command(problem) == "::error title=ImportError in cell 2::no%0Aimport x%0AAdd it."


def test_an_annotation_without_a_place() -> None:
    assert workflow_command(Problem(severity="notice", message="Seen.")) == "::notice::Seen."


def test_what_would_end_a_message_is_escaped() -> None:
    problem = Problem(severity="warning", message="100%\r\n::error::a,b:c")
    assert workflow_command(problem) == "::warning::100%25%0D%0A::error::a,b:c"


def test_what_would_end_a_property_is_escaped() -> None:
    problem = Problem(severity="error", message="m", title="a,b:c%\r\nd", file="x,line=1::y.ipynb", line=1)
    assert workflow_command(problem) == ("::error file=x%2Cline=1%3A%3Ay.ipynb,line=1,title=a%2Cb%3Ac%25%0D%0Ad::m")


def test_an_escape_in_the_text_is_not_taken_for_one_of_ours() -> None:
    assert workflow_command(Problem(severity="error", message="%0A")) == "::error::%250A"


def test_the_worst_come_first(runner: Written) -> None:
    levels: list[Severity] = ["notice", "warning", "error", "notice", "error"]
    runner.console.annotate([Problem(severity=level, message=str(i)) for i, level in enumerate(levels)])
    assert runner.lines == ["::error::2", "::error::4", "::warning::1", "::notice::0", "::notice::3"]


def test_the_tenth_says_more_and_the_log_has_them_all(runner: Written) -> None:
    runner.console.annotate(Problem(severity="error", message=f"fault {i}", file="a", line=i) for i in range(1, 26))
    commands = commands_in(runner.text)
    assert commands[:9] == [f"::error file=a,line={i}::fault {i}" for i in range(1, 10)]
    assert commands[9:] == ["::error title=And more::GitHub shows 10 errors per step. The others are in its log."]
    assert [line for line in runner.lines if line.startswith("error: a:")] == [
        f"error: a:{i}: fault {i}" for i in range(10, 26)
    ]


def test_nine_are_all_shown(runner: Written) -> None:
    runner.console.annotate(Problem(severity="error", message=f"{i}") for i in range(9))
    assert runner.lines == [f"::error::{i}" for i in range(9)]


def test_each_level_has_its_own_ten(runner: Written) -> None:
    for i in range(12):
        runner.console.annotate([Problem(severity="notice", message=f"n{i}")])
        runner.console.annotate([Problem(severity="warning", message=f"w{i}", file="f", line=2)])
    commands = commands_in(runner.text)
    assert sum(command.startswith("::notice") for command in commands) == github.ANNOTATIONS_SHOWN
    assert sum(command.startswith("::warning") for command in commands) == github.ANNOTATIONS_SHOWN
    assert commands[1] == "::warning file=f,line=2::w0"


@pytest.mark.parametrize("text", FOREIGN)
def test_a_hostile_message_beyond_the_tenth_gives_no_command(runner: Written, text: str) -> None:
    runner.console.annotate(Problem(severity="error", message=text) for _ in range(11))
    assert len(commands_in(runner.text)) == 10


def test_an_error_is_shown_with_place_and_hint(runner: Written, terminal: Written) -> None:
    error = CheckFailed("It broke.", hint="Mend it.", file="a.ipynb", line=2)
    runner.console.error(error)
    terminal.console.error(error)
    assert runner.lines == ["::error file=a.ipynb,line=2::It broke. Mend it."]
    assert terminal.lines == ["error: a.ipynb:2: It broke. Mend it."]


# The output of foreign programs


def test_the_samples_would_be_obeyed() -> None:
    assert all(commands_in(text) for text in FOREIGN[:-1])


@pytest.mark.parametrize("text", FOREIGN)
def test_commands_in_progress_are_not_obeyed(runner: Written, text: str) -> None:
    runner.console.progress(text)
    assert commands_in(runner.text) == []
    assert text in runner.text


def test_progress_without_commands_is_not_fenced(runner: Written) -> None:
    runner.console.progress("a::b [x] # y")
    assert runner.text == "a::b [x] # y\n"


@pytest.mark.parametrize("text", FOREIGN)
def test_foreign_output_is_fenced(runner: Written, text: str) -> None:
    runner.console.output(text)
    assert commands_in(runner.text) == []


def test_output_that_comes_in_lines_is_fenced_as_a_whole(runner: Written, terminal: Written) -> None:
    for written in (runner, terminal):
        with written.console.streaming() as write:
            write("::error::one")
            write("two")
    assert commands_in(runner.text) == []
    assert [line for line in runner.lines if "::error::one" in line or line == "two"] == ["::error::one", "two"]
    assert terminal.lines == ["::error::one", "two"]


def test_the_fence_is_closed_whatever_happens(runner: Written) -> None:
    with pytest.raises(KeyboardInterrupt), runner.console.streaming():
        raise KeyboardInterrupt
    runner.console.annotate([Problem(severity="notice", message="after")])
    assert commands_in(runner.text) == ["::notice::after"]


def test_a_group_has_its_title(runner: Written, terminal: Written) -> None:
    for written in (runner, terminal):
        with written.console.group("[1/2] setup-env"):
            written.console.progress("work")
    assert runner.lines == ["::group::[1/2] setup-env", "work", "::endgroup::"]
    assert terminal.lines == ["", "[1/2] setup-env", "work"]


def test_a_token_that_was_seen_opens_no_later_fence(runner: Written) -> None:
    runner.console.output("first")
    token = runner.lines[0].removeprefix("::stop-commands::")
    assert len(token) == 32
    runner.console.output(f"::{token}::\n::error::owned")
    assert commands_in(runner.text) == []


# Outputs


def test_outputs_survive_the_runner_whatever_they_hold(runner: Written) -> None:
    outputs = {
        "plain": "a=b",
        "empty": "",
        "lines": "one\ntwo\n",
        "hostile": "x\nend-\nEOF\nstatus<<end-0\nfailed\nend-0",
        "non-ascii": "naïve 🐼",
    }
    runner.console.set_outputs(outputs)
    assert runner.outputs == outputs


def test_outputs_are_added_to_those_there(runner: Written) -> None:
    runner.output_file.write_text("old<<x\n1\nx\n")
    runner.console.set_outputs({"new": "2"})
    assert runner.outputs == {"old": "1", "new": "2"}


def test_a_delimiter_is_never_used_twice(runner: Written) -> None:
    runner.console.set_outputs({"a": "1"})
    delimiter = runner.output_file.read_text().splitlines()[0].removeprefix("a<<")
    runner.console.set_outputs({"b": f"x\n{delimiter}\nstatus<<y\npassed\ny"})
    assert runner.outputs.keys() == {"a", "b"}


def test_a_name_that_is_no_text_does_not_stop_the_outputs(runner: Written) -> None:
    runner.console.set_outputs({"path": "dir\udcff/x"})
    runner.console.summarize(Summary("dir\udcff/x", ""))
    assert runner.outputs == {"path": "dir\\udcff/x"}
    assert runner.summary == "dir\\udcff/x\n"


def test_outputs_that_cannot_be_written_are_an_error(tmp_path: Path) -> None:
    shown = console({"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(tmp_path)}, io.StringIO())
    with pytest.raises(IsADirectoryError):
        shown.set_outputs({"a": "b"})


def test_a_runner_without_an_output_file_gets_none() -> None:
    stream = io.StringIO()
    console({"GITHUB_ACTIONS": "true"}, stream).set_outputs({"a": "b"})
    console({"GITHUB_ACTIONS": "true"}, stream).summarize(Summary("text", ""))
    assert stream.getvalue() == ""


# The summary


def test_a_summary_is_added_to_what_is_there(runner: Written) -> None:
    runner.console.summarize(Summary("# One", ""))
    runner.console.summarize(Summary("# Two", ""))
    assert runner.summary == "# One\n# Two\n"


def test_a_summary_that_just_fits_is_whole() -> None:
    text = "é" * 50
    assert bounded(text, 101, SUMMARY_CUT) == text + "\n"
    assert SUMMARY_CUT not in bounded(text, 101, SUMMARY_CUT)


def test_a_summary_over_the_limit_is_cut_at_a_line(runner: Written) -> None:
    line = "| é | 🐼 |"
    runner.console.summarize(Summary("\n".join([line] * 100_000), ""))
    data = runner.summary_file.read_bytes()
    assert github.SUMMARY_BYTES - 1000 < len(data) <= github.SUMMARY_BYTES
    text, cut, _ = data.decode().partition(SUMMARY_CUT)
    assert cut
    assert set(text.splitlines()) == {line}


def test_what_is_there_counts(runner: Written) -> None:
    runner.summary_file.write_text("x" * (github.SUMMARY_BYTES - 1000))
    runner.console.summarize(Summary("line\n" * 1000, ""))
    assert len(runner.summary_file.read_bytes()) <= github.SUMMARY_BYTES
    assert SUMMARY_CUT in runner.summary


def test_a_full_summary_takes_no_more(runner: Written) -> None:
    runner.summary_file.write_text("x" * (github.SUMMARY_BYTES + 5))
    runner.console.summarize(Summary("text", ""))
    assert runner.summary == "x" * (github.SUMMARY_BYTES + 5)


def body(cut: str) -> str:
    assert cut.endswith(SUMMARY_CUT)
    return cut.removesuffix(SUMMARY_CUT)


def test_what_was_open_is_closed_from_the_inside() -> None:
    text = "<details><summary>s</summary>\n\n````text\n" + "```\nx\n" * 1000 + "````\n\n</details>"
    cut = body(bounded(text, 2000, SUMMARY_CUT))
    assert cut.endswith(("x\n````\n\n</details>", "```\n````\n\n</details>"))


def test_what_was_closed_is_not_closed_again() -> None:
    text = "<details>\n\n```text\nx\n```\n\n</details>\n\n" + "line\n" * 1000
    assert body(bounded(text, 2000, SUMMARY_CUT)).endswith("line\nline")


def test_marks_within_code_are_not_counted() -> None:
    text = "```text\n<details>\n<details>\n</details>\n``` not the end\n" + "x\n" * 2000
    assert body(bounded(text, 2000, SUMMARY_CUT)).endswith("x\nx\n```")


def test_a_fence_of_any_length_stays_within_the_limit() -> None:
    fence = "`" * 3000
    text = f"{fence}text\n" + "x\n" * 10000 + fence
    cut = bounded(text, 8000, SUMMARY_CUT)
    assert len(cut.encode()) <= 8000
    assert body(cut).endswith(fence)


# Streams


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_what_a_stream_cannot_encode_is_escaped(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    console({}, stream).progress("▶ naïve 日本\udcff")
    text = raw.getvalue().decode(encoding)
    assert "\\udcff" in text
    assert ("▶" in text) == (encoding == "utf-8")
    assert ("\\u25b6" in text) == (encoding != "utf-8")


def test_a_runner_gets_standard_output_and_a_terminal_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    console({"GITHUB_ACTIONS": "true"}, sys.stdout).progress("one")
    console({"GITHUB_ACTIONS": "true"}).progress("two")
    console({"GITHUB_ACTIONS": "false"}).progress("three")
    assert capsys.readouterr() == ("one\ntwo\n", "three\n")
