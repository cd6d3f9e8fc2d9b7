"""The stage build-image: builds, looks at what came out, pushes."""

import json
import os
import platform
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base.context import Context
from notebook_ci.base.errors import InputError, NotebookCiError, SurroundingsError
from notebook_ci.base.files import TMPDIR, read_text, unwritable
from notebook_ci.base.plan import Nothing, Plan
from notebook_ci.base.records import Problem, sha256
from notebook_ci.base.texts import listed, quote
from notebook_ci.base.workspace import Workspace
from notebook_ci.build_image import copied, dockerfile, engine, packages
from notebook_ci.build_image.engine import Docker, NoEngine, Recipe
from notebook_ci.build_image.faults import sentence
from notebook_ci.build_image.model import LABEL_PREFIX, BuildImageInputs, BuildImageRecord, fitted_image, fitted_tag
from notebook_ci.build_image.network import CERTIFICATES, Network
from notebook_ci.build_image.packages import Packages
from notebook_ci.build_image.revision import Revision

REQUIREMENTS = Path(__file__).resolve().parents[3] / "requirements"
DOCKERFILE = "Dockerfile"
VERSION_FILE = ".python-version"
MOST_NAMED = 5
NO_IMAGE = "No image is named: give a name such as ghcr.io/team/penguins with `image` of build-image."
DESCRIBE = """
import json, platform, re
from importlib.metadata import distributions
packages = {re.sub(r"[-_.]+", "-", d.metadata["Name"]).lower(): d.version for d in distributions()}
print(json.dumps({"version": platform.python_version(), "packages": packages}))
"""


@dataclass(frozen=True, kw_only=True)
class ImagePlan(Plan):
    """The image to build.

    Attributes:
        image: Its name, as registries accept it.
        tags: Its tags; none: the commit.
        dockerfile: The user's own, relative to the workspace; empty: one is generated.
        is_pushed: Whether it is pushed.
    """

    image: str
    tags: Sequence[str]
    dockerfile: str
    is_pushed: bool

    def lines(self) -> Iterator[str]:
        """See `Plan.lines`."""
        names = [f"{self.image}:{tag}" for tag in self.tags] or [f"{self.image}, tagged with the commit"]
        yield f"build {', '.join(names)} from {self.dockerfile or 'a generated Dockerfile'}"
        if self.is_pushed:
            yield "push it"


def plan(inputs: BuildImageInputs, workspace: Workspace) -> ImagePlan | Nothing:
    """Decide what is built.

    Raises:
        InputError: An input is wrong.
    """
    if not inputs.image:
        return Nothing(NO_IMAGE)
    image, tags = fitted_image(inputs.image), [*dict.fromkeys(map(fitted_tag, inputs.tags))]
    changed = _changed_names([inputs.image, *inputs.tags], [image, *map(fitted_tag, inputs.tags)])
    own = _own_dockerfile(inputs.dockerfile, workspace.folder)
    return ImagePlan(image=image, tags=tags, dockerfile=own, is_pushed=inputs.push, problems=tuple(changed))


def run(inputs: BuildImageInputs, planned: ImagePlan, context: Context, record: BuildImageRecord) -> None:
    """Build the image, and push it where that is asked for.

    Raises:
        InputError: An input is wrong; nothing was built.
        CheckFailed: What the image is to be made from has a fault.
        SurroundingsError: Engine, registry or network failed.
    """
    revision, own = Revision.of(context.cwd, context.environ), planned.dockerfile
    record.image, record.tags = planned.image, [*(planned.tags or _commit_tag(revision))]
    docker = Docker(context.environ, context.reporter, inputs.timeout)
    build = _OwnBuild(own) if own else _generated(inputs, context, revision)
    try:
        version = docker.find()
    except NoEngine as error:
        if inputs.if_no_engine == "fail":
            raise
        _skip(record, error)
        return
    context.reporter.progress(f"Building {record.image}:{record.tags[0]} with the Docker engine {version}")
    with tempfile.TemporaryDirectory(prefix="notebook-ci-image-") as scratch:
        recipe = build.recipe(context, docker, record, Path(scratch))
        labels = {**_labels(record.image, revision), **recipe.labels}
        _take(docker, record, docker.build(recipe, names=_names(record), labels=labels))
    build.check(context, docker, record)
    build.tell_changes(context, revision)
    if inputs.push:
        _push(docker, record)


