"""The script that runs all stages: for the root action, and for the laptop.

Each stage is started as its own action would start it, so nothing differs but that there is one summary for all.
"""

import io
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from launch import environment_folder, environment_of
from notebook_ci.base.config_file import missed_config
from notebook_ci.base.console import Console
from notebook_ci.base.errors import Cancelled, InputError, worst
from notebook_ci.base.inputs import CONFIG, StageInputs, declared, given, unknown
from notebook_ci.base.launcher import COMMAND
from notebook_ci.base.load_inputs import CHECK_ONLY, FROM_STDIN, NOTHING_TO_DO, PLAN, load
from notebook_ci.base.plan import Nothing, Plan
from notebook_ci.base.signals import undisturbed
from notebook_ci.base.stage import COMMON_OUTPUTS, Command, Stage, run_script, show
from notebook_ci.base.texts import quote
from notebook_ci.base.values import BOOLEAN, GLOBS, LINES, PATH, YAML_MAP
from notebook_ci.base.workspace import Workspace
from notebook_ci.base.yaml12 import Values
from notebook_ci.chain import NOTEBOOKS, REPORT, TESTS, USERS_CODE, Chain, Step
from notebook_ci.records.record import Record
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.stages import ALL_STAGES, STAGES, load_stage
from notebook_ci.summary.of_run import summarize
from notebook_ci.tools.tool import CACHE

