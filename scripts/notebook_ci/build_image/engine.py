"""The docker command line: the one place that starts it.

Seen with the clients 20.10 and 28.2 and the engine 20.10, with the classic builder and BuildKit.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from notebook_ci.base import process
from notebook_ci.base.errors import InputError, SurroundingsError
from notebook_ci.base.masking import masked
from notebook_ci.base.process import Argument, Completed
from notebook_ci.base.reporter import Reporter
from notebook_ci.base.texts import quote, without_users
from notebook_ci.build_image import faults

# What asks nothing but the engine.
ANSWER_SECONDS = 30.0
SETTINGS = {
    "BUILDKIT_PROGRESS": "plain",  # `--progress` is refused by a client that builds with the classic builder
    "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",  # with them a digest would be that of an index, and new for each build
}
# Of a builder in a container the engine would not get the image.
FOREIGN = ("BUILDX_BUILDER",)
# From the first of these versions on an engine and a client have BuildKit; from the second a client takes it by itself.
_HAS_BUILDKIT, _TAKES_BUILDKIT = (18, 9), (23, 0)
# What the classic builder prints last; of BuildKit each line begins with the number of a step.
_CLASSIC = re.compile(r"^Successfully built [0-9a-f]+$", re.MULTILINE)
# What is shown where a command fails alone: digests, times, transfers, progress of layers, uv's list of packages.
_NOISE = re.compile(
    r"\s*"
    r"|#\d+ (?:sha256:|DONE|CACHED|\[internal\]|transferring |exporting |writing image |naming to |resolve ).*"
    r"|#\d+ \.\.\."
    r"|(?:#\d+ [\d.]+ )? \+ \S+==\S+"
    r"| ---> .*|Removing intermediate container .*"
    r"|[0-9a-f]{12}: .*"
)
# The classic builder paints what a step prints on standard error.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class NoEngine(SurroundingsError):
    """There is no engine that can be used."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What an image is built from.

    Attributes:
        context: The folder that the Dockerfile copies from.
        dockerfile: The Dockerfile.
        own: Its name where it is the user's own.
        lock: What the environment is installed from, where the Dockerfile was generated.
        arguments: Build arguments: given to docker as variables, so that no value stands in a command line.
        of_host: Whether its steps use the network of the engine's machine.
        labels: Labels that come with it.
    """

    context: Path
    dockerfile: Path
    own: str = ""
    lock: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    of_host: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Built:
    """What a build made.

    Attributes:
        image_id: The image's id.
        builder: `buildkit` or `classic`.
    """

    image_id: str
    builder: str


@dataclass
class Docker:
    """The docker command line.

    Attributes:
        environ: The environment of the step: `DOCKER_HOST`, `DOCKER_CONFIG` and the like count.
        reporter: Takes what is printed.
        timeout: Limit in seconds for fetching, building, pushing.
    """

    environ: Mapping[str, str]
    reporter: Reporter
    timeout: float
    program: str = field(init=False, default="")
    _chosen: Mapping[str, str] = field(init=False, default_factory=dict)

    def find(self) -> str:
        """Make sure that an engine answers, choose the builder, and return the engine's version.

        That is BuildKit where docker has it: it is faster, and keeps build arguments out of the history. A client
        before 23 must be told; `DOCKER_BUILDKIT` of the user counts more.

        Raises:
            NoEngine: There is none, or this user may not use it.
        """
        self.program = shutil.which("docker", path=self.environ.get("PATH")) or ""
        if not self.program:
            raise NoEngine(
                "There is no program `docker` on PATH.",
                hint="Install Docker (`docker-ce-cli` or `docker.io`), or take the stage out with if-no-engine: skip.",
            )
        limit = min(ANSWER_SECONDS, self.timeout)
        done = self._run("version", "--format", "{{.Client.Version}} {{.Server.Version}}", timeout=limit, separate=True)
        if done.timed_out:
            raise NoEngine(f"The Docker engine does not answer within {limit:g} s.", hint=faults.HOST_HINT)
        if done.returncode:
            message, hint = faults.no_engine(done.output)
            raise NoEngine(message, hint=hint)
        client, _, server = done.stdout.strip().partition(" ")
        if needs_telling(client, server) and not self.environ.get("DOCKER_BUILDKIT"):  # empty counts as not set
            self._chosen = {"DOCKER_BUILDKIT": "1"}
        return server

    def inspect(self, image: str) -> dict[str, Any] | None:
        """Return what the engine knows of an image; None: it does not have it."""
        done = self._run("image", "inspect", "--", image, timeout=ANSWER_SECONDS, separate=True)
        return None if done.returncode else dict(json.loads(done.stdout)[0])

    def pull(self, image: str) -> None:
        """Fetch an image.

        Raises:
            NotebookCiError: It cannot be had.
        """
        done = self._stream("pull", "--", image)
        if done.timed_out or done.returncode:
            raise faults.pull(image, done, self.timeout)

    def build(self, recipe: Recipe, *, names: Iterable[str], labels: Mapping[str, str]) -> Built:
        """Build an image.

        Args:
            recipe: What from.
            names: What to name it, with tags.
            labels: Its labels. They are no part of the Dockerfile: that would end the use of its layers.

        Raises:
            NotebookCiError: It could not be built.
        """
        with tempfile.TemporaryDirectory(prefix="notebook-ci-image-") as folder:
            iidfile = Path(folder) / "id"
            command: list[Argument] = ["build", "--force-rm", "--iidfile", iidfile, "--file", recipe.dockerfile]
            command += ["--network", "host"] if recipe.of_host else []
            command += [part for name in names for part in ("--tag", name)]
            command += [part for name, value in labels.items() for part in ("--label", f"{name}={value}")]
            command += [part for name in recipe.arguments for part in ("--build-arg", name)]
            done = self._stream(*command, "--", recipe.context, env=recipe.arguments)
            if done.timed_out or done.returncode:
                raise faults.build(done, self.timeout, own=recipe.own, lock=recipe.lock)
            image_id = iidfile.read_text(encoding="utf-8").strip()
        return Built(image_id, "classic" if _CLASSIC.search(done.output) else "buildkit")

    def push(self, name: str) -> str:
        """Push an image under one of its names, and return its digest at the registry.

        Raises:
            NotebookCiError: The registry does not take it.
        """
        done = self._stream("push", "--", name)
        digest = faults.DIGEST.search(done.output)
        if done.timed_out or done.returncode or not digest:
            raise faults.push(name, done, self.timeout)
        return digest[0]

    def run(self, image: str, program: str, *arguments: str) -> Completed:
        """Run a program in a container without network, which is gone afterwards."""
        flags = ("--rm", "--network", "none", "--entrypoint", program)
        return self._run("run", *flags, image, *arguments, timeout=ANSWER_SECONDS * 2, separate=True)

    def _stream(self, *arguments: Argument, env: Mapping[str, str] | None = None) -> Completed:
        """Run docker, shown while it runs, and in full where it fails; without secrets."""
        with self.reporter.streaming() as write:

            def show(line: str) -> None:
                text = self._shown(line)
                if not is_noise(text):
                    write(text)

            done = self._run(*arguments, timeout=self.timeout, env=env, on_line=show)
        output = self._shown(done.output)
        if done.timed_out or done.returncode:
            self.reporter.output(output)
        return Completed(done.returncode, output, done.timed_out)

    def _shown(self, text: str) -> str:
        return without_users(masked(_COLOUR.sub("", text)))

    def _run(self, *arguments: Argument, env: Mapping[str, str] | None = None, **more: Any) -> Completed:
        theirs = process.for_others(self.environ)
        kept = {name: value for name, value in theirs.items() if name not in FOREIGN}
        try:
            return process.run(
                [self.program, *arguments], env={**kept, **self._chosen, **SETTINGS, **(env or {})}, **more
            )
        except OSError as error:
            raise NoEngine(f"{self.program} cannot be started: {error.strerror or error}.") from error


def is_noise(line: str) -> bool:
    """Return whether a line of docker's helps nobody as long as all goes well."""
    return bool(_NOISE.fullmatch(line))


