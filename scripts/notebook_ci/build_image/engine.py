"""The only module that starts the docker command line.

Seen with clients 20.10 and 28.2 and engine 20.10, with the classic builder and BuildKit.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from notebook_ci.base import isolation, process
from notebook_ci.base.console import Console
from notebook_ci.base.errors import InputError, SurroundingsError
from notebook_ci.base.masking import masked
from notebook_ci.base.process import Argument, Completed
from notebook_ci.base.texts import quote, without_users
from notebook_ci.base.worker import PROGRESS, STEP
from notebook_ci.build_image import faults

# For commands that ask only the engine.
ANSWER_SECONDS = 30.0
SETTINGS = {
    "BUILDKIT_PROGRESS": "plain",  # a client with the classic builder refuses `--progress`
    "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",  # with them the digest is that of an index, and differs per build
}
# The engine would not get the image from a builder in a container.
FOREIGN = ("BUILDX_BUILDER",)
_BUILDKIT_BY_DEFAULT = 23  # major version of the first client that uses it; older ones need a variable
# The last line of the classic builder; BuildKit begins each line with the number of a step.
_CLASSIC = re.compile(r"^Successfully built [0-9a-f]+$", re.MULTILINE)
# Shown only if a command fails: digests, times, transfers, progress of layers, uv's list of packages.
NOISE = re.compile(
    r"\s*"
    r"|#\d+ (?:sha256:|DONE|CACHED|\[internal\]|transferring |exporting |writing image |naming to |resolve ).*"
    r"|#\d+ \.\.\."
    r"|(?:#\d+ [\d.]+ )? \+ \S+==\S+"
    r"| ---> .*|Removing intermediate container .*"
    r"|[0-9a-f]{12}: .*"
    rf"|#\d+ [\d.]+ {STEP}.*"
)
# The classic builder colours what a step prints on standard error.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class NoEngine(SurroundingsError):
    """No engine can be used."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What an image is built from."""

    context: Path  # the folder that the Dockerfile copies from
    dockerfile: Path
    own: str = ""  # name of the user's own Dockerfile; empty if it was generated
    lock: str = ""  # what the environment is installed from, if the Dockerfile was generated
    # Build arguments; passed as variables, so that no value is in a command line.
    arguments: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)  # files in `/run/secrets` of steps; need BuildKit
    of_host: bool = False  # whether its steps use the network of the engine's machine
    labels: Mapping[str, str] = field(default_factory=dict)  # additional labels