ENVIRONMENT, DATA = "setup-env", "dvc-pull"
LEFT_OUT = "!"  # before a name in `stages`
# For the root action, which saves its caches before a notebook can change what is in them: run what comes before the
# notebooks, and go on after that. `DONE` is followed by the output of that name.
BEFORE, DONE = "--before-notebooks", "--done="
# The outputs of stages that the chain has, too.
FROM_STAGES = {
    "env-digest": "setup-env",
    "data-digest": "dvc-pull",
    "executed": "execute-notebook",
    "failed": "execute-notebook",
    "allowed-failures": "execute-notebook",
    "tests": "test-notebook",
    "coverage": "test-notebook",
    "image": "build-image",
    "digest": "build-image",
    "run-id": "log-run",
    "run-url": "log-run",
    "report": "report-run",
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
        f"Stages to run, one per line: {', '.join(f'`{stage}`' for stage in STAGES)}. `!` before a stage leaves it "
        "out: `!build-image`.",
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
    requirements: str = given(
        PATH,
        "File that lists the packages: `requirements` of setup-env.",
        default="",
        shown_default="as in setup-env",
    )
    tests: tuple[str, ...] = given(
        LINES, "Tests to run: `tests` of test-notebook.", default=(), shown_default="as in test-notebook"
    )
    changed_only: bool | None = given(
        BOOLEAN,
        "Run only the notebooks that a change affects: `changed-only` of execute-notebook.",
        default=None,
        shown_default="as in execute-notebook",
    )


class Pipeline(Command[PipelineInputs]):
    def _main(self, argv: Sequence[str], environ: Mapping[str, str], stdin: TextIO, console: Console) -> int:
        workspace = Workspace(Path.cwd(), environ)
        done = "".join(each.removeprefix(DONE) for each in argv if each.startswith(DONE))
        try:
            own = [each for each in argv if each != BEFORE and not each.startswith(DONE)]
            _refuse_flags_of_stages(own)
            inputs, workspace = load(self.inputs, self.name, own, stdin, workspace)
            is_shown = PLAN in argv or not (done or CHECK_ONLY in argv)
            try:
                steps = _planned(inputs, workspace)
            except Exception:
                is_shown = not done  # it may be why
                raise
            finally:
                if is_shown:  # once: a check comes before the run, and the first call before the second
                    console.annotate(missed_config(workspace, inputs.config))
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
        before = json.loads(done or "{}")
        chain = Chain(steps, before, console=console, workspace=workspace, directory=run_directory, slug=inputs.slug)
        return self._run(chain, run_directory, console, workspace, is_first=BEFORE in argv)

    def _run(
        self, chain: Chain, run_directory: RunDirectory, console: Console, workspace: Workspace, *, is_first: bool
    ) -> int:
        """Run the stages and summarize them. Returns the exit code of the worst.

        The root action calls the chain twice: `is_first` marks the first call.
        """
        codes = []
        try:
            chain.run(is_first=is_first)
        except Cancelled as cancelled:
            codes.append(cancelled.exit_code)
            is_first = False
        with undisturbed():
            codes += [each.code for each in chain.ended]
            if is_first:
                done = {each.name: each.code for each in chain.ended}
                console.set_outputs({"done": json.dumps(done)} | _outputs(chain.records))
            else:
                _sum_up(chain.records, worst(codes), run_directory, console, workspace)
        return worst(codes)


def _refuse_flags_of_stages(argv: Sequence[str]) -> None:
    """Say where to set an input of a stage, which people expect here."""
    names = [each.partition("=")[0].removeprefix("--") for each in argv if each.startswith("--")]
    for stage, name in itertools.product(STAGES, names):
        if name in declared(load_stage(stage).inputs) and name not in declared(PipelineInputs):
            hint = f"Write `{name}` into the table `[{stage}]` of `{CONFIG}`."
            raise InputError(f"`--{name}` is an input of {stage}, not of `pipeline`.", hint=hint)


def _planned(inputs: PipelineInputs, workspace: Workspace) -> list[Step]:
    """Plan all stages before any runs. Raises InputError, also if a stage was named and has nothing to do."""
    steps: list[Step] = []
    for name in _chosen(inputs.stages):
        awaits_data = any(step.stage.name == DATA and isinstance(step.plan, Plan) for step in steps)
        steps.append(_step(name, inputs, replace(workspace, awaits_data=awaits_data)))
    return steps


def _chosen(stages: Sequence[str]) -> list[str]:
    """Return the stages to run, in their order. Raises InputError if a name is not a stage, or if no stage is left."""
    for name in (each.removeprefix(LEFT_OUT) for each in stages):
        if name not in STAGES:
            raise unknown(f"{quote(name)} is not a stage", name, STAGES)
    named = [name for name in stages if not name.startswith(LEFT_OUT)] or STAGES
    if chosen := [name for name in STAGES if name in named and f"{LEFT_OUT}{name}" not in stages]:
        return chosen
    raise InputError("`stages` leaves out every stage.", hint=f"Remove a line that starts with `{LEFT_OUT}`.")


def _step(name: str, inputs: PipelineInputs, workspace: Workspace) -> Step:
    stage: Stage[Any, Any, Any] = load_stage(name)
    values: dict[str, object] = {"config": inputs.config, "slug": inputs.slug}
    if name == ENVIRONMENT:
        values["requirements"] = inputs.requirements
    if name in USERS_CODE:
        values["notebooks"] = "\n".join(inputs.notebooks)
    if name == TESTS:
        values["tests"] = "\n".join(inputs.tests)
    if name == NOTEBOOKS:
        if inputs.changed_only is not None:
            values["changed-only"] = inputs.changed_only
        if parameters := inputs.texts.get("parameters", inputs.parameters):
            values["parameters"] = parameters
    given = io.StringIO(json.dumps(values))
    plan = stage.plan(load(stage.inputs, name, [FROM_STDIN], given, workspace)[0], workspace)
    if isinstance(plan, Nothing) and name in inputs.stages:
        message = f"`stages` contains `{name}`, which has nothing to do: {plan.reason}"
        raise InputError(message, hint=f"Remove `{name}` from `stages`.")
    return Step(stage, values, plan, _tools(name, plan))


def _tools(name: str, plan: Plan | Nothing) -> dict[str, str]:
    """Return the folders of the tool environments that a stage needs, by their names."""
    needed = [environment_of(name), plan.environment] if isinstance(plan, Plan) else []
    return {each: environment_folder(str(CACHE), each) for each in needed if each}


def _sum_up(
    records: Sequence[Record], code: int, run_directory: RunDirectory, console: Console, workspace: Workspace
) -> None:
    """Write the outputs and the summary of all stages. Raises OSError if the runner's files cannot be written."""
    skipped = all(record.status == "skipped" for record in records if record.stage != REPORT)
    status = {0: "skipped" if skipped else "passed", 1: "failed"}.get(code, "error")
    console.answer({"status": status, "run_dir": run_directory.path, "records": records})
    if records:
        console.summarize(summarize(records, workspace))
    console.set_outputs(_outputs(records) | {"status": status, "run-dir": str(run_directory.path)})


def _outputs(records: Iterable[Record]) -> dict[str, str]:
    return {
        name: record.outputs.get(name, "")
        for record in records
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
usage: {COMMAND} STAGE [--help] [--plan | --json] [inputs]
       {COMMAND} explain [RUN] [--json]
       {COMMAND} report [RUN] [--open]
       {COMMAND} migrate-suite FILE...
       {COMMAND} infer-requirements
       {COMMAND} --version

Run one stage of notebook-ci, as its action does on a runner. `pipeline` runs all stages.

Stages:
{listed}

`explain` prints why a run failed, where, and how to see it again: by default, the newest run in this folder.
`report` writes the page about a run, by default the newest run in this folder, and opens it with --open.
`migrate-suite` rewrites Great Expectations suites of 0.x in the form of 1.x.
`infer-requirements` writes requirements.in and requirements.txt from the imports of the notebooks.
--plan shows what a stage would do, without running it. --json prints the records as JSON, for programs.
The workspace is the current folder, or --working-directory.
Inputs are flags, or keys in {CONFIG}: see {COMMAND} STAGE --help.
"""


if __name__ == "__main__":
    run_script(PIPELINE)
