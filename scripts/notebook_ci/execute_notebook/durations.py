"""Durations of earlier executions: kept with the runs on a laptop, so that the longest can begin first."""

import contextlib
import json
import math
from collections.abc import Mapping
from functools import cached_property

from notebook_ci.base.context import Context
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_text, write
from notebook_ci.base.private_folder import private_folder

FILE = "durations.json"


class Durations:
    """The durations of a workspace. On a CI runner nothing is known or kept: each job starts with a new workspace."""

    def __init__(self, context: Context) -> None:
        self._cwd = None if context.runner_temp else context.cwd

    @cached_property
    def known(self) -> Mapping[str, float]:
        """Seconds per name of an execution. Entries that cannot be read are left out: this only costs time."""
        with contextlib.suppress(InputError, OSError, ValueError, OverflowError, AttributeError, RecursionError):
            kept = json.loads(read_text(private_folder(self._cwd) / FILE, FILE)) if self._cwd else {}
            return {
                str(name): float(seconds)
                for name, seconds in kept.items()
                if isinstance(seconds, int | float) and math.isfinite(seconds)
            }
        return {}

    def keep(self, seconds: Mapping[str, float]) -> None:
        """Save the durations, if the file can be written: without them, later runs only take longer."""
        if not self._cwd:
            return
        text = json.dumps({**self.known, **seconds}, indent=1, sort_keys=True)
        with contextlib.suppress(InputError, OSError):
            write(private_folder(self._cwd) / FILE, f"{text}\n")
