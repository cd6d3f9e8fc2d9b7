"""Repositories of notebooks, and what plan-notebooks makes of them."""

import io
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from notebook_ci.base.console import console
from notebook_ci.base.context import Context
from notebook_ci.base.load_inputs import load
from notebook_ci.base.workspace import Workspace
from notebook_ci.plan_notebooks.model import PlanNotebooksInputs
from notebook_ci.plan_notebooks.run import plan, run
from notebook_ci.records.plan_notebooks import PlanNotebooksRecord
from notebook_ci.records.run_directory import RunDirectory, StageFiles

ENVIRON = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "init.defaultBranch=main", "-c", "commit.gpgSign=false", "-C", str(folder), *arguments]
    return subprocess.run(command, env=ENVIRON, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, message: str = "x") -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def notebook(*cells: str, tags: Sequence[str] = (), own: object = None, **metadata: object) -> str:
    """Return a notebook; `tags` are those of the first cell, `own` what its metadata say to notebook-ci."""
    code: list[dict[str, Any]] = [{"cell_type": "code", "source": cell, "metadata": {}} for cell in cells]
    if tags:
        code[0]["metadata"] = {"tags": list(tags)}
    metadata |= {} if own is None else {"notebook-ci": own}
    return json.dumps({"nbformat": 4, "metadata": metadata, "cells": code})


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def planned(folder: Path, *flags: str, environ: Mapping[str, str] | None = None) -> PlanNotebooksRecord:
    """Return the record of plan-notebooks, run in this folder."""
    inputs = load(PlanNotebooksInputs, "plan-notebooks", flags, io.StringIO(), Workspace(folder, {}))[0]
    directory = folder / ".notebook-ci"
    record = PlanNotebooksRecord(stage="plan-notebooks")
    context = Context(
        folder,
        {**ENVIRON, **(environ or {})},
        run_directory=RunDirectory(directory),
        files=StageFiles("plan-notebooks", directory),
        console=console({}, io.StringIO()),
        problems=record.problems,
    )
    found = plan(inputs, context)
    record.problems += found.problems
    run(inputs, found, context, record)
    return record


def said(record: PlanNotebooksRecord) -> list[str]:
    return [f"{problem.severity}: {problem.message}" for problem in record.problems]
