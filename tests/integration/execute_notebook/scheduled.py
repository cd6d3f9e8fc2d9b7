"""Cells that note when they run, and what came of their notebooks."""

from integration.suite import Done, Workspace, parameters

SECONDS = 8  # in which a cancelled stage ends, with other tests beside it
STARTS = ("spawn", "fork")


def statuses(done: Done) -> dict[str, str]:
    return {name: found["status"] for name, found in done.notebooks.items()}


def errors(done: Done) -> list[str]:
    return [error.message for error in done.annotations()]


def stamp(name: str) -> str:
    """Return a cell that writes down that it has begun."""
    return f"import time\nopen('log', 'a').write('{name}\\n')\n"


def begun(workspace: Workspace) -> list[str]:
    return (workspace.folder / "log").read_text().split()


def meet(own: str, other: str, seconds: float = 30) -> str:
    """Return a cell that passes when another one runs at the same time."""
    return (
        f"import pathlib, time\npathlib.Path('{own}.here').touch()\nends = time.monotonic() + {seconds}\n"
        f"while not pathlib.Path('{other}.here').exists():\n"
        f"    assert time.monotonic() < ends, 'alone'\n    time.sleep(0.02)"
    )


TRAIN = parameters("alpha = 0\nname = 'none'\nepochs = 1")
TELL = "import json\nprint(json.dumps({'alpha': alpha, 'name': name, 'epochs': epochs}))"
