"""The script that runs the stages one after the other: for the root action, and for the laptop.

Each stage is started as its own action would start it, so nothing differs but that there is one summary for all.
"""

import contextlib
import io
import itertools
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from notebook_ci.base.config_file import missed_config
from notebook_ci.base.console import Console
from notebook_ci.base.errors import MILDEST_FIRST, Cancelled, InputError, Problem, SurroundingsError, worst
from notebook_ci.base.inputs import CONFIG, StageInputs, declared, given, unknown
from notebook_ci.base.launcher import COMMAND, LAUNCHER
from notebook_ci.base.load_inputs import CHECK_ONLY, FROM_STDIN, NOTHING_TO_DO, PLAN, load
from notebook_ci.base.plan import Nothing, Plan
from notebook_ci.base.process import POSIX, end_tree
from notebook_ci.base.process import run as run_program
from notebook_ci.base.signals import how_it_ended, undisturbed
from notebook_ci.base.stage import COMMON_OUTPUTS, Command, Stage, run_script, show
from notebook_ci.base.texts import listed, quote
from notebook_ci.base.values import GLOBS, LINES, YAML_MAP
from notebook_ci.base.workspace import Workspace
from notebook_ci.base.yaml12 import Values
from notebook_ci.records.record import Record, Status, describe_source, timestamp
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.report.summary import summarize
from notebook_ci.stages import ALL_STAGES, STAGES, load_stage
from notebook_ci.tools import own_files
from notebook_ci.tools.import_guard import guard_imports
from notebook_ci.tools.tool import command

DATA, NOTEBOOKS = "dvc-pull", "execute-notebook"
MOST_LISTED = 5
LAST = "log-run"  # runs also after a failure: that is a result, too
# For the root action, which saves its caches before a notebook can change what is in them: run what comes before the
# notebooks, and go on after that. `DONE` is followed by the output of that name.
BEFORE, DONE = "--before-notebooks", "--done="
# Outputs and summaries of the single stages are not used: the chain has one of each, for all of them.
UNHEARD = {"GITHUB_OUTPUT": os.devnull, "GITHUB_STEP_SUMMARY": os.devnull}
# The outputs of stages that the chain has, too.
FROM_STAGES = {
    "env-digest": "setup-env",
    "data-digest": "dvc-pull",
    "executed": "execute-notebook",
    "failed": "execute-notebook",
    "allowed-failures": "execute-notebook",
    "image": "build-image",
    "digest": "build-image",
    "run-id": "log-run",
    "run-url": "log-run",
}
OUTPUTS = {
    "status": COMMON_OUTPUTS["status"],
    "run-dir": "Run directory: one record per stage, the executed notebooks, and other files of the stages.",
    **{name: load_stage(stage).outputs[name] for name, stage in FROM_STAGES.items()},
}


@dataclass(frozen=True, kw_only=True)
class PipelineInputs(StageInputs):
    """CI/CD for a repository of Jupyter notebooks: environment, data, validation, notebooks, image, log."""

    stages: tuple[str, ...] = given(
        LINES,
        f"Stages to run, one per line: {', '.join(f'`{stage}`' for stage in STAGES)}.",
        default=(),
        shown_default="all; a stage that has nothing to do is skipped",
    )
    notebooks: tuple[str, ...] = given(
        GLOBS,
        "Notebooks to execute: `notebooks` of execute-notebook.",
        default=(),
        shown_default="as in execute-notebook",
    )
    parameters: Values = given(YAML_MAP, "Parameters for the notebooks: `parameters` of execute-notebook.", default={})


@dataclass(frozen=True)
class Step:
    """A stage as the chain runs it."""

    stage: Stage[Any, Any, Any]
    given: Mapping[str, object]  # the inputs that the chain sets; the others are in the config file
    plan: Plan | Nothing


class Pipeline(Command[PipelineInputs]):
    def _main(self, argv: Sequence[str], environ: Mapping[str, str], stdin: TextIO, console: Console) -> int:
        workspace = Workspace(Path.cwd(), environ)
        done = "".join(each.removeprefix(DONE) for each in argv if each.startswith(DONE))
        try:
            own = [each for each in argv if each != BEFORE and not each.startswith(DONE)]
            _refuse_flags_of_stages(own)
            inputs = load(self.inputs, self.name, own, stdin, workspace.cwd)
            is_shown = PLAN in argv or not (done or CHECK_ONLY in argv)
            try:
                steps = _planned(inputs, workspace)
            except Exception:
                is_shown = not done  # it may be why
                raise
            finally:
                if is_shown:  # once: a check comes before the run, and the first call before the second
                    console.annotate(missed_config(workspace.cwd, inputs.config))
            if is_shown:
                with console.group("Plan"):
                    for step in steps:
                        show(step.stage.name, step.plan, console)
            if PLAN in argv:  # in a run, each stage shows its own
                console.annotate(problem for step in steps for problem in step.plan.problems)
                return NOTHING_TO_DO if CHECK_ONLY in argv else 0
            if CHECK_ONLY in argv:
                return 0
            run_directory = RunDirectory.open(inputs.run_dir, workspace)
        except InputError:
            if BEFORE in argv:
                return 0  # left to the second call, which has the outputs
            raise
        run = _Run(console, workspace, run_directory, inputs.slug)
        return run.run(steps, json.loads(done or "{}"), is_first=BEFORE in argv)


