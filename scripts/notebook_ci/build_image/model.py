"""What build-image takes and gives."""

import re
from dataclasses import dataclass
from functools import partial

from notebook_ci.base.inputs import StageInputs, given
from notebook_ci.base.values import BOOLEAN, LINES, PATH, SECONDS, Kind, choice

OUTPUTS = {
    "image": "Name of the image, with its first tag.",
    "image-id": "ID of the image in the Docker engine: SHA-256 of its configuration.",
    "digest": "Digest of the image in the registry, if it was pushed. `IMAGE@DIGEST` always names this image.",
}
DEFAULT_SECONDS = 1800.0
LONGEST_NAME = 255
# "Pre-Defined Annotation Keys" of the OCI image specification.
LABEL_PREFIX = "org.opencontainers.image."

# "Grammar" in the package `reference` of github.com/distribution/reference, which docker itself uses.
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = rf"(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*"
_BASE = rf"{_NAME}(?::[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
# What names of branches and versions may contain (`git check-ref-format`), except separators of names.
_REF = re.compile(r"(?![.-])[^\s,:~^?*\[\\\x7f]+")


def fitted_tag(name: str) -> str:
    """Return the name of a branch or a version as a tag; empty if a tag may contain none of it."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip(".-")[:128]


def _name(pattern: str, value: object) -> str:
    name = value.strip() if isinstance(value, str) else ""
    if len(name.partition("@")[0]) > LONGEST_NAME or not re.fullmatch(pattern, name):
        raise ValueError
    return name


def _tags(value: object) -> tuple[str, ...]:
    tags = LINES.parse(value)
    if not all(_REF.fullmatch(tag) and fitted_tag(tag) for tag in tags):
        raise ValueError
    return tuple(dict.fromkeys(tags))


IMAGE = Kind(
    "a name without a tag, such as `ghcr.io/team/penguins`: registry (may be left out), then letters, digits and "
    "single `.`, `_`, `-` between them; upper case becomes lower case",
    partial(_name, f"(?ai:{_NAME})"),  # `a`: else some letters beyond ASCII would count as upper case of others
    "NAME",
)
BASE = Kind("an image such as `python:3.12-slim`; tag and digest are optional", partial(_name, _BASE), "NAME")
TAGS = Kind(
    "one tag per line: up to 128 letters, digits, `.`, `_` and `-`, not beginning with `.` or `-`; other characters of "
    "branch names become `-`",
    _tags,
    "TAG",
    many=True,
)


@dataclass(frozen=True, kw_only=True)
class BuildImageInputs(StageInputs):
    """Build a Docker image that runs the notebooks in their environment, and push it."""

    image: str = given(IMAGE, "Name of the image, starting with the host (and port) of its registry.", default="")
    tags: tuple[str, ...] = given(
        TAGS, "Tags of the image.", default=(), shown_default="the full SHA of the git commit"
    )
    dockerfile: str = given(
        PATH,
        "Your own Dockerfile, relative to the workspace. The workspace is the build context.",
        default="",
        shown_default="a generated one",
    )
    base_image: str = given(
        BASE,
        "Base image of the generated Dockerfile: Linux with `python3`, `venv` and pip.",
        default="",
        shown_default="`python:X.Y-slim`, with X.Y from setup-env, else from `.python-version`, else (and for packages "
        "of conda) from the Python that runs notebook-ci",
    )
    requirements: str = given(
        PATH,
        "File that lists the packages for the image, if setup-env was not part of this run.",
        default="",
        shown_default="the file that setup-env used, else found as setup-env finds it",
    )
    push: bool = given(
        BOOLEAN,
        "Push the image to its registry. Log in first, for example with `docker/login-action`.",
        default=False,
    )
    if_no_engine: str = given(
        choice("fail", "skip"),
        "What to do if no Docker engine is available: `fail` or `skip` the stage.",
        default="fail",
    )
    timeout: float = given(
        SECONDS,
        "Seconds for each of these: pulling the base image, building, pushing one tag.",
        default=DEFAULT_SECONDS,
        shown_default=f"{DEFAULT_SECONDS:.0f}",
    )
