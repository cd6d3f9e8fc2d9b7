"""An environment with a part of the changed packages: the packages of `base`, into which uv installs others."""

import re
import tempfile
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base.locks import Lock
from notebook_ci.base.process import Argument
from notebook_ci.base.project import normal_name
from notebook_ci.environments.uv import Uv
from notebook_ci.records.compare_environments import PackageChange

_INDEX_OPTIONS = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links")
# A line of `uv pip check` (0.13), about a package and what it requires.
_MISFIT = re.compile(r"^The package `([\w.-]+)` requires `([\w.-]+).*", re.MULTILINE)


@dataclass
class TrialEnvironment:
    python: Path
    changes: Sequence[PackageChange]  # all
    locks: Sequence[Lock]  # they may name indexes
    uv: Uv
    bad: Callable[[AbstractSet[str]], AbstractSet[str]]  # see `Trial`

    def __post_init__(self) -> None:
        self._usual = set(self._misfits())  # those of `base` itself

    def install(self, changes: Sequence[PackageChange]) -> Sequence[AbstractSet[str]]:
        """Install these changes. Raises SurroundingsError if a package cannot be installed."""
        versions = {each.name: each.after if each in changes else each.before for each in self.changes}
        pins = [f"{name}=={version}" for name, version in versions.items() if version]
        unwanted: list[Argument] = [name for name, version in versions.items() if not version]
        python: list[Argument] = ["--python", self.python]
        lines = [line.text.strip() for lock in self.locks for line in lock.lines()]
        options = [line for line in lines if line.startswith(_INDEX_OPTIONS)]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "requirements.txt"
            file.write_text("\n".join([*options, *pins]), encoding="utf-8")
            what = "The packages between `base` and `head` could not be installed"
            arguments = ["pip", "install", *python, "--no-deps", *self.uv.pip.uv_flags(), "--requirements", file]
            self.uv.run(what, arguments)
            if unwanted:
                self.uv.run(what, ["pip", "uninstall", *python, *unwanted])
        return [{normal_name(name) for name in found[1:]} for found in self._misfits() if found not in self._usual]

    def _misfits(self) -> list[tuple[str, str, str]]:
        """Return what does not fit together: lines of uv, each with the names of two packages."""
        output = self.uv.attempt(["pip", "check", "--python", self.python]).output
        return [(found[0], found[1], found[2]) for found in _MISFIT.finditer(output)]