@dataclass(frozen=True)
class _OwnBuild:
    """A build from the user's own Dockerfile, whose context is the workspace."""

    dockerfile: str

    def recipe(self, context: Context, _docker: Docker, record: BuildImageRecord, _scratch: Path) -> Recipe:
        """Return what the image is built from."""
        path = context.cwd / self.dockerfile
        record.dockerfile = self.dockerfile
        record.read[self.dockerfile] = sha256(path)
        line, text = copied.warning(path, context.cwd)
        if text:
            context.reporter.warning(f"{self.dockerfile} {text}", file=self.dockerfile, line=line)
        return Recipe(context=context.cwd, dockerfile=path, own=self.dockerfile)

    def check(self, context: Context, docker: Docker, record: BuildImageRecord) -> None:
        """Look at nothing: what is in the image is the user's affair."""

    def tell_changes(self, context: Context, revision: Revision) -> None:
        """Warn of what makes the commit in the image's labels untrue."""
        if differing := _differing(revision):
            context.reporter.warning(f"{differing}. Commit them, so that the label is true.")


@dataclass(frozen=True)
class _GeneratedBuild:
    """A build from the generated Dockerfile.

    Attributes:
        base: The base image that is asked for.
        packages: What the environment holds.
        network: The way to the package index.
        revision: What the files are taken from.
    """

    base: str
    packages: Packages
    network: Network
    revision: Revision

    def recipe(self, context: Context, docker: Docker, record: BuildImageRecord, scratch: Path) -> Recipe:
        """Write down what the image is built from."""
        named, digest = engine.resolve(docker, self.base)
        record.base_image, record.base_digest = self.base, digest
        lock = self.packages.lock
        kept = context.place.artifacts / DOCKERFILE
        self._stage(scratch, named, digest, kept)
        record.read |= {lock.shown(path): sha256(path) for path in lock.files()}
        record.dockerfile = context.place.relative(kept)
        record.made[record.dockerfile] = sha256(kept)
        # The id of an image that comes from no registry says nothing elsewhere.
        from_registry = {f"{LABEL_PREFIX}base.digest": digest} if "@" in named else {}
        return Recipe(
            context=scratch,
            dockerfile=scratch / DOCKERFILE,
            lock=lock.name,
            arguments=self.network.arguments,
            of_host=self.network.of_host,
            labels={f"{LABEL_PREFIX}base.name": self.base, **from_registry},
        )

    def _stage(self, folder: Path, base: str, digest: str, kept: Path) -> None:
        """Write the context: what the Dockerfile copies, and nothing else of the workspace. The Dockerfile is kept."""
        note = f"{self.base}, which no registry has given: {digest}" if "@" not in base else self.base
        plan = dockerfile.Plan(
            base, note, self.packages, sorted(self.network.arguments), bool(self.network.certificates)
        )
        texts = {
            DOCKERFILE: plan.text(),
            dockerfile.KERNEL: dockerfile.KERNEL_SPEC,
            dockerfile.ENTRYPOINT: read_text(Path(__file__).with_name(dockerfile.ENTRYPOINT), dockerfile.ENTRYPOINT),
            CERTIFICATES: self.network.certificates,
            **{name: read_text(REQUIREMENTS / name, name) for name in ("uv.txt", "image.txt")},
            **{f"{dockerfile.REQUIREMENTS}/{name}": text for name, text in self.packages.texts().items()},
        }
        try:
            for name, text in texts.items():
                _write(folder, name, text)
            kept.write_text(texts[DOCKERFILE], encoding="utf-8")
        except OSError as error:
            raise unwritable("The files for the build cannot be written", folder, error, TMPDIR) from error
        self.revision.archive(folder / dockerfile.ARCHIVE, dockerfile.FOLDER)

    def check(self, context: Context, docker: Docker, record: BuildImageRecord) -> None:
        """Start the environment's Python, and say what in it differs from what the notebooks were run with."""
        done = docker.run(record.image_id, packages.PYTHON, "-I", "-c", DESCRIBE)
        try:
            found = json.loads(done.stdout)
        except ValueError as error:
            said = sentence(done.output.strip()[-500:] or "no answer")
            raise SurroundingsError(f"The image was built, but its Python does not start: {said}") from error
        record.python_version, record.packages = found["version"], dict(sorted(found["packages"].items()))
        tested, there = self.packages.installed, record.packages
        differing = [
            f"{name} {there.get(name, '(none)')} instead of {version}"
            for name, version in tested.items()
            if there.get(name) != version
        ]
        if tested and _minor(record.python_version) != _minor(self.packages.python_version):
            differing.insert(0, f"Python {record.python_version} instead of {self.packages.python_version}")
        if differing:
            context.reporter.warning(
                "The image's environment is not the one that the notebooks were run with: "
                f"{listed(differing, MOST_NAMED)}. A base-image with the same Python and platform makes them equal."
            )

    def tell_changes(self, context: Context, revision: Revision) -> None:
        """Warn of what the workspace has, and the image has not."""
        if differing := _differing(revision):
            context.reporter.warning(
                f"{differing}. The image holds them as committed, not as they are here: commit them, and build again."
            )
        if notebooks := revision.untracked_notebooks():
            context.reporter.warning(
                f"Not in the image, because git does not track them: {listed(notebooks, MOST_NAMED)}."
            )


