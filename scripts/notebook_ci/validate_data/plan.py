"""Decides which data is validated against which suites. Reads only the suites."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from notebook_ci.base.errors import NotebookCiError, together
from notebook_ci.base.files import exists
from notebook_ci.base.plan import Nothing, Plan
from notebook_ci.base.problems import Problem
from notebook_ci.base.texts import listed
from notebook_ci.base.workspace import Workspace
from notebook_ci.validate_data import projects, rules
from notebook_ci.validate_data.model import NOTHING_GIVEN, ValidateInputs
from notebook_ci.validate_data.projects import Checkpoint
from notebook_ci.validate_data.rules import Rule

MOST_LISTED = 10


@dataclass(frozen=True, kw_only=True)
class ValidationPlan(Plan):
    rules: Sequence[Rule]
    checkpoint: Checkpoint | None = None  # the checkpoint that names data and suites; None: the inputs name them
    missing: Sequence[NotebookCiError] = ()  # what cannot be read before dvc-pull has run

    def lines(self) -> Iterator[str]:
        pairs = [f"{rule.data} ({rule.suite.file})" for rule in self.rules]
        if pairs:
            yield f"validate {listed(pairs, MOST_LISTED)}"
        for error in self.missing:
            yield f"not known before dvc-pull: {error.message}"


def create(inputs: ValidateInputs, workspace: Workspace) -> ValidationPlan | Nothing:
    """Find the data and read the suites. Raises InputError."""
    if not (inputs.pairs or inputs.checkpoint):
        return Nothing(NOTHING_GIVEN, hint="Set `data` and `suite`, or `rules`, or `checkpoint`.")
    checkpoint, problems = None, []
    if inputs.checkpoint:
        checkpoint, errors = projects.read(inputs.checkpoint, workspace.cwd)
        found = [Rule(batch, suite) for batch, suite in checkpoint.batches]
        if checkpoint.actions:
            message = f"Actions of the checkpoint `{checkpoint.name}` are not run: {', '.join(checkpoint.actions)}."
            problems.append(Problem(severity="notice", message=message))
    else:
        found, errors = rules.find(inputs.pairs, workspace.cwd)
    wrong = [error for error in errors if error.file and exists(workspace.cwd / error.file)]
    if wrong or (errors and not workspace.awaits_data):
        raise together(errors)
    return ValidationPlan(rules=found, checkpoint=checkpoint, missing=errors, problems=tuple(problems))
