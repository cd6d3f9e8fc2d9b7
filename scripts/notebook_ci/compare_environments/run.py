"""The stage compare-environments: runs the notebooks in both environments, and blames packages for what differs."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from notebook_ci.base import process
from notebook_ci.base.context import Context
from notebook_ci.base.errors import CheckFailed, InputError, NotebookCiError, Problem, SurroundingsError
from notebook_ci.base.files import read_text
from notebook_ci.base.launcher import LAUNCHER, UNHEARD
from notebook_ci.base.load_inputs import FROM_STDIN
from notebook_ci.base.locks import Lock
from notebook_ci.base.signals import how_it_ended
from notebook_ci.base.texts import listed
from notebook_ci.compare_environments.bisect import culprits
from notebook_ci.compare_environments.conda_packages import CondaPackages, installed
from notebook_ci.compare_environments.model import CompareEnvironmentsInputs
from notebook_ci.compare_environments.outcomes import RunOutcome, fails, outcome
from notebook_ci.compare_environments.plan import MOST_LISTED, ComparisonPlan
from notebook_ci.compare_environments.trial import TrialEnvironment
from notebook_ci.environments.uv import Uv
from notebook_ci.notebooks import order
from notebook_ci.records.compare_environments import (
    ComparedNotebook,
    CompareEnvironmentsRecord,
    PackageChange,
    Verdict,
)
from notebook_ci.records.environment import default_environment
from notebook_ci.records.execute_notebook import ExecuteRecord, NotebookResult
from notebook_ci.records.record import Record
from notebook_ci.records.setup_env import SetupEnvRecord

StageRecord = TypeVar("StageRecord", bound=Record)
FAILS: Literal["fails"] = "fails"
# Per verdict that fails the stage: the outcomes of another run that are as bad.
AS_BAD: Mapping[Verdict, AbstractSet[str]] = {"broken": {FAILS}, "differs": {FAILS, "differs"}}


def run(
    inputs: CompareEnvironmentsInputs, planned: ComparisonPlan, context: Context, record: CompareEnvironmentsRecord
) -> None:
    """Compare the environments, and record a verdict per notebook.

    Raises InputError or SurroundingsError if an environment cannot be created, or nothing can be executed.
    """
    context.run_directory.hide_secrets(context.environ)
    record.base, record.head = planned.base.name, planned.head.name
    stages = _Stages(inputs, context)
    base, head = stages.environment("base", planned.base), stages.environment("head", planned.head)
    of_conda = [{} if planned.is_mixed else each.conda_packages for each in (base, head)]
    others = [each.packages if planned.is_mixed else _of_uv(each, context) for each in (base, head)]
    record.changes = [*_changes(*of_conda, conda=True), *_changes(*others)]
    if base.python_version != head.python_version:
        context.notice(f"The environments have different Pythons: {base.python_version} and {head.python_version}.")
    if base.env_digest == head.env_digest:
        context.notice("Both files give the same environment, so no notebook was run.")
        return
    first = stages.execute("base", base, planned.notebooks)
    last = _outcomes(stages.execute("head", head, planned.notebooks, first), first)
    record.notebooks = [_compared(each, last[each.name]) for each in first.notebooks]
    if suspects := {each.name: each for each in record.notebooks if each.verdict in AS_BAD}:
        paths = _with_others(suspects.values(), first)
        again = _outcomes(stages.execute("base-again", base, paths, first), first)
        for name in [name for name, each in suspects.items() if again[name].kind in AS_BAD[each.verdict]]:
            suspects.pop(name).verdict = "nondeterministic"
    if suspects and not planned.is_mixed:
        _blame(suspects, stages, planned, first, record)
    unknown = [each for each in record.notebooks if each.verdict == "not compared" and each.reason]
    for each in (*suspects.values(), *unknown):
        record.status = "failed"
        context.problems.append(_problem(each))


def _of_uv(environment: SetupEnvRecord, context: Context) -> dict[str, str]:
    """Return the versions by name of the packages that are not of conda."""
    [path] = [context.run_directory.path / each for each in environment.created if each.endswith("/environment.json")]
    found = {each["name"] for each in json.loads(read_text(path, str(path)))["packages"] if each["origin"] != "conda"}
    return {name: version for name, version in environment.packages.items() if name in found}


def _changes(before: dict[str, str], after: dict[str, str], *, conda: bool = False) -> Iterator[PackageChange]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield PackageChange(name=name, before=before.get(name, ""), after=after.get(name, ""), conda=conda)


def _outcomes(record: ExecuteRecord, first: ExecuteRecord) -> dict[str, RunOutcome]:
    before = {each.name: each for each in first.notebooks}
    return {each.name: outcome(before[each.name], each) for each in record.notebooks}


def _compared(before: NotebookResult, found: RunOutcome) -> ComparedNotebook:
    verdict: Verdict = "broken" if found.kind == FAILS else found.kind
    if fails(before):
        verdict = "fails in both" if verdict == "broken" else "fixed"
    return ComparedNotebook(path=before.path, name=before.name, verdict=verdict, reason=found.reason, line=found.line)


def _with_others(suspects: Iterable[ComparedNotebook], record: ExecuteRecord) -> list[str]:
    """Return the notebooks to run again: these, and all others if some may use files that others write."""
    paths = list(dict.fromkeys(each.path for each in record.notebooks))
    is_ordered = record.inputs["needs"] or order.chains(paths, str(record.inputs["execution-order"]))
    return paths if is_ordered else sorted({each.path for each in suspects})


def _blame(
    suspects: Mapping[str, ComparedNotebook],
    stages: "_Stages",
    planned: ComparisonPlan,
    first: ExecuteRecord,
    record: CompareEnvironmentsRecord,
) -> None:
    """Find the packages that changed or broke notebooks, in environments between the two."""
    context = stages.context
    environment = stages.environment("trial", planned.base)

    def bad(notebooks: AbstractSet[str]) -> AbstractSet[str]:
        record.trials += 1
        paths = _with_others([suspects[name] for name in notebooks], first)
        outcomes = _outcomes(stages.execute(f"trial-{record.trials}", environment, paths, first), first)
        return {name for name in notebooks if outcomes[name].kind in AS_BAD[suspects[name].verdict]}

    uv = Uv(context, context.console, context.files.artifacts / "install.log")
    locks = (planned.base, planned.head)
    try:
        before, after = (installed(stages.folder(name)) for name in ("base", "head"))
        conda, packages = CondaPackages(before, after, planned.base, context), _of_uv(environment, context)
        trial = TrialEnvironment(stages.folder("trial"), packages, conda, record.changes, locks, uv, bad)
        found = culprits(suspects.keys(), record.changes, trial)
    except NotebookCiError as error:
        context.warning(f"Which packages are to blame was not found out: {error.message}")
        return
    for name, each in suspects.items():
        each.packages = list(found.get(name, ()))
    if unexplained := [name for name in suspects if name not in found]:
        names = listed(unexplained, MOST_LISTED)
        context.notice(f"The versions of packages alone do not explain the verdict of {names}, so none is named.")


def _problem(notebook: ComparedNotebook) -> Problem:
    by = f"by {', '.join(map(str, notebook.packages))}" if notebook.packages else "with `head`"
    message = notebook.reason if notebook.name == notebook.path else f"{notebook.name}: {notebook.reason}"
    title = f"{notebook.verdict.capitalize()} {by}"
    return Problem(severity="error", title=title, message=message, file=notebook.path, line=notebook.line)


@dataclass(frozen=True)
class _Stages:
    """Runs other stages, as their actions do, in the same run directory."""

    inputs: CompareEnvironmentsInputs
    context: Context

    def folder(self, name: str) -> Path:
        return default_environment(self._slug(name), self.context)

    def environment(self, name: str, lock: Lock) -> SetupEnvRecord:
        given = {"requirements": lock.name, "venv": str(self.folder(name)), "activate": False}
        return self._run("setup-env", name, SetupEnvRecord, given)

    def execute(
        self, name: str, environment: SetupEnvRecord, notebooks: Sequence[str], first: ExecuteRecord | None = None
    ) -> ExecuteRecord:
        """Execute notebooks; compare their outputs with those of the first run, if it has any."""
        baseline = first.output_dir if first and any(each.output for each in first.notebooks) else ""
        given = {
            "python": environment.python,
            "notebooks": "\n".join(notebooks),
            "output-dir": str(self.context.files.artifacts / name),
            "changed-only": False,
            "determinism": "off",
            # Not `numbers`: notebooks that need one whose outputs differ run, too.
            "compare": "warn" if baseline else "off",
            "baseline": baseline,
            "update": False,
            **({"parameters": self.inputs.parameters} if self.inputs.parameters else {}),
        }
        return self._run("execute-notebook", name, ExecuteRecord, given)

    def _slug(self, name: str) -> str:
        return f"{self.inputs.slug}-{name}" if self.inputs.slug else name

    def _run(self, stage: str, name: str, kind: type[StageRecord], given: Mapping[str, object]) -> StageRecord:
        """Run a stage. Raises its last error if it could not do its work."""
        context, slug = self.context, self._slug(name)
        recorded = context.run_directory.next_name(stage, slug)
        common = {"config": self.inputs.config, "slug": slug, "run-dir": str(context.run_directory.path)}
        with context.console.group(f"{stage} ({name})"), context.console.streaming() as write:
            done = process.run(
                ["bash", LAUNCHER, FROM_STDIN, stage],
                env={**context.environ, **UNHEARD},
                cwd=context.cwd,
                stdin=json.dumps({**common, **given}),
                on_line=write,
            )
        message = f"{stage} ({name}) {how_it_ended(done.returncode)} and left no valid record."
        unexplained = SurroundingsError(message, hint="The lines above say why.")
        try:
            record = context.run_directory.record(recorded)
        except InputError as error:
            raise unexplained from error
        # A notebook may have written the record, but not the exit code.
        if isinstance(record, kind) and done.returncode in (0, CheckFailed.exit_code):
            return record
        if not record.errors:
            raise unexplained
        last = record.errors[-1]
        wrong = InputError if done.returncode == InputError.exit_code else SurroundingsError
        raise wrong(last.message, hint=last.hint, file=last.file, line=last.line)
