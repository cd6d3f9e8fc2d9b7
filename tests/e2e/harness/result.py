"""What happened in a run, read from act's log (`act --json --verbose`), one JSON object a line.

Facts about that log, seen with act 0.2.89:
- Skipped steps and jobs are told at the level "debug" only.
- Within a composite action's step come its inner steps, with `stepID: [outer, inner]`. The outer step's declared
  outputs are logged before its result. After its result act reads the last inner step's output and summary files again
  as if they were the outer step's: those outputs are kept apart as `leaked_outputs`, that summary is dropped.
- The result of the legs of a matrix is one: after a failed leg all are told to have failed. A leg that failed by
  itself has logged an error that is no workflow command.
- A last line of output that does not end with a line feed is not logged.
- In the `Post` stage the ids of inner steps are wrong; that stage counts for the log and the job's result only.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import commands
from standins import cache

LEVELS = ("error", "warning", "notice")
Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Annotation:
    """A note that GitHub shows at a file, or at the run.

    Attributes:
        level: error, warning or notice.
        message: The text.
        file: The file, as printed; "" if none.
        line: The line in it, from 1; None if none.
        title: The headline; "" if none.
        properties: All properties, as printed.
    """

    level: str
    message: str
    file: str
    line: int | None
    title: str
    properties: Mapping[str, str]


@dataclass
class Step:
    """A step of a job, or of a composite action.

    Attributes:
        id: Its id; act numbers steps without one from "0", in each composite action anew.
        name: Its name, or what it `uses`, or its script.
        outcome: success, failure or skipped; "unfinished" if act was ended in it.
        conclusion: The same, after `continue-on-error`.
        outputs: Its outputs; those of an action's step are the ones its `action.yml` declares, empty ones included.
        leaked_outputs: Outputs that act alone adds to `steps.<id>.outputs` of an action.
        steps: The steps inside, for a composite action.
    """

    id: str
    name: str = ""
    outcome: str = "unfinished"
    conclusion: str = "unfinished"
    outputs: dict[str, str] = field(default_factory=dict)
    leaked_outputs: dict[str, str] = field(default_factory=dict)
    steps: list["Step"] = field(default_factory=list)
    own_summary: str = ""
    own_annotations: list[Annotation] = field(default_factory=list)
    log_lines: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """What it and the steps inside wrote to their step summaries, Markdown."""
        return self.own_summary + "".join(step.summary for step in self.steps)

    @property
    def annotations(self) -> list[Annotation]:
        """Its annotations and those of the steps inside."""
        return [*self.own_annotations, *(note for step in self.steps for note in step.annotations)]

    @property
    def log(self) -> str:
        """What it and the steps inside printed, masked as GitHub would, workflow commands included."""
        return "\n".join(self.log_lines)

    def step(self, name: str) -> "Step":
        """A step inside, by id or name."""
        return _one(self.steps, name, f"step {self.id}")


@dataclass
class Job:
    """A job, or one leg of a job's matrix.

    Attributes:
        id: The job's id in its workflow.
        name: What act calls it: "workflow/job", with "caller/" before it in a reusable workflow.
        matrix: The leg's values; empty for a job without matrix.
        result: success, failure, skipped or cancelled; "missing" if the job never ran; "unfinished" if act was ended
            in it.
        steps: Its steps, skipped ones included.
    """

    id: str
    name: str = ""
    matrix: Mapping[str, Any] = field(default_factory=dict)
    result: str = "missing"
    steps: list[Step] = field(default_factory=list)
    log_lines: list[str] = field(default_factory=list)
    masked: set[str] = field(default_factory=set)

    @property
    def log(self) -> str:
        """All that its steps printed, masked as GitHub would, workflow commands included."""
        return "\n".join(self.log_lines)

    @property
    def summary(self) -> str:
        """The step summaries of its steps, one after the other, Markdown."""
        return "".join(step.summary for step in self.steps)

    @property
    def headlines(self) -> list[str]:
        """The headlines of the summaries, without links."""
        lines = [line for line in self.summary.splitlines() if line.startswith("### ")]
        return [re.sub(r"\[(.*?)\]\(\S+?\)", r"\1", line) for line in lines]

    @property
    def annotations(self) -> list[Annotation]:
        """The annotations of its steps, in the order of the steps."""
        return [note for step in self.steps for note in step.annotations]

    def step(self, *path: str) -> Step:
        """A step by id or name; with several, a step inside a step: `job.step("run", "install")`.

        Raises:
            LookupError: There is none, or more than one.
        """
        step = _one(self.steps, path[0], f"job {self.id} ({self.result})")
        for name in path[1:]:
            step = step.step(name)
        return step


@dataclass(frozen=True, repr=False)
class Result:
    """What happened in one run.

    Attributes:
        exit_code: act's. Nothing is to be concluded from 0: a run in which all is skipped has it too.
        jobs: The legs of each job by the job's id, in order of their start.
        messages: What act itself had to say, e.g. why it refused a workflow.
        artifacts: The folder with a folder for each artifact of this run.
        cache: What the repository's cache holds after the run, the newest first.
        orphans: The command lines of processes that the run left behind (they are ended by now).
    """

    exit_code: int
    jobs: Mapping[str, list[Job]]
    messages: str
    artifacts: Path
    cache: list[cache.Entry]
    orphans: list[str]

    def job(self, name: str, /, **matrix: object) -> Job:
        """A job by its id; in a called workflow by "caller/id", as GitHub shows it.

        Args:
            name: The id.
            matrix: Values that the leg must have, compared as text; needed where a job has several legs.

        Returns:
            The job; one with the result "missing" if it never ran.

        Raises:
            LookupError: Several jobs fit.
        """
        fitting = [job for job in self.legs(name) if _has_values(job, matrix)]
        if len(fitting) > 1:
            raise LookupError(f"{len(fitting)} jobs fit {name} {matrix}: {[(job.name, job.matrix) for job in fitting]}")
        return fitting[0] if fitting else Job(name, matrix=matrix)

    def legs(self, name: str) -> list[Job]:
        """The legs of a job, in order of their start; a job without matrix is one leg; none if it never ran."""
        caller, _, job_id = name.rpartition("/")
        # act: "caller/workflow/job", where without a caller there is but one slash
        return [job for job in self.jobs.get(job_id, []) if not caller or job.name.startswith(f"{caller}/")]

    @property
    def annotations(self) -> list[Annotation]:
        """The annotations of all jobs."""
        return [note for job in self._all_jobs() for note in job.annotations]

    @property
    def log(self) -> str:
        """What all jobs printed, one job after the other."""
        return "\n".join(job.log for job in self._all_jobs())

    @property
    def masked(self) -> set[str]:
        """The values that are masked in the log: the secrets given, and what jobs asked to mask."""
        return {value for job in self._all_jobs() for value in job.masked}

    def artifact(self, name: str) -> Path:
        """The folder of an artifact.

        Raises:
            LookupError: There is none of that name.
        """
        if not (self.artifacts / name).is_dir():
            raise LookupError(f"no artifact {name}; there are {sorted(path.name for path in self.artifacts.glob('*'))}")
        return self.artifacts / name

    def _all_jobs(self) -> Iterator[Job]:
        for legs in self.jobs.values():
            yield from legs

    def __repr__(self) -> str:
        """The whole run as text, for the message of a failed assertion."""
        parts = [f"act ended with {self.exit_code}", self.messages]
        parts += [f"--- {job.name} {dict(job.matrix)}: {job.result}\n{job.log}" for job in self._all_jobs()]
        return "\n".join(parts)


def read_jobs(entries: Iterable[Entry], secrets: Iterable[str], cancelled_at: int | None) -> dict[str, list[Job]]:
    """Read the entries of act's log.

    Args:
        entries: In the order they were written.
        secrets: Values to mask from the start.
        cancelled_at: How many entries there were when the run was cancelled; None if it was not.
    """
    masks = {part for secret in secrets for part in _mask_parts(secret)}
    readers: dict[str, _JobReader] = {}
    for index, entry in enumerate(entries):
        if "jobID" not in entry:
            continue
        key = json.dumps([entry["job"].strip(), entry.get("matrix")], sort_keys=True, default=str)
        if key not in readers:
            readers[key] = _JobReader(entry, masks, index)
        readers[key].read(entry)
        if "jobResult" in entry and cancelled_at is not None and readers[key].started_at < cancelled_at <= index:
            # act knows success and failure only
            readers[key].job.result = "cancelled"
    jobs: dict[str, list[Job]] = {}
    for reader in readers.values():
        jobs.setdefault(reader.job.id, []).append(reader.job)
    return jobs


class _JobReader:
    """Builds one job from its entries."""

    def __init__(self, entry: Entry, masks: set[str], started_at: int) -> None:
        self.job = Job(entry["jobID"], entry["job"].strip(), entry.get("matrix") or {}, masked=set(masks))
        self.started_at = started_at
        self._failed = False
        self._stopped: dict[tuple[str, ...], str] = {}
        self._forgiven: set[tuple[str, ...]] = set()

    def read(self, entry: Entry) -> None:
        path = tuple(entry.get("stepID", ()))
        if entry.get("step") == "Set up job":
            self.job.result = "unfinished"
        if "jobResult" in entry:
            self._read_job_result(entry["jobResult"])
        elif "raw_output" in entry:
            self._read_line(path, entry, entry["msg"])
        elif "raw" in entry:
            self._read_line(path, entry, entry["raw"])
        elif entry.get("level") == "error" and len(path) <= 1:
            self._failed = True
        if entry.get("stage") == "Main" and path:
            self._read_step(self._step(path), path, entry)

    def _read_job_result(self, result: str) -> None:
        told_for_another_leg = result == "failure" and self.job.matrix and not self._failed
        self.job.result = "success" if told_for_another_leg else result

    def _read_step(self, step: Step, path: tuple[str, ...], entry: Entry) -> None:
        message = entry["msg"]
        if len(path) == 1:
            step.name = entry["step"].strip()
        elif message.startswith("\u2b50 Run Main "):
            step.name = message.removeprefix("\u2b50 Run Main ").strip()
        if message == "Failed but continue next step":
            self._forgiven.add(path)
        if "stepResult" in entry:
            step.outcome = entry["stepResult"]
            step.conclusion = "success" if path in self._forgiven else step.outcome
        match entry.get("command"):
            case "set-output" if "name" in entry:
                leaked = bool(step.steps) and step.outcome != "unfinished"
                (step.leaked_outputs if leaked else step.outputs)[entry["name"]] = entry["arg"]
            case "summary" if not step.steps:
                step.own_summary = self._mask(entry["content"])

    def _step(self, path: tuple[str, ...]) -> Step:
        steps, step = self.job.steps, None
        for identifier in path:
            step = next((step for step in steps if step.id == identifier), None)
            if step is None:
                step = Step(identifier)
                steps.append(step)
            steps = step.steps
        assert step is not None
        return step

    def _read_line(self, path: tuple[str, ...], entry: Entry, raw: str) -> None:
        line = raw.removesuffix("\n").removesuffix("\r")
        command = self._obeyed(path, commands.parse(line))
        if command and command.name == "add-mask":
            self.job.masked.update(_mask_parts(command.data))
        masked = self._mask(line)
        self.job.log_lines.append(masked)
        if entry.get("stage") != "Main":
            return
        for length in range(1, len(path) + 1):
            self._step(path[:length]).log_lines.append(masked)
        if command and command.name in LEVELS:
            self._step(path).own_annotations.append(self._annotation(command))

    def _obeyed(self, path: tuple[str, ...], command: commands.Command | None) -> commands.Command | None:
        """The command, unless commands are stopped in that step; the token that ends the stop is taken out here."""
        if command is None:
            return None
        if path in self._stopped:
            if command.name == self._stopped[path]:
                del self._stopped[path]
            return None
        if command.name == "stop-commands":
            self._stopped[path] = command.data.lower()
            return None
        return command

    def _annotation(self, command: commands.Command) -> Annotation:
        properties = {name: self._mask(value) for name, value in command.properties.items()}
        line = properties.get("line", "")
        return Annotation(
            level=command.name,
            message=self._mask(command.data),
            file=properties.get("file", ""),
            line=int(line) if line.isdecimal() else None,
            title=properties.get("title", ""),
            properties=properties,
        )

    def _mask(self, text: str) -> str:
        for value in sorted(self.job.masked, key=len, reverse=True):
            text = text.replace(value, "***")
        return text


def _mask_parts(value: str) -> list[str]:
    """A masked value and each of its lines, as the runner does it."""
    return [part for part in (value, *value.splitlines()) if part.strip()]


def _has_values(job: Job, matrix: Mapping[str, object]) -> bool:
    return all(name in job.matrix and str(job.matrix[name]) == str(value) for name, value in matrix.items())


def _one(steps: list[Step], name: str, where: str) -> Step:
    found = [step for step in steps if step.id == name] or [step for step in steps if step.name == name]
    if len(found) != 1:
        there = [(step.id, step.name) for step in steps]
        raise LookupError(f"{len(found)} steps with the id or name {name!r} in {where}; there are {there}")
    return found[0]
