"""How long executions took the last time: kept beside the runs of a laptop, so that the longest can begin first."""

import contextlib
import json
import math
from collections.abc import Mapping
from functools import cached_property

from notebook_ci.base.context import Context
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_text, write
from notebook_ci.base.records import private_folder

FILE = "durations.json"


class Durations:
    """The durations of a workspace. A runner begins with a new one each time: there nothing is known, nor kept.

    Args:
        context: The context of the stage.
    """

    def __init__(self, context: Context) -> None:
        self._cwd = None if context.environ.get("RUNNER_TEMP") else context.cwd

    @cached_property
    def known(self) -> Mapping[str, float]:
        """Seconds by the names of executions. What cannot be read is left out: that costs time alone."""
        with contextlib.suppress(InputError, OSError, ValueError, OverflowError, AttributeError, RecursionError):
            told = json.loads(read_text(private_folder(self._cwd) / FILE, FILE)) if self._cwd else {}
            return {
                str(name): float(seconds)
                for name, seconds in told.items()
                if isinstance(seconds, int | float) and math.isfinite(seconds)
            }
        return {}

    def keep(self, seconds: Mapping[str, float]) -> None:
        """Take note of how long executions took. Where that cannot be written, nothing is lost but time."""
        if not self._cwd:
            return
        text = json.dumps({**self.known, **seconds}, indent=1, sort_keys=True)
        with contextlib.suppress(InputError, OSError):
            write(private_folder(self._cwd) / FILE, f"{text}\n")
