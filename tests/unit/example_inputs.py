"""Inputs of every kind, loaded in a folder."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import CONFIG, StageInputs, given
from notebook_ci.base.load_inputs import FROM_STDIN, load
from notebook_ci.base.values import BOOLEAN, COUNT, GLOBS, PATH, PYTHON_VERSION, SECONDS, YAML_MAP, choice
from notebook_ci.base.workspace import Workspace

STAGE = "execute-notebook"


@dataclass(frozen=True, kw_only=True)
class Example(StageInputs):
    """Show every kind of input."""

    output_dir: str = given(PATH, "A text, 100% of it.", default="out")
    title: str = given(PATH, "Another text.", default="")
    html: bool = given(BOOLEAN, "A boolean.", default=False)
    notebooks: tuple[str, ...] = given(GLOBS, "Lines.", default=("**/*.ipynb",), shown_default="`**/*.ipynb`")
    cell_timeout: float | None = given(SECONDS, "Seconds.", default=None)
    python_version: str = given(PYTHON_VERSION, "A version.", default="", shown_default="any")
    parameters: Any = given(YAML_MAP, "A map.", default="")
    on_error: str = given(choice("warn", "fail"), "One of two.", default="fail")
    jobs: int | None = given(COUNT, "A number.", default=None)


@dataclass
class Caller:
    """Calls `load` in a folder."""

    folder: Path

    def load(self, *argv: str, step: Mapping[str, Any] | str | None = None, toml: str | bytes | None = None) -> Example:
        if toml is not None:
            content = toml if isinstance(toml, bytes) else toml.encode()
            (self.folder / CONFIG).write_bytes(content)
        flags = [] if step is None else [FROM_STDIN]
        text = step if isinstance(step, str) else json.dumps(step)
        workspace = Workspace(self.folder, {})
        return load(Example, STAGE, [*flags, *argv], io.StringIO(text), workspace)[0]

    def refused(self, *argv: str, **sources: Any) -> InputError:
        with pytest.raises(InputError) as caught:
            self.load(*argv, **sources)
        return caught.value


def in_toml(text: str) -> str:
    return f"[{STAGE}]\n{text}\n"
