"""The log of an agent of Azure Pipelines."""

import contextlib
import io
import os
import re
from pathlib import Path

import pytest

from notebook_ci.base.console import Console, Summary, console
from notebook_ci.base.errors import Problem

# As the agent finds commands (Command.cs): anywhere in a line; .NET ignores what has no width, such as a soft hyphen.
IGNORED = re.compile("[\x00-\x08\x0e-\x1f\x7f\xad\u200b-\u200f\u2060\ufeff]")
FORGED = [
    "##vso[task.complete result=Succeeded;]done",
    "x ##vso[task.setvariable variable=PATH]/evil",
    "one\n##vso[task.uploadsummary]/etc/passwd\ntwo",
    "#\xad#v\u200bso[task.prependpath]/evil",
    "##[error]Nothing is wrong",
    "##[endgroup]",
]
FAILURE = Problem(severity="error", title="KeyError in cell 2", message="'x'\n50%", file="a;]b.ipynb", line=7)


def commands_in(text: str) -> list[str]:
    return [found for line in text.split("\n") if "##vso[" in (found := IGNORED.sub("", line)) or "##[" in found]


class Agent:
    def __init__(self, temp: Path, **environ: str) -> None:
        self.temp = temp
        self.stream = io.StringIO()
        variables = {"TF_BUILD": "True", "AGENT_TEMPDIRECTORY": str(temp), **environ}
        self.console: Console = console(variables, self.stream)

    @property
    def text(self) -> str:
        return self.stream.getvalue()


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(tmp_path)


def test_problems_are_issues_the_worst_first(agent: Agent) -> None:
    others = [Problem(severity="notice", message="n"), Problem(severity="warning", message="w", hint="Look.")]
    agent.console.annotate([*others, FAILURE])
    assert agent.text.splitlines() == [
        "##vso[task.logissue type=error;sourcepath=a%3B%5Db.ipynb;linenumber=7;]KeyError in cell 2: 'x'%0A50%AZP25",
        "##vso[task.logissue type=warning;]w Look.",
        "notice: n",
    ]


def test_outputs_are_variables_of_the_step(agent: Agent) -> None:
    agent.console.set_outputs({"status": "passed", "key": "a]b;c"})
    assert agent.text.splitlines() == [
        "##vso[task.setvariable variable=status;isOutput=true;]passed",
        "##vso[task.setvariable variable=key;isOutput=true;]a]b;c",
    ]


def test_later_steps_get_variables_and_the_first_folder_comes_first(agent: Agent) -> None:
    assert agent.console.has_later_steps
    agent.console.set_for_later_steps({"VIRTUAL_ENV": "/venv"}, ["/first", "/second"])
    assert agent.text.splitlines() == [
        "##vso[task.setvariable variable=VIRTUAL_ENV;]/venv",
        "##vso[task.prependpath]/second",
        "##vso[task.prependpath]/first",
    ]


def test_each_summary_has_a_folder_of_its_own(agent: Agent) -> None:
    agent.console.summarize(Summary("# One", "one", [FAILURE], "<testsuite/>\n"))
    agent.console.summarize(Summary("# Two", "two"))
    paths = [Path(line.removeprefix("##vso[task.uploadsummary]")) for line in agent.text.splitlines()]
    assert [path.read_text() for path in paths] == ["# One", "# Two"]
    assert [path.name for path in paths] == ["notebook-ci.md"] * 2
    [results] = agent.temp.glob("notebook-ci-report-*/junit.xml")  # as in the template
    assert results.read_text() == "<testsuite/>\n"


def test_a_summary_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Agent(tmp_path / "missing").console.summarize(Summary("# One", "one"))


def test_a_part_of_a_chain_shows_neither(tmp_path: Path) -> None:
    part = Agent(tmp_path, GITHUB_STEP_SUMMARY=os.devnull)
    part.console.set_outputs({"a": "1"})
    part.console.summarize(Summary("# One", "one", [FAILURE], "<testsuite/>"))
    assert part.text == ""
    assert list(tmp_path.iterdir()) == []


def test_a_group_is_ended_whatever_happens(agent: Agent) -> None:
    with contextlib.suppress(KeyboardInterrupt), agent.console.group("[1/2] setup-env"):
        agent.console.progress("work")
        raise KeyboardInterrupt
    assert agent.text == "##[group][1/2] setup-env\nwork\n##[endgroup]\n"


# The output of foreign programs


def test_the_samples_would_be_obeyed() -> None:
    assert all(map(commands_in, FORGED))


@pytest.mark.parametrize("text", FORGED)
def test_what_a_notebook_prints_is_not_obeyed(agent: Agent, text: str) -> None:
    agent.console.output(text)
    agent.console.progress(text)
    agent.console.failed(text, Problem(severity="error", title=text, message=text), text)
    assert commands_in(agent.text) == []
    agent.console.annotate([Problem(severity="error", title=text, message=text, file=text)])
    [issue] = commands_in(agent.text)
    assert re.match(r"##vso\[task\.logissue type=error;", issue)
    assert len(re.findall(r"##(?:vso)?\[", issue.partition("]")[2])) == 0


def test_other_text_stays_as_it_is(agent: Agent) -> None:
    text = "## Heading [link] # comment ##"
    agent.console.output(text)
    assert agent.text == f"{text}\n"
