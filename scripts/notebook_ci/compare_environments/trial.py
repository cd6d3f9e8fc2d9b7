"""An environment with a part of the changed packages: those of `base`, of which uv and rattler exchange some."""

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base import process
from notebook_ci.base.locks import Lock
from notebook_ci.base.process import Argument
from notebook_ci.base.project import normal_name
from notebook_ci.compare_environments.conda_packages import CondaPackages
from notebook_ci.environments.uv import Uv
from notebook_ci.records.compare_environments import PackageChange

_INDEX_OPTIONS = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links")
# A line of `uv pip check` (0.13), about a package and what it requires.
_MISFIT = re.compile(r"^The package `([\w.-]+)` requires `([\w.-]+).*", re.MULTILINE)


@dataclass
class TrialEnvironment:
    folder: Path
    # Versions by name of all that uv installed in `base`: another Python of conda does not find them.
    packages: Mapping[str, str]
    conda: CondaPackages
    changes: Sequence[PackageChange]  # all
    locks: Sequence[Lock]  # they may name indexes
    uv: Uv
    bad: Callable[[AbstractSet[str]], AbstractSet[str]]  # see `Trial`

    def __post_init__(self) -> None:
        self._python: list[Argument] = ["--python", process.program_in(self.folder)]
        self._usual = self.conda.exchange(self.folder, ()) | self._misfits()  # those of `base` itself

    def install(self, changes: Sequence[PackageChange]) -> Sequence[AbstractSet[str]]:
        """Install these changes. Raises SurroundingsError if a package cannot be installed."""
        misfits = self.conda.exchange(self.folder, changes)
        of_uv = [each for each in self.changes if not each.conda]
        versions = {**self.packages, **{each.name: each.after if each in changes else each.before for each in of_uv}}
        pins = [f"{name}=={version}" for name, version in versions.items() if version]
        unwanted: list[Argument] = [name for name, version in versions.items() if not version]
        lines = [line.text.strip() for lock in self.locks for line in lock.lines()]
        options = [line for line in lines if line.startswith(_INDEX_OPTIONS)]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "requirements.txt"
            file.write_text("\n".join([*options, *pins]), encoding="utf-8")
            what = "The packages between `base` and `head` could not be installed"
            arguments = ["pip", "install", *self._python, "--no-deps", *self.uv.pip.uv_flags(), "--requirements", file]
            self.uv.run(what, arguments)
            if unwanted:
                self.uv.run(what, ["pip", "uninstall", *self._python, *unwanted])
        return [set(names) for what, names in (misfits | self._misfits()).items() if what not in self._usual]

    def _misfits(self) -> dict[str, list[str]]:
        """Return the names of two packages that do not fit together, by the line of uv."""
        output = self.uv.attempt(["pip", "check", *self._python]).output
        return {found[0]: [normal_name(found[1]), normal_name(found[2])] for found in _MISFIT.finditer(output)}
