"""Chooses the kernel of a notebook: ipykernel, or for another language an installed kernel that Jupyter finds."""

import contextlib
import functools
import os
import shutil
import sys
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_core.paths import jupyter_path
from traitlets import TraitError

from notebook_ci.base.errors import CheckFailed
from notebook_ci.base.texts import listed, quote
from notebook_ci.environments.interpreter import Interpreter
from notebook_ci.execute_notebook.plan import MOST_LISTED
from notebook_ci.notebooks import document
from notebook_ci.notebooks.document import Document


class KernelSpecs:
    """The installed kernels, as Jupyter finds them.

    Kernels in the interpreter's environment count; those in the tool environment do not.
    """

    def __init__(self, interpreter: Interpreter) -> None:
        argv = [str(interpreter.path), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self._python = KernelSpec(name="python3", display_name="python3", language="python", argv=argv)
        self._interpreter = interpreter
        self._theirs = interpreter.prefix / "share" / "jupyter" / "kernels"

    @functools.cached_property
    def _folders(self) -> dict[str, str]:
        """The folder of each kernel spec, by its name in lower case."""
        ours = Path(sys.prefix) / "share" / "jupyter" / "kernels"
        folders = [str(self._theirs) if Path(folder) == ours else folder for folder in jupyter_path("kernels")]
        readable = [folder for folder in folders if os.access(folder, os.R_OK | os.X_OK)]
        return dict(KernelSpecManager(kernel_dirs=readable, ensure_native_kernel=False).find_kernel_specs())

    def of(self, doc: Document) -> KernelSpec:
        """Return the kernel of a notebook.

        In another language than Python, this is the one it names, else the only one for its language. Raises
        CheckFailed if it is not installed, or its kernel spec is broken.
        """
        if document.is_python(doc):
            return self._python
        name, language = document.kernel_name(doc), document.language(doc)
        if name and name.lower() in self._folders:
            try:
                return self._read(name.lower())
            except ValueError as error:
                what = f"The kernel {quote(name)} of `{doc.path.as_posix()}` cannot be started: {error}."
                raise CheckFailed(what, hint="Reinstall the kernel.", file=doc.path) from error
        fitting: list[KernelSpec] = []
        for installed in sorted(self._folders):
            with contextlib.suppress(ValueError):
                kernel = self._read(installed)
                if kernel.language.lower() == language:
                    fitting.append(kernel)
        if len(fitting) == 1:
            return fitting[0]
        needed = f"the kernel {quote(name)}" if name else "a kernel"
        others = listed([kernel.name for kernel in fitting], MOST_LISTED)
        which = f" Installed for this language: {others}." if fitting else ""
        raise CheckFailed(
            f"`{doc.path.as_posix()}` needs {needed} for {quote(language)}, which is not installed.{which}",
            hint=f"Install it where Jupyter finds it, such as `{self._theirs}`, or add the notebook to `exclude`.",
            file=doc.path,
        )

    def _read(self, name: str) -> KernelSpec:
        """Read a kernel spec; raise ValueError if it is broken."""
        folder = self._folders[name]
        try:
            spec = KernelSpec.from_resource_dir(folder)
        except (OSError, ValueError, TypeError, RecursionError, TraitError) as error:
            raise ValueError(f"`{folder}/kernel.json` is broken: {error}") from error
        texts = [*spec.argv, *spec.env, *spec.env.values()]
        if not all(isinstance(each, str) for each in texts) or not any(spec.argv[:1]):
            raise ValueError(f"`{folder}/kernel.json` is broken: `argv` and `env` must contain text")
        program, *arguments = [each.replace("{prefix}", str(self._interpreter.prefix)) for each in spec.argv]
        spec.name, spec.argv = name, [self._program(program), *arguments]
        return spec

    def _program(self, name: str) -> str:
        """Return the path of a program: for `python3`, jupyter_client would use the Python of the tool environment."""
        python, version = self._interpreter.path, self._interpreter.version.split(".")
        if name in {"python", f"python{version[0]}", f"python{version[0]}.{version[1]}"}:
            return str(python)
        return shutil.which(name, path=f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}") or name
