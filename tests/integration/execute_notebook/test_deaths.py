"""Kernels and workers that die: the message names how and where, and what was printed before is kept."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.suite import Done, Workspace, line_of, notebook, texts
from servers.shared import made_once

SAID = "import os\nprint('python says', flush=True)\nos.write(2, b'native says\\n')\n"
CRASH = "import ctypes\n\ndef crash():\n    ctypes.string_at(0)"
NO_OOM = " The system counted no out-of-memory kill."
# By name: cells, the sentence, and the text of the line that it points to.
DEATHS = {
    "abort": ([f"{SAID}os.abort()"], "The kernel crashed with SIGABRT (Aborted) while this cell ran.", "os.abort()"),
    "segfault": (
        [CRASH, f"\n{SAID}crash()"],
        "The kernel crashed with SIGSEGV (Segmentation fault) while this cell ran.",
        "ctypes.string_at(0)",
    ),
    "timed": (
        [f"%%time\n{SAID}os.abort()"],
        "The kernel crashed with SIGABRT (Aborted) while this cell ran.",
        "os.abort()",
    ),
    "kill": (
        [f"{SAID}os.kill(os.getpid(), 9)"],
        f"The kernel was killed by SIGKILL while this cell ran.{NO_OOM}",
        "import os",
    ),
    "terminate": (
        [f"{SAID}os.kill(os.getpid(), 15)"],
        "The kernel was killed by SIGTERM while this cell ran.",
        "import os",
    ),
    "exit": ([f"{SAID}os._exit(3)"], "The kernel ended with exit code 3 while this cell ran.", "import os"),
    "exit-0": ([f"{SAID}os._exit(0)"], "The kernel ended with exit code 0 while this cell ran.", "import os"),
}
REPEATED = 2
# A thread of the kernel takes it: not at once on a busy machine.
BEFORE = "import sys, time\nprint('before', file=sys.__stderr__)\ntime.sleep(0.5)"


@pytest.fixture(scope="module", params=["fork", "spawn"])
def died(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, kernel: Path
) -> tuple[Workspace, Done]:
    start = str(request.param)
    return made_once(tmp_path_factory, f"died-{start}", lambda folder: die(Workspace(folder), kernel, start))


def die(workspace: Workspace, kernel: Path, start: str) -> tuple[Workspace, Done]:
    """Execute each death several times, more at a time than there are CPUs: what is lost in a race is lost then."""
    for name, (cells, _, _) in DEATHS.items():
        for number in range(REPEATED):
            workspace.write(f"{name}/{number}.ipynb", notebook(BEFORE, *cells))
    return workspace, workspace.execute(kernel, kernel_start=start, workers="6")


@pytest.mark.parametrize("name", DEATHS)
def test_how_a_kernel_died(died: tuple[Workspace, Done], name: str) -> None:
    workspace, done = died
    cells, message, line = DEATHS[name]
    results = [result for path, result in done.notebooks.items() if path.startswith(f"{name}/")]
    assert done.code == 1
    assert results
    assert done.log.count("\nnative says\n") == REPEATED * len(DEATHS)
    assert "native says" in done.summary
    for result in results:
        failure, path = result["failure"], result["path"]
        assert (failure["kind"], failure["cell"]) == ("kernel-died", len(cells) + 1)
        assert failure["message"] == message
        assert done.executed(path)["cells"][-1]["outputs"][-1]["traceback"] == [message]
        assert failure["line"] == line_of(workspace.folder / path, line), path
        last = texts(done.executed(path)["cells"][-1])
        assert last.count("python says\n") == 1
        assert last.count("native says\n") == 1
        assert failure["traceback"].startswith("native says"), "and nothing of before the cell"
        assert "run_code" not in failure["traceback"], "no frame that called the cell"


# --- Memory


@pytest.fixture
def limited() -> Iterator[list[str]]:
    """A command that runs another one in a control group with 600 MB of memory."""
    root = Path("/sys/fs/cgroup")
    version = 1 if (root / "memory").is_dir() else 2
    folder = (root / "memory" if version == 1 else root) / f"nci-test-{uuid.uuid4().hex[:8]}"
    if version == 2:
        (root / "cgroup.subtree_control").write_text("+memory")
    folder.mkdir()
    (folder / ("memory.limit_in_bytes" if version == 1 else "memory.max")).write_text("600000000")
    yield ["/bin/sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$@"', "sh"]
    folder.rmdir()


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_memory_that_runs_out(workspace: Workspace, kernel: Path, limited: list[str], start: str) -> None:
    workspace.write(
        "a.ipynb", notebook("print('begun', flush=True)\nkept = []\nwhile True:\n    kept.append('x' * 10_000_000)")
    )
    workspace.write("b.ipynb", notebook("import os\nos.kill(os.getpid(), 9)"))
    inputs = {"python": str(kernel), "kernel-start": start, "workers": "1"}
    done = workspace.run("execute-notebook", inputs, prefix=limited)
    assert done.code == 1
    message, other = (done.notebooks[name]["failure"]["message"] for name in ("a.ipynb", "b.ipynb"))
    said, _, peak = message.partition(" Its peak was ")
    assert said == "The kernel was killed by SIGKILL while this cell ran: the system ran out of memory."
    number, unit, *limit = peak.split()
    assert (unit, limit[:3]) == ("MB", ["of", "600.0", "MB."])
    assert 300 < float(number) <= 600
    assert done.printed("a.ipynb") == "begun\n"
    assert other == f"The kernel was killed by SIGKILL while this cell ran.{NO_OOM}", "its own doing"
