"""Generates the Dockerfile as plain text that both of docker's builders understand."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from notebook_ci.build_image.network import CERTIFICATES
from notebook_ci.build_image.packages import Packages
from notebook_ci.build_image.revision import UID

HOME = "/home/notebook"
FOLDER = "work"
WORK = f"{HOME}/{FOLDER}"
ARCHIVE = "work.tar"
UV_LOCK = "uv.txt"
PAPERMILL_LOCK = "image.txt"
REQUIREMENTS = "requirements"
KERNEL = "kernel.json"
ENTRYPOINT = "entrypoint.py"
# Every notebook runs in this environment, whatever kernel its metadata name.
KERNEL_NAME = "python3"
KERNEL_SPEC = (
    json.dumps(
        {
            "argv": ["/opt/environment/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": "Python 3",
            "language": "python",
        },
        indent=1,
    )
    + "\n"
)
_UV = "/build/uv/bin/uv"
_PAPERMILL = ("/opt/papermill/bin/python", f"/opt/papermill/{ENTRYPOINT}")


@dataclass(frozen=True)
class Dockerfile:
    base: str  # the base image, as named by `resolve`
    base_note: str  # how the base image was asked for
    packages: Packages
    arguments: Iterable[str]  # names of the build arguments
    certificates: bool  # whether there are certificates to trust

    def text(self) -> str:
        parts = (_head(self.base_note), self._tools(), self._papermill(), self._environment(), self._image())
        return "\n".join("\n".join([*part, ""]) for part in parts)

    def _tools(self) -> list[str]:
        """Return the stage with uv and the settings for the package index."""
        certificates = f"/build/{CERTIFICATES}"
        return [
            f"FROM {self.base} AS tools",
            "USER 0:0",
            f"COPY {UV_LOCK} {CERTIFICATES} /build/" if self.certificates else f"COPY {UV_LOCK} /build/",
            "ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore",
            "ENV UV_NO_CACHE=1 UV_NO_PROGRESS=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never",
            *([f"ENV PIP_CERT={certificates} SSL_CERT_FILE={certificates}"] if self.certificates else []),
            *self._declared(),
            _run(
                "python3 -m venv /build/uv",
                f"/build/uv/bin/pip install --quiet --only-binary :all: --require-hashes -r /build/{UV_LOCK}",
            ),
        ]

    def _papermill(self) -> list[str]:
        install = f"{_UV} pip install --python /opt/papermill/bin/python --compile-bytecode --require-hashes"
        return [
            "# Papermill in an environment of its own, from notebook-ci's lock. Its kernel is the user's environment.",
            "FROM tools AS papermill",
            *self._declared(),
            f"COPY {PAPERMILL_LOCK} /build/",
            _run(
                f"{_UV} venv --quiet --python python3 /opt/papermill",
                f"{install} --only-binary :all: --requirements /build/{PAPERMILL_LOCK}",
            ),
            f"COPY {KERNEL} /opt/papermill/share/jupyter/kernels/{KERNEL_NAME}/{KERNEL}",
            f"COPY {ENTRYPOINT} /opt/papermill/{ENTRYPOINT}",
        ]

    def _environment(self) -> list[str]:
        pins, local = f"/build/{REQUIREMENTS}", self.packages.lock.builds_local_code
        again = "# It has a package that is built from the repository's files: each change of them rebuilds it."
        return [
            f"# The environment of the notebooks, from {self.packages.lock.name}.",
            *([again] if local else []),
            "FROM tools AS environment",
            *self._declared(),
            *([f"ADD {ARCHIVE} {HOME}/"] if local else []),
            f"COPY {REQUIREMENTS}/ {pins}/",
            _run(
                f"{_UV} venv --quiet --python python3 /opt/environment",
                *self.packages.commands(_UV, pins, WORK if local else pins),
            ),
        ]

    def _image(self) -> list[str]:
        return [
            f"FROM {self.base}",
            "USER 0:0",
            "COPY --from=papermill /opt/papermill /opt/papermill",
            "COPY --from=environment /opt/environment /opt/environment",
            "# After them, so that a base image without Python is reported as such, whatever else it lacks.",
            _run(
                f"echo 'notebook:x:{UID}:{UID}:notebook:{HOME}:/bin/sh' >>/etc/passwd",
                f"echo 'notebook:x:{UID}:' >>/etc/group",
                f"mkdir {HOME}",
                f"chown {UID}:{UID} {HOME}",
            ),
            f"ENV HOME={HOME} PATH=/opt/environment/bin:$PATH",
            f"ADD {ARCHIVE} {HOME}/",
            f"WORKDIR {WORK}",
            f"USER {UID}:{UID}",
            f"ENTRYPOINT {json.dumps([*_PAPERMILL, '--kernel', KERNEL_NAME, '--language', 'python'])}",
        ]

    def _declared(self) -> list[str]:
        """Return the declarations of the build arguments; each stage needs its own."""
        return [f"ARG {name}" for name in self.arguments]


def _head(base_note: str) -> list[str]:
    return [
        "# Generated by build-image of notebook-ci. What changes least is first, so that a changed notebook installs",
        "# nothing. From the first three stages, only /opt/papermill and /opt/environment get into the image.",
        f"# The requested base image: {base_note}.",
    ]


def _run(*commands: str) -> str:
    return "RUN " + " \\\n && ".join(commands)
