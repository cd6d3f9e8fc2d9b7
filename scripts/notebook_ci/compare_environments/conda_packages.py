"""The packages of conda of an environment that has a part of the changed ones."""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from notebook_ci.base.context import Context
from notebook_ci.base.files import read_text
from notebook_ci.base.locks import Lock
from notebook_ci.conda import install as conda
from notebook_ci.records.compare_environments import PackageChange

Installed: TypeAlias = Mapping[str, Mapping[str, Any]]  # by name: the content of the file in `conda-meta`


@dataclass(frozen=True)
class CondaPackages:
    before: Installed  # with `base`
    after: Installed
    lock: Lock
    context: Context

    def exchange(self, prefix: Path, changes: Sequence[PackageChange]) -> dict[str, list[str]]:
        """Install these changes and no others; nothing without conda. Returns misfits: see `conda.exchange`."""
        if not self.before:
            return {}
        kept = exchanged(self.before, self.after, changes)
        # Without the lists of files, which can take megabytes.
        records = [json.dumps({key: each[key] for key in each.keys() - {"files", "paths_data"}}) for each in kept]
        misfits = conda.exchange(self.lock, records, prefix, self.context)
        # The files of two versions may have the same time and size, so that byte-code of one seems to be of the other.
        both = [*self.before.values(), *self.after.values()]
        times = Counter(each["url"] for each in both)
        for file in (each for package in both if times[package["url"]] == 1 for each in package["files"]):
            shutil.rmtree(prefix / Path(file).parent / "__pycache__", ignore_errors=True)
        return misfits


def exchanged(before: Installed, after: Installed, changes: Sequence[PackageChange]) -> list[Mapping[str, Any]]:
    """Return the packages of `base` with these changes and no others."""
    changed = {each.name for each in changes if each.conda}
    kept = [each for name, each in before.items() if name not in changed]
    return [*kept, *(each for name, each in after.items() if name in changed)]


def installed(environment: Path) -> Installed:
    files = sorted(environment.glob("conda-meta/*.json"))
    return {each["name"]: each for each in (json.loads(read_text(path, str(path))) for path in files)}