def _refuse_flags_of_stages(argv: Sequence[str]) -> None:
    """Say where to set an input of a stage, which people expect here."""
    names = [each.partition("=")[0].removeprefix("--") for each in argv if each.startswith("--")]
    for stage, name in itertools.product(STAGES, names):
        if name in declared(load_stage(stage).inputs) and name not in declared(PipelineInputs):
            hint = f"Write `{name}` into the table `[{stage}]` of `{CONFIG}`."
            raise InputError(f"`--{name}` is an input of {stage}, not of `pipeline`.", hint=hint)


def _planned(inputs: PipelineInputs, workspace: Workspace) -> list[Step]:
    """Plan all stages before any runs. Raises InputError, also if a stage was named and has nothing to do."""
    for name in inputs.stages:
        if name not in STAGES:
            raise unknown(f"{quote(name)} is not a stage", name, STAGES)
    steps: list[Step] = []
    for name in (each for each in STAGES if each in inputs.stages or not inputs.stages):
        awaits_data = any(step.stage.name == DATA and isinstance(step.plan, Plan) for step in steps)
        steps.append(_step(name, inputs, replace(workspace, awaits_data=awaits_data)))
    return steps


def _step(name: str, inputs: PipelineInputs, workspace: Workspace) -> Step:
    stage: Stage[Any, Any, Any] = load_stage(name)
    values: dict[str, object] = {"config": inputs.config, "slug": inputs.slug}
    if name == NOTEBOOKS:
        values["notebooks"] = "\n".join(inputs.notebooks)
        if parameters := inputs.texts.get("parameters", inputs.parameters):
            values["parameters"] = parameters
    given = io.StringIO(json.dumps(values))
    plan = stage.plan(load(stage.inputs, name, [FROM_STDIN], given, workspace.cwd), workspace)
    if isinstance(plan, Nothing) and name in inputs.stages:
        message = f"`stages` contains `{name}`, which has nothing to do: {plan.reason}"
        raise InputError(message, hint=f"Remove `{name}` from `stages`.")
    return Step(stage, values, plan)


