"""Which kernel runs a notebook: ipykernel of the notebooks' Python, or for another language one that Jupyter finds."""

import contextlib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_core.paths import jupyter_path
from traitlets import TraitError

from notebook_ci.errors import CheckFailed
from notebook_ci.execution.interpreter import Interpreter
from notebook_ci.execution.plan import MOST_LISTED
from notebook_ci.inputs import quote
from notebook_ci.notebooks import document
from notebook_ci.notebooks.document import Document
from notebook_ci.texts import listed

_python_command = re.compile(r"python[\d.]*")


@dataclass(frozen=True)
class Kernel:
    """How a kernel is started.

    Attributes:
        name: The name of its specification.
        language: The language of its notebooks.
        argv: Its command; `{connection_file}` stands for a path.
        env: Variables that it gets beside those of all kernels.
        folder: Where its specification is; nothing: it has none.
    """

    name: str
    language: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, hash=False)
    folder: str = ""

    @property
    def is_ipykernel(self) -> bool:
        """Whether it is that of the notebooks' Python, and not one of another language."""
        return not self.folder


def of_python(python: Path) -> Kernel:
    """Return ipykernel of an interpreter."""
    return Kernel("python3", "python", (str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"))


class KernelSpecs:
    """The kernels that are installed, as Jupyter finds them.

    Args:
        interpreter: The notebooks' Python: kernels in its environment count, those beside these tools do not.
    """

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        ours, self._theirs = (
            prefix / "share" / "jupyter" / "kernels" for prefix in (Path(sys.prefix), interpreter.prefix)
        )
        folders = [str(self._theirs) if Path(folder) == ours else folder for folder in jupyter_path("kernels")]
        manager = KernelSpecManager(kernel_dirs=folders, ensure_native_kernel=False)
        self._folders: dict[str, str] = manager.find_kernel_specs()

    def of(self, doc: Document) -> Kernel:
        """Return the kernel of a notebook of another language: the one it names, else the only one of its language.

        Raises:
            CheckFailed: It is not installed, or its specification is broken.
        """
        name, language = document.kernel_name(doc), document.language(doc)
        if name and name.lower() in self._folders:
            try:
                return self._read(name.lower())
            except ValueError as error:
                what = f"The kernel {quote(name)} of {doc.path.as_posix()} cannot be started: {error}."
                raise CheckFailed(what, hint="Install the kernel anew.", file=doc.path) from error
        fitting = [kernel for kernel in self._readable() if kernel.language.lower() == language]
        if len(fitting) != 1:
            raise self._missing(doc, [kernel.name for kernel in fitting])
        return fitting[0]

    def _missing(self, doc: Document, others: Sequence[str]) -> CheckFailed:
        """Return the fault of a notebook whose kernel is not installed.

        Args:
            doc: The notebook.
            others: Names of the kernels of its language that are.
        """
        name, language = document.kernel_name(doc), document.language(doc)
        needed = f"the kernel {quote(name)}" if name else "a kernel"
        which = f" Installed for {language}: {listed(others, MOST_LISTED)}." if others else ""
        return CheckFailed(
            f"{doc.path.as_posix()} needs {needed} for {language}, which is not installed.{which}",
            hint=f"Install it where Jupyter looks, {self._theirs} for one, or leave the notebook out with the input "
            "exclude.",
            file=doc.path,
        )

    def _readable(self) -> Iterator[Kernel]:
        for name in sorted(self._folders):
            with contextlib.suppress(ValueError):
                yield self._read(name)

    def _read(self, name: str) -> Kernel:
        """Read a specification.

        Raises:
            ValueError: It is broken.
        """
        folder = self._folders[name]
        try:
            spec = KernelSpec.from_resource_dir(folder)
        except (OSError, ValueError, TypeError, TraitError) as error:
            raise ValueError(f"{folder}/kernel.json is broken: {error}") from error
        if not spec.argv:
            raise ValueError(f"{folder}/kernel.json has no `argv`")
        argv = [each.replace("{prefix}", str(self._interpreter.prefix)) for each in spec.argv]
        if _python_command.fullmatch(argv[0]):  # jupyter_client takes the Python of the tools for it
            argv[0] = str(self._interpreter.path)
        return Kernel(name, spec.language, tuple(argv), dict(spec.env), folder)
