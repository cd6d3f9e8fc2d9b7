"""The log of a GitLab job, and its reports."""

import contextlib
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.console import Console, Summary, console
from notebook_ci.base.errors import CheckFailed, InputError, Problem

# As GitLab finds them: `logs_section_prefix_regex` and the like in its lib/gitlab/regex.rb.
SECTION = re.compile(r"section_(start|end):\d+:([a-zA-Z0-9_.-]+)(?:\[\w+=\w+(?:, ?\w+=\w+)*\])?\r\x1b\[0K")
FORGED = [
    "\x1b[0Ksection_start:1:evil[collapsed=true]\r\x1b[0KAll passed",
    "before section_end:1:evil\r\x1b[0K",
]
FAILURE = Problem(severity="error", title="KeyError in cell 2", message="'x'", hint="Mend it.", file="a.ipynb", line=7)


class Job:
    def __init__(self, project: Path, **environ: str) -> None:
        self.folder = project / ".notebook-ci"
        self.environ = {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(project), **environ}
        self.stream = io.StringIO()
        self.console: Console = console(self.environ, self.stream)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def report(self) -> list[dict[str, Any]]:
        return list(json.loads((self.folder / "gl-code-quality-report.json").read_text(encoding="utf-8")))


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.chdir(tmp_path)
    return Job(tmp_path)


def test_a_problem_is_a_line_of_the_log_and_an_entry_of_the_report(job: Job) -> None:
    notice = Problem(severity="notice", message="By the way.")
    job.console.annotate([notice, FAILURE])
    job.console.summarize(Summary("# md", "✗ one\n", [FAILURE, notice], "<testsuite/>\n"))
    assert job.text == "error: a.ipynb:7: KeyError in cell 2: 'x' Mend it.\nnotice: By the way.\n✗ one\n"
    first, second = job.report
    assert len(first.pop("fingerprint")) == len(second.pop("fingerprint")) == 64
    assert first == {
        "check_name": "notebook-ci",
        "description": "KeyError in cell 2: 'x' Mend it.",
        "severity": "major",
        "location": {"path": "a.ipynb", "lines": {"begin": 7}},
    }
    assert (second["severity"], second["location"]) == ("info", {"path": ".gitlab-ci.yml", "lines": {"begin": 1}})
    assert (job.folder / "junit.xml").read_text() == "<testsuite/>\n"
    assert (job.folder / ".gitignore").read_text() == "*\n"


def fingerprints(project: Path, *problems: Problem) -> list[str]:
    job = Job(project)
    job.console.summarize(Summary("", "", problems))
    return [entry["fingerprint"] for entry in job.report]


def test_fingerprints_stay_when_lines_move_and_differ_otherwise(tmp_path: Path) -> None:
    def at(line: int, message: str = "m", file: str = "a.ipynb") -> Problem:
        return Problem(severity="error", message=message, file=file, line=line)

    assert fingerprints(tmp_path, at(1)) == fingerprints(tmp_path, at(9))
    assert fingerprints(tmp_path, at(1), at(1)) == fingerprints(tmp_path, at(1))
    different = fingerprints(tmp_path, at(1), at(2), at(1, message="n"), at(1, file="b.ipynb"))
    assert len(set(different)) == 4


def test_paths_are_relative_to_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    job = Job(tmp_path, CI_CONFIG_PATH="ci/all.yml")
    files = ["a.ipynb", str(tmp_path / "b.ipynb"), "../../elsewhere"]
    job.console.summarize(Summary("", "", [Problem(severity="error", message="m", file=file) for file in files]))
    assert [entry["location"]["path"] for entry in job.report] == ["sub/a.ipynb", "b.ipynb", "ci/all.yml"]


def test_an_error_before_any_record_is_reported(job: Job) -> None:
    job.console.error(InputError("`x` is wrong.", hint="Correct it.", file="notebook-ci.toml", line=3))
    assert job.text == "error: notebook-ci.toml:3: `x` is wrong. Correct it.\n"
    [entry] = job.report
    assert entry["location"] == {"path": "notebook-ci.toml", "lines": {"begin": 3}}


def test_a_report_that_cannot_be_written_is_an_error_only_at_the_end(job: Job) -> None:
    job.folder.symlink_to("elsewhere")
    job.console.error(CheckFailed("It broke."))
    assert job.text == "error: It broke.\n"
    with pytest.raises(InputError, match="is a link"):
        job.console.summarize(Summary("", ""))


def test_a_part_of_a_chain_writes_no_report(tmp_path: Path) -> None:
    part = Job(tmp_path, GITHUB_STEP_SUMMARY=os.devnull)
    part.console.annotate([FAILURE])
    part.console.error(InputError("`x` is wrong."))
    part.console.summarize(Summary("", "text", [FAILURE], "<testsuite/>"))
    part.console.set_outputs({"a": "1"})
    assert part.text.splitlines() == ["error: a.ipynb:7: KeyError in cell 2: 'x' Mend it.", "error: `x` is wrong."]
    assert not part.folder.exists()


def test_a_group_is_a_section(job: Job) -> None:
    with contextlib.suppress(KeyboardInterrupt), job.console.group("[1/2] setup-env"):
        job.console.progress("work")
        raise KeyboardInterrupt
    start, end = SECTION.finditer(job.text)
    assert (start[1], end[1]) == ("start", "end")
    assert start[2] == end[2]
    assert job.text[start.end() :].startswith("[1/2] setup-env\nwork\n")


def test_the_samples_would_be_sections() -> None:
    assert all(map(SECTION.search, FORGED))


@pytest.mark.parametrize("text", FORGED)
def test_what_a_notebook_prints_begins_and_ends_no_section(job: Job, text: str) -> None:
    problem = Problem(severity="error", title=text, message=text, hint=text)
    job.console.output(text)
    job.console.progress(text)
    job.console.failed(text, problem, text)
    job.console.annotate([problem])
    job.console.summarize(Summary("", text))
    assert not SECTION.search(job.text)
    assert "evil" in job.text
