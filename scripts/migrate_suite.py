"""The command migrate-suite: rewrites suites of Great Expectations 0.x in the form of 1.x."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from notebook_ci.base.console import Console
from notebook_ci.base.errors import NotebookCiError, together
from notebook_ci.base.files import read_text, unwritable, write
from notebook_ci.base.inputs import StageInputs
from notebook_ci.base.launcher import COMMAND
from notebook_ci.base.load_inputs import CHECK_ONLY
from notebook_ci.base.stage import Command, run_script
from notebook_ci.validate_data import old_suites, suites

DESCRIPTION = (
    "Rewrite suites of Great Expectations 0.x in the form of 1.x. All are checked before the first is written."
)


class Migration(Command[StageInputs]):
    def _main(self, argv: Sequence[str], _environ: Mapping[str, str], _stdin: TextIO, console: Console) -> int:
        parser = argparse.ArgumentParser(prog=f"{COMMAND} {self.name}", description=DESCRIPTION)
        parser.add_argument("files", metavar="FILE", nargs="+", help="A suite, a JSON file.")
        files = parser.parse_args([each for each in argv if each != CHECK_ONLY]).files
        read = [suites.read(Path(file), file) for file in files]
        errors: list[NotebookCiError] = [error for _, wrong in read for error in wrong]
        if errors:
            raise together(errors)
        if CHECK_ONLY in argv:
            return 0
        known = [suite for suite, _ in read if suite]
        if old := [suite for suite in known if suite.is_old]:
            from notebook_ci.validate_data.engine import Engine

            Engine().suites(old)  # raises InputError for what 1.x does not know
        for suite in known:
            if suite.is_old:
                _rewrite(suite.file)
            console.progress(f"{suite.file}: {'rewritten' if suite.is_old else 'already a suite of 1.x'}.")
        return 0


def _rewrite(file: str) -> None:
    path = Path(file).resolve()  # of a link, the file that it names
    try:
        text, mode = old_suites.rewritten(read_text(path, file)), path.stat().st_mode
        write(path, text)
        path.chmod(mode)
    except OSError as error:
        raise unwritable(f"`{file}` cannot be written", path, error) from error


if __name__ == "__main__":
    run_script(Migration(name="migrate-suite", inputs=StageInputs, outputs={}))