@dataclass
class Docker:
    environ: Mapping[str, str]  # `DOCKER_HOST`, `DOCKER_CONFIG` and similar variables apply
    console: Console
    timeout: float  # seconds for each fetch, build and push
    program: str = field(init=False, default="")
    _chosen: Mapping[str, str] = field(init=False, default_factory=dict)

    def find(self) -> str:
        """Check that an engine answers, choose the builder, and return the engine's version.

        BuildKit is chosen if docker has it: it is faster, and keeps build arguments out of the history. Raises NoEngine
        if there is no engine, or this user may not use it.
        """
        self.program = shutil.which("docker", path=self.environ.get("PATH")) or ""
        if not self.program:
            hint = "Install Docker (`docker-ce-cli` or `docker.io`), or set `if-no-engine` to `skip`."
            raise NoEngine("The program `docker` is not on PATH.", hint=hint)
        limit = min(ANSWER_SECONDS, self.timeout)
        done = self._run("version", "--format", "{{.Client.Version}} {{.Server.Version}}", timeout=limit, separate=True)
        if done.timed_out:
            raise NoEngine(f"The Docker engine does not answer within {limit:g} s.", hint=faults.HOST_HINT)
        if done.returncode:
            message, hint = faults.no_engine(done.output)
            raise NoEngine(message, hint=hint)
        client, _, server = done.stdout.strip().partition(" ")
        if needs_buildkit_variable(client) and not self.environ.get("DOCKER_BUILDKIT"):  # empty counts as not set
            self._chosen = {"DOCKER_BUILDKIT": "1"}
        return server

    def inspect(self, image: str) -> dict[str, Any] | None:
        """Return what the engine knows about an image; None if it does not have the image."""
        done = self._run("image", "inspect", "--", image, timeout=ANSWER_SECONDS, separate=True)
        return None if done.returncode else dict(json.loads(done.stdout)[0])

    def pull(self, image: str) -> None:
        done = self._stream("pull", "--", image)
        if done.timed_out or done.returncode:
            raise faults.pull(image, done, self.timeout)

    def build(self, recipe: Recipe, *, names: Iterable[str], labels: Mapping[str, str]) -> tuple[str, str]:
        """Build an image, give it `names` with tags, and return its id and the builder (`buildkit` or `classic`).

        Labels are not in the Dockerfile, because a changed label would prevent reuse of its layers.
        """
        with tempfile.TemporaryDirectory(prefix="notebook-ci-image-") as folder:
            iidfile = Path(folder) / "id"
            options: list[Argument] = ["--force-rm", "--iidfile", iidfile]
            options += [part for name in names for part in ("--tag", name)]
            options += [part for name, value in labels.items() for part in ("--label", f"{name}={value}")]
            builder = "classic" if _CLASSIC.search(self._build(recipe, *options)) else "buildkit"
            return iidfile.read_text(encoding="utf-8").strip(), builder

    def export(self, recipe: Recipe, stage: str, folder: Path) -> None:
        """Build a stage, and write its files into a folder. Needs BuildKit."""
        self._build(recipe, "--target", stage, "--output", folder)

    def _build(self, recipe: Recipe, *options: Argument) -> str:
        """Build, and return the output."""
        command: list[Argument] = ["build", *options, "--file", recipe.dockerfile]
        command += ["--network", "host"] if recipe.of_host else []
        command += [part for name in recipe.arguments for part in ("--build-arg", name)]
        command += [part for name in recipe.secrets for part in ("--secret", f"id={name},env={name}")]
        done = self._stream(*command, "--", recipe.context, env={**recipe.arguments, **recipe.secrets})
        if done.timed_out or done.returncode:
            raise faults.build(done, self.timeout, own=recipe.own, lock=recipe.lock)
        return done.output

    def push(self, name: str) -> str:
        """Push an image under one of its names, and return its digest in the registry."""
        done = self._stream("push", "--", name)
        digest = faults.DIGEST.search(done.output)
        if done.timed_out or done.returncode or not digest:
            raise faults.push(name, done, self.timeout)
        return digest[0]

    def run(self, image: str, program: str, *arguments: str) -> Completed:
        """Run a program in a container without network, which is removed afterwards."""
        flags = ("--rm", "--network", "none", "--entrypoint", program)
        return self._run("run", *flags, image, *arguments, timeout=ANSWER_SECONDS * 2, separate=True)

    def _stream(self, *arguments: Argument, env: Mapping[str, str] | None = None) -> Completed:
        """Run docker and show its output without secrets: filtered while it runs, complete if it fails."""
        with self.console.streaming() as write:

            def show(line: str) -> None:
                text = self._shown(line)
                if not NOISE.fullmatch(text):
                    write(text)

            done = self._run(*arguments, timeout=self.timeout, env=env, on_line=show)
        output = self._shown(done.output)
        if done.timed_out or done.returncode:
            self.console.output(output)
        return Completed(done.returncode, output, done.timed_out)

    def _shown(self, text: str) -> str:
        return without_users(masked(_COLOUR.sub("", text).replace(PROGRESS, "")))

    def _run(self, *arguments: Argument, env: Mapping[str, str] | None = None, **more: Any) -> Completed:
        theirs = isolation.for_others(self.environ)
        kept = {name: value for name, value in theirs.items() if name not in FOREIGN}
        try:
            return process.run(
                [self.program, *arguments], env={**kept, **self._chosen, **SETTINGS, **(env or {})}, **more
            )
        except OSError as error:
            raise NoEngine(f"`{self.program}` cannot be started: {error.strerror or error}.") from error


def needs_buildkit_variable(client: str) -> bool:
    """Return whether a client uses BuildKit only if `DOCKER_BUILDKIT` is set."""
    major = client.partition(".")[0]
    return major.isdecimal() and int(major) < _BUILDKIT_BY_DEFAULT


def resolve(docker: Docker, base: str) -> tuple[str, str]:
    """Return how a Dockerfile names a base image, and the image's digest; fetch the image if it is missing.

    An image without a registry's digest keeps its name, because BuildKit does not accept an id as a name.
    """
    if (found := docker.inspect(base)) is None:
        docker.pull(base)
        found = docker.inspect(base)
    if found is None:
        raise SurroundingsError(f"The base image {quote(base)} was fetched, but the engine does not have it.")
    if found.get("Os") not in {"linux", None}:
        raise InputError(f"`base-image` is {quote(base)}, an image for {found['Os']}.", hint="Use one for Linux.")
    digests = [digest for digest in found.get("RepoDigests") or [] if repository(digest) == repository(base)]
    named = digests[0] if digests else base
    return named, named.partition("@")[2] or str(found["Id"])


def repository(name: str) -> str:
    """Return an image name without tag and digest, in the engine's short form."""
    head, slash, last = name.partition("@")[0].rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}".removeprefix("docker.io/").removeprefix("library/")