def _generated(inputs: BuildImageInputs, context: Context, revision: Revision) -> _GeneratedBuild:
    """Return the build from a generated Dockerfile, as far as it is known without an engine."""
    if not revision.commit:
        raise InputError(
            f"{context.cwd} is not in a git repository with a commit: git says which files come into the image.",
            hint="Commit the notebooks (on a runner: check them out with actions/checkout), or give a Dockerfile of "
            "your own with the input dockerfile.",
        )
    found = packages.find(inputs.requirements, context.run_directory.last("setup-env", inputs.slug), context.cwd)
    network = Network.of(context.environ, context.cwd)
    for setting in network.left_out:
        context.reporter.warning(f"The build of the image does not get your {setting} for the package index.")
    return _GeneratedBuild(inputs.base_image or default_base(found, context.cwd), found, network, revision)


def _own_dockerfile(given: str, cwd: Path) -> str:
    """Return the user's Dockerfile relative to the workspace, checked; empty: none is given."""
    if not given:
        return ""
    path = Path(os.path.normpath(cwd / given))
    hint = "The input dockerfile takes a path relative to the workspace."
    if not path.is_relative_to(cwd):
        raise InputError(f"dockerfile is {quote(given)}, which lies outside the workspace.", hint=hint)
    name = path.relative_to(cwd).as_posix()
    if not path.resolve().is_relative_to(cwd.resolve()):
        raise InputError(f"{name} is a link to something outside the workspace.", hint=hint, file=name)
    read_text(path, name, hint=hint)
    return name


def _changed_names(given: Sequence[str], fitted: Sequence[str]) -> Iterator[Problem]:
    changed = [f"{quote(old)} is {quote(new)}" for old, new in zip(given, fitted, strict=False) if old != new]
    if changed:
        message = f"Names that registries do not accept were changed: {listed(changed, MOST_NAMED)}."
        yield Problem(severity="notice", message=message)


def _commit_tag(revision: Revision) -> tuple[str]:
    if not revision.commit:
        raise InputError(
            "There is no git commit to name the image after.",
            hint="Give the input tags, or commit (on a runner: check out with actions/checkout).",
        )
    return (revision.commit,)


def default_base(found: Packages, cwd: Path) -> str:
    """Return the image of the Python that the notebooks were run with, or else that this runs with."""
    version = found.python_version
    if not version and (cwd / VERSION_FILE).is_file():
        lines = read_text(cwd / VERSION_FILE, VERSION_FILE).splitlines()
        version = next((line for line in lines if _minor(line)), "")  # others are comments
    return f"python:{_minor(version) or _minor(platform.python_version())}-slim"


def _minor(version: str) -> str:
    """Return `3.12` of `3.12.4`; empty: it is no such version."""
    found = re.match(r"3\.\d+", version.strip())
    return found[0] if found else ""


def _labels(image: str, revision: Revision) -> dict[str, str]:
    labels = {
        "title": image.rpartition("/")[2],
        "revision": revision.commit,
        "source": revision.source(),
        "created": revision.created(),
    }
    return {f"{LABEL_PREFIX}{name}": value for name, value in labels.items() if value}


def _names(record: BuildImageRecord) -> list[str]:
    return [f"{record.image}:{tag}" for tag in record.tags]


def _take(docker: Docker, record: BuildImageRecord, built: engine.Built) -> None:
    """Record what was built."""
    found = docker.inspect(_names(record)[0])
    if found is None:
        raise SurroundingsError(f"{record.image} was built, but the engine does not have it.")
    record.image_id, record.builder = built.image_id, built.builder
    record.bytes = int(found["Size"])
    record.labels = dict(found["Config"].get("Labels") or {})


def _push(docker: Docker, record: BuildImageRecord) -> None:
    """Push each tag. What is there before one fails is recorded, and said."""
    for name, tag in zip(_names(record), record.tags, strict=True):
        try:
            record.digest = docker.push(name)
        except NotebookCiError as error:
            if record.pushed:
                error.hint = f"{error.hint} The registry has these tags already: {', '.join(record.pushed)}.".lstrip()
            raise
        record.pushed.append(tag)


def _skip(record: BuildImageRecord, error: NoEngine) -> None:
    record.status = "skipped"
    record.problems.append(Problem(severity="notice", message=f"No image was built: {error.message}"))


def _differing(revision: Revision) -> str:
    """Say which files are not as the commit in the image's labels has them; nothing where all are."""
    changed = revision.changed() if revision.commit else []
    if not changed:
        return ""
    return (
        f"{len(changed)} tracked file(s) of the workspace differ from the commit {revision.commit[:12]} that the "
        f"image is labelled with: {listed(changed, MOST_NAMED)}"
    )


def _write(folder: Path, name: str, text: str) -> None:
    """Write a file with the same rights for everyone's umask: they are a part of what a layer is known by."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    for above in path.relative_to(folder).parents[:-1]:
        (folder / above).chmod(0o755)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