class _Run:
    def __init__(self, console: Console, workspace: Workspace, run_directory: RunDirectory, slug: str) -> None:
        self._console = console
        self._workspace = workspace
        self._directory = run_directory
        self._slug = slug
        # What the stages of this chain wrote, read when each ended: a notebook may write into the directory, too.
        self._records: dict[str, Record] = {}
        self._is_changed = False  # whether notebooks have changed what the stages run

    def run(self, steps: Sequence[Step], done: Mapping[str, int], *, is_first: bool) -> int:
        """Run the stages and summarize them. Returns the exit code of the worst.

        The root action calls the chain twice: `is_first` marks the first call. `done` has the exit codes of that call,
        by record name, in the second.
        """
        codes = list(done.values())
        self._records = {name: self._directory.record(name) for name in done}
        guard_imports()
        until = STAGES.index(NOTEBOOKS) if is_first else len(STAGES)
        try:
            for number, step in enumerate(steps[len(done) :], len(done) + 1):
                if STAGES.index(step.stage.name) < until:
                    with self._console.group(f"[{number}/{len(steps)}] {step.stage.name}"):
                        codes.append(self._one(step, codes, steps))
        except Cancelled as cancelled:
            codes.append(cancelled.exit_code)
            is_first = False
        with undisturbed():
            if is_first:
                done = dict(zip(self._records, codes, strict=True))
                self._console.set_outputs({"done": json.dumps(done)} | self._outputs())
            else:
                self._sum_up(worst(codes))
        return worst(codes)

    def _one(self, step: Step, codes: Sequence[int], steps: Sequence[Step]) -> int:
        """Run a stage, or record why it is skipped."""
        failed = [before.stage.name for before, code in zip(steps, codes, strict=False) if code]
        stopped = failed and (step.stage.name != LAST or self._is_changed)
        nothing = step.plan.reason if isinstance(step.plan, Nothing) else ""
        reason = f"Not run, because {failed[0]} failed." if stopped else nothing
        if not reason:
            return self._notebooks(step) if step.stage.name == NOTEBOOKS else self._start(step)
        self._console.progress("Nothing to do." if reason == nothing else reason)  # the plan says why
        self._record(step, "skipped", Problem(severity="notice", message=reason))
        return 0

    def _notebooks(self, step: Step) -> int:
        """Run the notebooks. The chain stops if they change files of notebook-ci, which later stages would run."""
        print_folder = command(NOTEBOOKS, "python", "-c", "import sys; print(sys.prefix)")
        done = run_program(print_folder, env=self._workspace.environ, separate=True, on_line=self._console.progress)
        cache = Path(done.stdout.strip()).parent
        before = own_files.seen(cache)
        code = self._start(step)
        if not (changed := own_files.changed_since(before, cache)):
            return code
        names = listed([str(path) for path in changed], MOST_LISTED)
        error = SurroundingsError(
            f"Files of notebook-ci changed while the notebooks ran: {names}.",
            hint="Find the notebook that writes there, and install notebook-ci again. No later stage runs.",
        )
        self._console.error(error)
        self._is_changed = True
        self._records[next(reversed(self._records))].add(error)
        return error.exit_code

    def _start(self, step: Step) -> int:
        """Run a stage until it ends. It writes its own record."""
        name = self._directory.next_name(step.stage.name, self._slug)
        process = subprocess.Popen(
            ["bash", str(LAUNCHER), FROM_STDIN, step.stage.name],
            env={**self._workspace.environ, **UNHEARD},
            cwd=self._workspace.cwd,
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=POSIX,
        )
        try:
            with contextlib.suppress(OSError):  # it may have ended
                process.communicate(json.dumps({**step.given, "run-dir": str(self._directory.path)}))
        except Cancelled as cancelled:
            with undisturbed():
                # The runner kills all of us in some seconds; until then the stage can save what it has.
                process.send_signal(cancelled.signal_number)
                process.wait()
                self._take(step, name, process.returncode)
            raise
        finally:
            end_tree(process)
        known = self._take(step, name, process.returncode) and process.returncode in MILDEST_FIRST
        return process.returncode if known else SurroundingsError.exit_code

    def _take(self, step: Step, name: str, code: int) -> bool:
        """Read the record of a stage. If it failed to start or was killed, write one for it."""
        try:
            self._records[name] = self._directory.record(name)
        except InputError as error:
            message = f"{step.stage.name} {how_it_ended(code)} and left no record."
            self._record(step, "error", Problem(severity="error", message=message, hint=error.message))
            return code != 0
        return True

    def _record(self, step: Step, status: Status, problem: Problem) -> None:
        name, slug = step.stage.name, self._slug
        record = step.stage.record(stage=name, slug=slug, status=status, started=timestamp(), problems=[problem])
        record.source = describe_source(self._workspace)
        files = self._directory.take(name, slug)
        self._records[files.name] = files.write(record)

    def _sum_up(self, code: int) -> None:
        """Write the outputs and the summary of all stages. Raises OSError if the runner's files cannot be written."""
        records = list(self._records.values())
        skipped = all(record.status == "skipped" for record in records)
        status = {0: "skipped" if skipped else "passed", 1: "failed"}.get(code, "error")
        if records:
            self._console.summarize(summarize(records))
        self._console.set_outputs(self._outputs() | {"status": status, "run-dir": str(self._directory.path)})

    def _outputs(self) -> dict[str, str]:
        return {
            name: record.outputs.get(name, "")
            for record in self._records.values()
            for name, stage in FROM_STAGES.items()
            if stage == record.stage
        }


PIPELINE = Pipeline(name="pipeline", inputs=PipelineInputs, outputs=OUTPUTS)


def usage() -> str:
    """Return how the launcher is called, and the list of stages."""
    stages = [PIPELINE, *map(load_stage, ALL_STAGES)]
    width = max(len(stage.name) for stage in stages)
    listed = "\n".join(f"  {stage.name:<{width}}  {stage.description}" for stage in stages)
    return f"""\
usage: {COMMAND} STAGE [--help] [--plan] [inputs]
       {COMMAND} migrate-suite FILE...
       {COMMAND} infer-requirements
       {COMMAND} --version

Run one stage of notebook-ci, as its action does on a runner. `pipeline` runs all stages.

Stages:
{listed}

`migrate-suite` rewrites Great Expectations suites of 0.x in the form of 1.x.
`infer-requirements` writes requirements.in and requirements.txt from the imports of the notebooks.
--plan shows what a stage would do, without running it.
The workspace is the current folder.
Inputs are flags, or keys in {CONFIG}: see {COMMAND} STAGE --help.
"""


if __name__ == "__main__":
    run_script(PIPELINE)
