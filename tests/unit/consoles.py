"""A console whose words can be read, and what a runner makes of its files."""

import io
import re
from pathlib import Path

from notebook_ci.base.console import console


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
        self.console = console(self.environ, self.stream)

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


class Terminal:
    """A console that writes to a terminal: what stands on the screen can be read.

    It knows one sequence: up some lines to their begin, and erase to the end (ECMA-48).

    Args:
        environ: The environment of the console.
        encoding: That of the stream.
        is_terminal: Whether the stream says that it is one.
    """

    def __init__(
        self, environ: dict[str, str] | None = None, encoding: str = "utf-8", *, is_terminal: bool = True
    ) -> None:
        self.raw = io.BytesIO()
        stream = io.TextIOWrapper(self.raw, encoding=encoding, write_through=True)
        stream.isatty = lambda: is_terminal  # type: ignore[method-assign] # a stream in memory is none
        self.console = console(environ or {}, stream)

    @property
    def text(self) -> str:
        return self.raw.getvalue().decode()

    @property
    def screen(self) -> list[str]:
        """The lines that stand there."""
        uncolored = re.sub(r"\x1b\[[\d;]*m", "", self.text)
        text, *others = re.split(r"\x1b\[(\d+)F\x1b\[J", uncolored)
        for up, more in zip(others[::2], others[1::2], strict=True):
            assert text.endswith("\n"), "the cursor stands at the begin of a line"
            lines = text.splitlines(keepends=True)
            assert 0 < int(up) <= len(lines)
            text = "".join(lines[: -int(up)]) + more
        return text.split("\n")[:-1]
