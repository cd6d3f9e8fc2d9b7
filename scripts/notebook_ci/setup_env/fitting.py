"""Checks whether installed packages fit together, where nothing was resolved."""

from collections.abc import Iterator
from pathlib import Path

from notebook_ci.base.errors import InputError, Problem
from notebook_ci.base.locks import Lock
from notebook_ci.base.texts import listed, quote
from notebook_ci.environments.uv import Uv

MOST_NAMED = 5
_HINT = (
    "List what the notebooks import in `requirements.in`, run `uv pip compile requirements.in --output-file "
    "pylock.toml`, and commit both files."
)


def check(lock: Lock, python: Path, uv: Uv) -> Iterator[Problem]:
    """Yield a warning of what does not fit. Raises InputError if a list that is installed as it is lacks packages."""
    if not lock.is_unresolved:
        return
    checked = uv.attempt(["pip", "check", "--python", python])  # uv 0.13
    said = [line for line in checked.output.splitlines() if line.startswith("The package")]
    if not lock.as_listed:
        if said:
            message = f"The packages of {quote(lock.name)} do not fit together. {listed(said, MOST_NAMED)}."
            yield Problem(severity="warning", message=message, file=lock.name)
        return
    if missing := [line for line in said if line.endswith("not installed")]:
        message = f"{quote(lock.name)} contradicts itself, and is not complete. {listed(missing, MOST_NAMED)}."
        raise InputError(message, hint=_HINT, file=lock.name)
    message = f"{quote(lock.name)} contradicts itself: its packages are installed as listed, without resolving."
    message += f" {listed(said, MOST_NAMED)}." if said else ""
    yield Problem(severity="warning", message=message, hint=_HINT, file=lock.name)
