"""A console whose words can be read, and what a runner makes of its files."""

import io
from pathlib import Path

from notebook_ci.github import Console


class Written:
    """A console that writes into memory: on a runner, with its files, or on a terminal."""

    def __init__(self, folder: Path, *, on_runner: bool) -> None:
        self.output_file = folder / "github-output"
        self.summary_file = folder / "github-summary"
        self.environ: dict[str, str] = {}
        if on_runner:
            self.environ = {
                "GITHUB_ACTIONS": "true",
                "GITHUB_OUTPUT": str(self.output_file),
                "GITHUB_STEP_SUMMARY": str(self.summary_file),
            }
        self.stream = io.StringIO()
        self.console = Console(self.environ, self.stream)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def outputs(self) -> dict[str, str]:
        return outputs_in(self.output_file)

    @property
    def summary(self) -> str:
        return self.summary_file.read_text(encoding="utf-8")


def outputs_in(file: Path) -> dict[str, str]:
    """Read a GITHUB_OUTPUT file as the runner does: `name<<delimiter`, lines, `delimiter`."""
    found = {}
    lines = iter(file.read_text(encoding="utf-8").split("\n"))
    for line in lines:
        if not line:
            continue
        name, arrow, delimiter = line.partition("<<")
        assert arrow, f"not of the form name<<delimiter: {line!r}"
        value = []
        for content in lines:
            if content == delimiter:
                break
            value.append(content)
        else:
            raise AssertionError(f"{name} is not ended")
        found[name] = "\n".join(value)
    return found


def commands_in(text: str) -> list[str]:
    """Return the lines that a runner would obey: commands that do not stand between stop-commands and its token."""
    found = []
    token = None
    for line in text.replace("\r", "\n").split("\n"):
        stripped = line.strip()
        if token:
            token = None if stripped == f"::{token}::" else token
        elif stripped.startswith("::stop-commands::"):
            token = stripped.removeprefix("::stop-commands::")
        elif stripped.startswith("::") or "##[" in line:
            found.append(stripped)
    assert token is None, "commands stay stopped"
    return found
