"""The command report: writes the page about a run, and opens it."""

import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from notebook_ci.base.console import Console
from notebook_ci.base.errors import SurroundingsError
from notebook_ci.base.files import unwritable, write
from notebook_ci.base.inputs import StageInputs
from notebook_ci.base.load_inputs import CHECK_ONLY, parser_of_run
from notebook_ci.base.stage import Command, run_script
from notebook_ci.base.texts import quote, size
from notebook_ci.base.workspace import Workspace
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.report_run.model import ReportInputs
from notebook_ci.report_run.plan import baseline

DESCRIPTION = (
    "Write `report.html`, the page about a run, into its run directory: also of a downloaded run, and of one that "
    "collect-runs merged. In a workflow, the stage report-run writes the same page."
)


class Report(Command[StageInputs]):
    def _main(self, argv: Sequence[str], environ: Mapping[str, str], _stdin: TextIO, console: Console) -> int:
        parser = parser_of_run(self.name, DESCRIPTION)
        parser.add_argument("--baseline", metavar="RUN", help="Run directory of an earlier run: show what differs.")
        parser.add_argument("--open", action="store_true", help="Open the page in your browser.")
        given = parser.parse_args([each for each in argv if each != CHECK_ONLY])
        workspace = Workspace(Path.cwd(), environ)
        run, earlier = RunDirectory.existing(given.run, workspace), baseline(given.baseline or "", workspace)
        if CHECK_ONLY in argv:
            return 0
        from notebook_ci.report_run.run import make  # needs the tool environment

        page, path = make(run, earlier, ReportInputs().max_size), run.path.resolve() / "report.html"
        try:
            write(path, page.html)
        except OSError as error:
            raise unwritable(f"{quote(str(path))} cannot be written", path, error) from error
        console.annotate(page.problems)
        console.progress(f"Written: {path} ({size(path.stat().st_size)})")
        if given.open and not _opened(path):
            hint = f"Open {quote(str(path))} yourself, or set the variable `BROWSER` to the program."
            raise SurroundingsError("No browser was found.", hint=hint)
        return 0


def _opened(path: Path) -> bool:
    try:
        return webbrowser.open(path.as_uri())
    except webbrowser.Error:
        return False


if __name__ == "__main__":
    run_script(Report(name="report", inputs=StageInputs, outputs={}))
