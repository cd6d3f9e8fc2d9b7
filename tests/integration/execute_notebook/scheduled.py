"""Cells that note when they run, and what came of their notebooks."""

from integration.suite import Done, Workspace


def statuses(done: Done) -> dict[str, str]:
    return {name: found["status"] for name, found in done.notebooks.items()}


def errors(done: Done) -> list[str]:
    return [error.message for error in done.annotations()]


def stamp(name: str) -> str:
    """Return a cell that writes down that it has begun."""
    return f"import time\nopen('log', 'a').write('{name}\\n')\n"


def begun(workspace: Workspace) -> list[str]:
    return (workspace.folder / "log").read_text().split()
