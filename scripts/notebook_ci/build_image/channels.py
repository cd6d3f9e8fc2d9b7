"""The packages of conda in an image: what the build installs, and how it reaches the channels."""

from dataclasses import replace
from urllib.parse import urlsplit

from notebook_ci.base.errors import InputError
from notebook_ci.base.masking import learn
from notebook_ci.base.process import LINUX
from notebook_ci.base.texts import quote
from notebook_ci.base.workspace import Workspace
from notebook_ci.build_image.packages import ENVIRONMENT, Packages
from notebook_ci.conda import install
from notebook_ci.conda.install import CondaPlan


def plan(packages: Packages, workspace: Workspace) -> CondaPlan:
    """Raise InputError if the file or conda's settings are wrong, or a package comes from a folder."""
    lock = packages.lock
    planned = install.plan(lock, "", workspace)
    if packages.exported:
        planned = planned.of(packages.exported.urls, lock)
    learn({**planned.variables, **planned.installation.credentials})
    # Builds for another system have other names.
    tested = packages.installed_conda if LINUX else {}
    installation = replace(
        planned.installation,
        constraints=[f"{name} =={build}" for name, build in tested.items()],
        scratch="/build",
        prefix=ENVIRONMENT,
        uses_cache=False,
        reports_activation=True,
    )
    if local := [url for url in (*installation.channels, *installation.urls) if urlsplit(url).scheme == "file"]:
        message = f"{quote(lock.name)} needs {quote(local[0])}, a folder that the build of an image cannot reach."
        raise InputError(message, hint="Use a channel with http or https.", file=lock.name)
    # With these, users name virtual packages that the build does not see, such as CUDA.
    overrides = {name: value for name, value in workspace.environ.items() if name.startswith("CONDA_OVERRIDE_")}
    return replace(planned, installation=installation, variables=overrides | planned.variables)