def needs_telling(client: str, server: str) -> bool:
    """Return whether a client of this version has BuildKit, as the engine has, and does not take it by itself."""
    return _HAS_BUILDKIT <= _version(client) < _TAKES_BUILDKIT and _version(server) >= _HAS_BUILDKIT


def _version(text: str) -> tuple[int, int]:
    """Return major and minor of a version such as `20.10.24+dfsg1`; zeros: it is none."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def resolve(docker: Docker, base: str) -> tuple[str, str]:
    """Return what a Dockerfile is to name a base image, and the digest of that; it is fetched where it is not there.

    An image that no registry has a digest of is named as it is: BuildKit takes no id for a name.

    Raises:
        NotebookCiError: It cannot be had.
    """
    found = docker.inspect(base)
    if found is None:
        docker.pull(base)
        found = docker.inspect(base)
    if found is None:
        raise SurroundingsError(f"The base image {quote(base)} was fetched, and is not there.")
    if found.get("Os") not in {"linux", None}:
        raise InputError(f"base-image is {quote(base)}, an image for {found['Os']}.", hint="Name one for Linux.")
    digests = [digest for digest in found.get("RepoDigests") or [] if same_repository(digest, base)]
    named = digests[0] if digests else base
    return named, named.partition("@")[2] or str(found["Id"])


def same_repository(one: str, other: str) -> bool:
    """Return whether two names of images, with tag or digest or without, are of one repository."""
    return _repository(one) == _repository(other)


def _repository(name: str) -> str:
    """Return the name of an image without tag and digest, as short as the engine has it."""
    name = name.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}".removeprefix("docker.io/").removeprefix("library/")
