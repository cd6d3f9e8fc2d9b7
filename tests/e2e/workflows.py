"""Texts of workflows and notebooks for the end-to-end tests, and data that DVC tracks."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import Consumer, uses

OWN = "notebook-ci/notebook-ci/actions/{}@v1"
ROOT = Path(__file__).resolve().parents[2]
# What a shell, YAML or the runner would take for something else, and what is not ASCII.
HOSTILE = 'it\'s "q" $(touch pwned) `touch pwned` ${HOME} ;& |ñ日本'
DATA = b"x,y\n1,2\n2,4\n3,6\n"
DATA_HASH = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
OBJECT = f"dvc-storage/files/md5/{DATA_HASH[:2]}/{DATA_HASH[2:]}"


def copy(consumer: Consumer, starter: str, edits: dict[str, str], name: str = "") -> None:
    """Copy a starter, and do at the lines marked EDIT what a team has to do.

    Args:
        consumer: The repository.
        starter: The starter's name.
        edits: What is replaced, each once.
        name: The name of the copy.
    """
    text = (ROOT / "workflows-templates" / f"{starter}.yml").read_text(encoding="utf-8")
    for old, new in edits.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    consumer.workflow(text, f"{name or starter}.yml")


def track(consumer: Consumer) -> None:
    """Write a repository of DVC with `DATA` as `data/points.csv`, and a remote in the repository."""
    config = "[core]\n    remote = storage\n['remote \"storage\"']\n    url = ../dvc-storage\n"
    pointer = f"outs:\n- md5: {DATA_HASH}\n  size: {len(DATA)}\n  hash: md5\n  path: points.csv\n"
    files: dict[str, str | bytes] = {
        ".dvc/config": config,
        ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
        "data/points.csv.dvc": pointer,
        "data/.gitignore": "/points.csv\n",
        OBJECT: DATA,
        "dvc-storage/README.md": "The remote of DVC.\n",
    }
    for name, content in files.items():
        consumer.write(name, content)


def prepend(consumer: Consumer, table: str) -> None:
    """Add a table to the config file, before the others."""
    path = consumer.path / "notebook-ci.toml"
    others = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(table + others, encoding="utf-8")


def reuse(consumer: Consumer, kernel: Path) -> None:
    """Let setup-env find the environment `kernel`, and check it, which costs less than a new one.

    Only for a single run: a second one would restore its cache there, while other tests use the environment.
    """
    consumer.write("requirements.txt", "ipykernel\nrich\n")
    prepend(consumer, f"[setup-env]\nvenv = {json.dumps(str(kernel.parents[1]))}\n")


def step(stage: str, name: str | None = None, **inputs: object) -> dict[str, Any]:
    """Return a step that uses one of our actions; `_` in the name of an input means `-`."""
    given = {key.replace("_", "-"): value for key, value in inputs.items()}
    return {"id": name or stage, "uses": OWN.format(stage), "with": given}


def upload(name: str, path: str) -> dict[str, Any]:
    """Return a step that keeps files of the runner, whatever happened before."""
    given = {"name": name, "path": path, "include-hidden-files": True}
    return {"if": "always()", "uses": uses("actions/upload-artifact"), "with": given}


def workflow(*steps: Mapping[str, Any], **job: object) -> str:
    """Return a workflow with one job `test`, on `push`."""
    return workflow_of({"test": steps}, **job)


def workflow_of(jobs: Mapping[str, Sequence[Mapping[str, Any]]], **job: object) -> str:
    """Return a workflow, on `push`, from the steps of its jobs. JSON is YAML, with no doubt about quotes."""
    checkout = {"uses": uses("actions/checkout")}
    made = {name: {"runs-on": "ubuntu-latest", **job, "steps": [checkout, *steps]} for name, steps in jobs.items()}
    return json.dumps({"on": "push", "jobs": made}, indent=1)


def notebook(*cells: str, parameters: str = "") -> str:
    """Return a notebook of code cells, as Jupyter writes it: one source line a line of the file."""
    tagged: Sequence[tuple[str, list[str]]] = [
        *([(parameters, ["parameters"])] if parameters else []),
        *((c, []) for c in cells),
    ]
    content = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"cell-{number}",
                "metadata": {"tags": tags},
                "outputs": [],
                "source": source.splitlines(keepends=True),
            }
            for number, (source, tags) in enumerate(tagged)
        ],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1) + "\n"


def line_of(text: str, source: str) -> int:
    """Return the line of a file on which a source line stands, which must be there once."""
    (number,) = [number for number, line in enumerate(text.splitlines(), 1) if source in line]
    return number
