"""Decides which data is validated against which suites: those of the inputs, or those of a checkpoint."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notebook_ci.base.errors import InputError, NotebookCiError, Problem, together
from notebook_ci.base.files import exists
from notebook_ci.base.launcher import own_command
from notebook_ci.base.plan import Nothing, Plan
from notebook_ci.base.texts import listed, quote
from notebook_ci.base.workspace import Workspace
from notebook_ci.validate_data import data, projects, suites
from notebook_ci.validate_data.formats import MOST_LISTED, matches
from notebook_ci.validate_data.model import NOTHING_GIVEN, Checks, ValidateInputs
from notebook_ci.validate_data.options import Options
from notebook_ci.validate_data.projects import Checkpoint
from notebook_ci.validate_data.suites import Suite
from notebook_ci.validate_data.violations import TEXT_AS_STR


@dataclass(frozen=True)
class Rule:
    data: str  # a file or folder, relative to the workspace
    suite: Suite
    read: Options


@dataclass(frozen=True, kw_only=True)
class ValidationPlan(Plan):
    rules: Sequence[Rule]
    checkpoint: Checkpoint | None = None  # the checkpoint that names data and suites; None: the inputs name them
    missing: Sequence[NotebookCiError] = ()  # what cannot be read before dvc-pull has run

    @property
    def suites(self) -> Iterable[Suite]:
        return _suites(self.rules)

    def lines(self) -> Iterator[str]:
        pairs = [f"{rule.data} ({rule.suite.file})" for rule in self.rules]
        if pairs:
            yield f"validate {listed(pairs, MOST_LISTED)}"
        for error in self.missing:
            yield f"not known before dvc-pull: {error.message}"


def create(inputs: ValidateInputs, workspace: Workspace) -> ValidationPlan | Nothing:
    """Find the data and read the suites; nothing else is read. Raises InputError."""
    if not (inputs.pairs or inputs.checkpoint):
        return Nothing(NOTHING_GIVEN, hint="Set `data` and `suite`, or `rules`, or `checkpoint`.")
    checkpoint: Checkpoint | None = None
    problems: list[Problem] = []
    if inputs.checkpoint:
        checkpoint, errors = projects.read(inputs.checkpoint, workspace.cwd, has_data=bool(inputs.data))
        rules = _of_checkpoint(checkpoint, inputs, workspace.cwd, errors)
        problems += _left_out(checkpoint, inputs.checkpoint)
    else:
        rules, errors = _rules(inputs.pairs, inputs.read, workspace.cwd)
    errors = list({(error.message, error.file): error for error in errors}.values())
    wrong = [error for error in errors if error.file and exists(workspace.cwd / error.file)]
    if wrong or (errors and not workspace.awaits_data):
        raise together(errors)
    for suite in _suites(rules):
        problems += _about(suite)
    return ValidationPlan(rules=rules, checkpoint=checkpoint, missing=errors, problems=tuple(problems))


def _suites(rules: Iterable[Rule]) -> Iterable[Suite]:
    return {rule.suite.file: rule.suite for rule in rules}.values()


def _left_out(checkpoint: Checkpoint, name: str) -> Iterator[Problem]:
    """Yield notices on what Great Expectations would do in addition, and on data that it would not check, either."""
    if checkpoint.actions:
        message = f"Actions of the checkpoint {quote(name)} are not run: {', '.join(checkpoint.actions)}."
        yield Problem(severity="notice", message=message)
    for file, others in dict.fromkeys((data_.file, data_.passed_over) for data_, _ in checkpoint.checks if data_):
        if others:
            message = f"{quote(file)} is the last of {others + 1} files that match. Only it is checked."
            yield Problem(severity="notice", message=message, hint="To check others, set `data` as well.")


def _about(suite: Suite) -> Iterator[Problem]:
    """Yield notices on what is read differently from what a suite says."""
    if suite.is_old:
        message = (
            f"`{suite.file}` was saved with Great Expectations 0.x. It is read as a 1.x suite; the file is not changed."
        )
        hint = f"To rewrite the file: {own_command('migrate-suite {}', suite.file)}."
        yield Problem(severity="notice", message=message, hint=hint, file=suite.file)
    if suite.objects:
        columns = listed([quote(column) for column in suite.objects], MOST_LISTED)
        message = f"`{suite.file}` was saved before pandas 3. Text counts as `object` in {columns}, as in pandas 2."
        yield Problem(severity="notice", message=message, hint=TEXT_AS_STR, file=suite.file)


def _rules(
    checks_of: Mapping[str, Checks], read: Mapping[str, Any], cwd: Path
) -> tuple[list[Rule], list[NotebookCiError]]:
    """Return each pair of data and suite once, and all problems of both; `checks_of` maps paths or globs to suites."""
    errors: list[NotebookCiError] = []
    known: dict[str, Suite | None] = {}
    chosen: dict[tuple[str, str], Rule] = {}
    for pattern, checks in checks_of.items():
        options = Options(**(checks.read or read))
        files = _files(pattern, cwd, options, errors)
        for name in checks.suites:
            if name not in known:
                known[name], wrong = suites.read(cwd / name, Path(name).as_posix())
                errors += wrong
        readable = {name: suite for name in checks.suites if (suite := known[name])}
        # By file, so that data is read once for all its suites.
        for file, name in itertools.product(files, readable):
            rule = chosen.setdefault((file, name), Rule(file, readable[name], options))
            if rule.read != options:
                message = f"Two rules have {quote(file)} with the same suite, but with another `read`."
                errors.append(InputError(message, hint="Keep one of them."))
    return list(chosen.values()), errors


def _of_checkpoint(
    checkpoint: Checkpoint, inputs: ValidateInputs, cwd: Path, errors: list[NotebookCiError]
) -> list[Rule]:
    """Return each pair of data and suite once; adds what is wrong with the data to `errors`."""
    options = Options(**inputs.read)
    given = [file for pattern in inputs.data for file in _files(pattern, cwd, options, errors)]
    rules = [Rule(file, suite, options) for file in given for _, suite in checkpoint.checks]
    for data_, suite in checkpoint.checks:
        if data_:
            options = Options(**data_.read)
            rules += [Rule(file, suite, options) for file in _files(data_.file, cwd, options, errors)]
    return list({repr((rule.data, rule.suite.file, rule.suite.parameters, rule.read)): rule for rule in rules}.values())


def _files(pattern: str, cwd: Path, options: Options, errors: list[NotebookCiError]) -> list[str]:
    """Return the files that match a pattern; adds their problems to `errors`."""
    found = matches(pattern, cwd)
    if not found:
        message = f"No file matches {quote(pattern)} in `{cwd}`."
        errors.append(InputError(message, hint="Paths are relative to the workspace."))
    good = []
    for shown in found:
        try:
            data.check_file(cwd / shown, shown, options)
            good.append(shown)
        except InputError as error:
            errors.append(error)
    return good
