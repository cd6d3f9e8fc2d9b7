"""The command explain: prints why a run failed, from its records, for scripts and editors."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from notebook_ci.base.console import Console, console
from notebook_ci.base.errors import Failed
from notebook_ci.base.inputs import StageInputs
from notebook_ci.base.launcher import own_command
from notebook_ci.base.load_inputs import JSON, parser_of_run
from notebook_ci.base.stage import Command, run_script
from notebook_ci.base.texts import printable
from notebook_ci.base.workspace import Workspace
from notebook_ci.records.record import Record
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.records.setup_env import SetupEnvRecord
from notebook_ci.records.shards import joined
from notebook_ci.stages import ALL_STAGES
from notebook_ci.summary.of_run import every_failure, in_a_line

DESCRIPTION = (
    "Print each failure of a run: file, line, cell, error, code, traceback, environment, and the command that shows it "
    "again. Only the records of the run are read."
)


class Explain(Command[StageInputs]):
    def _main(self, argv: Sequence[str], environ: Mapping[str, str], _stdin: TextIO, shown: Console) -> int:
        parser = parser_of_run(self.name, DESCRIPTION)
        parser.add_argument(JSON, action="store_true", help="Print JSON.")
        run = RunDirectory.existing(parser.parse_args(argv).run, Workspace(Path.cwd(), environ))
        records = [*joined(run.records()).values(), *run.unfinished()]
        found = [(record, each, _explained(record, each, records)) for record, each in every_failure(records)]
        if shown.document:
            explained = [each for _, _, each in found]
            shown.answer({"run": run.path, "status": "failed" if found else "passed", "failures": explained})
            return 0
        lines = [line for each in found for line in (*_lines(*each), "")] or ["Nothing failed."]
        text = "\n".join(printable(line.expandtabs()) for line in lines)
        console(environ, sys.stdout).output(text.rstrip())  # a runner obeys no command in it
        return 0


def _explained(record: Record, failed: Failed, records: Sequence[Record]) -> dict[str, Any]:
    environments = [each for each in records if isinstance(each, SetupEnvRecord)]
    environment = next((each for each in environments if each.slug == record.slug), None) or next(
        iter(environments), None
    )
    directory = record.source.get("directory", "") if record.source.get("system") else ""  # else, it is this folder
    inputs = [*([("working-directory", directory)] if directory else []), *failed.again]
    flags = "".join(f" --{name} {{}}" for name, _ in inputs)
    return {
        "stage": record.stage,
        "slug": record.slug,
        "subject": failed.subject,
        "cell": failed.cell,
        "part": failed.part,
        "file": failed.file,
        "line": failed.line,
        "code": failed.source,
        "error": failed.why,
        "traceback": failed.details,
        "hint": failed.hint,
        "environment": {
            "python": getattr(record, "python_version", "") or getattr(environment, "python_version", ""),
            "lock": environment.lock_file if environment else "",
        },
        # Others may have written the record.
        "command": own_command(f"{record.stage}{flags}", *(value for _, value in inputs)).strip("`")
        if record.stage in ALL_STAGES
        else "",
    }


def _lines(record: Record, failed: Failed, explained: Mapping[str, Any]) -> Iterator[str]:
    yield in_a_line(record, failed)
    for block in (explained["code"], explained["traceback"]):
        yield from (f"  {line}" for line in block.splitlines())
    python, lock = explained["environment"].values()
    named = {
        "hint": explained["hint"],
        "environment": ", ".join(filter(None, (f"Python {python}" if python else "", lock))),
        "again": explained["command"],
    }
    yield from (f"  {name}: {text}" for name, text in named.items() if text)


if __name__ == "__main__":
    run_script(Explain(name="explain", inputs=StageInputs, outputs={}))
