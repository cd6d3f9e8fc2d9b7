"""The input `working-directory`: the folder of a project, if a repository has several."""

import os
from dataclasses import replace
from pathlib import Path

from notebook_ci.base.errors import InputError
from notebook_ci.base.texts import quote
from notebook_ci.base.workspace import Workspace

INPUT = "working-directory"


def enter(given: str, workspace: Workspace) -> Workspace:
    """Make the folder that the input names the working directory of this process, and return the workspace there.

    Raises InputError if that fails, or if a runner has not checked it out: a link may lead anywhere.
    """
    if not given:
        return workspace
    folder, what = Path(os.path.realpath(workspace.cwd / given)), f"`{INPUT}` is {quote(given)}, which"
    if workspace.is_on_runner and not folder.is_relative_to(workspace.checkout):
        hint = "Set it to a folder of the repository, and check the repository out before."
        raise InputError(f"{what} leads out of the checkout `{workspace.checkout}`.", hint=hint)
    try:
        os.chdir(folder)
    except OSError as error:
        message = f"{what} is not a folder that can be entered: {error.strerror}."
        raise InputError(message, hint=f"It is relative to `{workspace.cwd}`.") from error
    return replace(workspace, cwd=Path.cwd())
