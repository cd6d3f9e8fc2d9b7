"""Writes the log of a GitLab job, and the reports that a merge request shows.

Sources of the formats: "Custom collapsible sections", "Import Code Quality results from a CI/CD job" and "Unit test
reports" in GitLab's documentation. GitLab reads reports from files of the project.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TextIO

from notebook_ci.base.console import LogConsole, Summary, by_rank, headline
from notebook_ci.base.errors import NotebookCiError, Problem
from notebook_ci.base.files import write
from notebook_ci.base.masking import masked
from notebook_ci.base.workspace import private_folder

CODE_QUALITY, JUNIT = "gl-code-quality-report.json", "junit.xml"  # in `.notebook-ci` of the project
CONFIG = ".gitlab-ci.yml"
SEVERITIES = {"error": "major", "warning": "minor", "notice": "info"}
_MARKER = re.compile("(section_(?:start|end)):")  # anywhere in a line


class GitLabConsole(LogConsole):
    """Reads `CI_PROJECT_DIR` and `CI_CONFIG_PATH`."""

    def __init__(self, environ: Mapping[str, str], stream: TextIO) -> None:
        super().__init__(environ, stream)
        self._project = Path(environ.get("CI_PROJECT_DIR") or Path.cwd()).resolve()
        self._problems: dict[Problem, None] = {}  # each once

    @contextlib.contextmanager
    def group(self, title: str) -> Iterator[None]:
        name = f"notebook_ci_{secrets.token_hex(8)}"  # unknown to a notebook
        self._mark("start", name, title)
        try:
            yield
        finally:
            self._mark("end", name, "")

    def annotate(self, problems: Iterable[Problem]) -> None:
        for problem in by_rank(problems):
            self._write(headline(problem) + problem.text)
            self._problems[problem] = None

    def error(self, error: NotebookCiError) -> None:
        super().error(error)
        with contextlib.suppress(OSError, NotebookCiError):  # the exit code says enough
            self._report()

    def summarize(self, summary: Summary) -> None:
        if self.is_part:
            return
        self._write(summary.text.rstrip())
        self._problems |= dict.fromkeys(by_rank(summary.problems))
        self._report()
        if summary.junit:
            write(private_folder(self._project) / JUNIT, masked(summary.junit))

    def _report(self) -> None:
        """Write all problems so far. Raises OSError, and InputError if the folder is a link."""
        if not self.is_part:
            write(private_folder(self._project) / CODE_QUALITY, json.dumps(list(self._code_quality()), indent=1) + "\n")

    def _code_quality(self) -> Iterator[dict[str, object]]:
        seen: Counter[tuple[str, str, str]] = Counter()
        for problem in by_rank(self._problems):
            path = self._in_project(problem.file)
            # Without the line: GitLab compares branches by fingerprints, and lines move.
            same = (path, problem.title, problem.message)
            seen[same] += 1
            fingerprint = hashlib.sha256(json.dumps([*same, seen[same]]).encode()).hexdigest()
            yield {
                "check_name": "notebook-ci",
                "description": problem.titled_text,
                "fingerprint": fingerprint,
                "severity": SEVERITIES[problem.severity],
                "location": {"path": path, "lines": {"begin": problem.line or 1}},
            }

    def _in_project(self, file: str | None) -> str:
        """Return a path that GitLab knows: for what is in no file of the project, that of the pipeline."""
        path = os.path.relpath(Path.cwd() / file, self._project) if file else ".."
        return Path(path).as_posix() if not path.startswith("..") else self.environ.get("CI_CONFIG_PATH") or CONFIG

    def _mark(self, what: str, name: str, title: str) -> None:
        super()._write(f"\x1b[0Ksection_{what}:{int(time.time())}:{name}\r\x1b[0K{title}")

    def _write(self, text: str) -> None:
        super()._write(_MARKER.sub(r"\1 :", text))
