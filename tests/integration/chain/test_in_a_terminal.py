"""What a person sees who runs stages in a terminal, or in a pipe."""

import re
import sys
from pathlib import Path

import pytest

from integration.suite import Done, Workspace, line_of, notebook

ON_A_TERMINAL = (
    sys.executable,
    "-c",
    "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))",
)
MESSAGE = "sales are <negative> & 50%"
FAILING = "def check(rows):\n    raise ValueError(rows[0] + 'negative> & 50%')\n\ncheck(['sales are <'])"


@pytest.fixture
def study(workspace: Workspace) -> Workspace:
    workspace.write("bad.ipynb", notebook("x = 1", FAILING))
    workspace.write("good.ipynb", notebook("y = 2"))
    workspace.write("slow.ipynb", notebook("import time\ntime.sleep(60)"))
    return workspace


def run(study: Workspace, kernel: Path, stage: str, *, prefix: tuple[str, ...] = (), **environ: str) -> Done:
    study.write("notebook-ci.toml", f"[execute-notebook]\npython = '{kernel}'\ncell-timeout = 1\n")
    flags = ["--stages=execute-notebook"] if stage == "pipeline" else []
    return study.run(stage, flags=flags, prefix=prefix, environ={"TERM": "xterm", **environ})


def for_a_person(done: Done) -> None:
    assert done.code == 1
    assert not re.findall(r"&lt;|%0A|::\w+|\\[<_*`]|^#|^\|.*\|$|```", done.log, re.MULTILINE)
    shown, repeated = re.split(r"^\S*✗\S* execute-notebook .*$", done.log, flags=re.MULTILINE)
    for text in (shown, repeated):
        assert text.count(MESSAGE) == text.count("longer than `cell-timeout`") == 1, (
            "once when it fails, and at the end"
        )
    assert shown.count("ValueError in cell 2") == 1
    assert re.findall(r"bad\.ipynb:\d+: cell 2: ValueError: ", repeated)


@pytest.mark.parametrize("stage", ["execute-notebook", "pipeline"])
def test_a_problem_is_shown_once(study: Workspace, kernel: Path, stage: str) -> None:
    done = run(study, kernel, stage)
    for_a_person(done)
    line = line_of(study.folder / "bad.ipynb", "raise ValueError")
    assert f"\nerror: bad.ipynb:{line}: ValueError in cell 2\n" in done.log, "terminals link `path:line`"
    [summary] = re.findall(r"^✗ execute-notebook +\d\.\d s +2 failures$", done.log, re.MULTILINE)
    assert "\x1b" not in done.log
    assert done.log.index("slow.ipynb") < done.log.index(summary)


def test_only_a_terminal_gets_colors(study: Workspace, kernel: Path) -> None:
    done = run(study, kernel, "execute-notebook", prefix=ON_A_TERMINAL)
    assert "\x1b[31m✗\x1b[0m bad.ipynb" in done.log
    assert "\x1b[1;31merror\x1b[0m: bad.ipynb:" in done.log
    for_a_person(done)
    plain = run(study, kernel, "execute-notebook", prefix=ON_A_TERMINAL, NO_COLOR="1")
    assert not re.search(r"\x1b\[[\d;]*m", plain.log)
    for_a_person(plain)
