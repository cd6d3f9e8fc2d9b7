"""The stage build-image: builds an image, checks it and pushes it."""

import json
import os
import platform
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from notebook_ci.base import typed_json
from notebook_ci.base.context import Context
from notebook_ci.base.errors import InputError, NotebookCiError, Problem, SurroundingsError
from notebook_ci.base.files import TMPDIR, read_text, sha256, unwritable
from notebook_ci.base.masking import masked
from notebook_ci.base.plan import Nothing, Plan
from notebook_ci.base.texts import listed, quote
from notebook_ci.base.workspace import Workspace
from notebook_ci.build_image import channels, copied, dockerfile, engine, packages
from notebook_ci.build_image.engine import Docker, NoEngine, Recipe
from notebook_ci.build_image.faults import sentence
from notebook_ci.build_image.model import LABEL_PREFIX, BuildImageInputs, fitted_tag
from notebook_ci.build_image.network import CERTIFICATES, Network
from notebook_ci.build_image.packages import Packages
from notebook_ci.build_image.revision import Revision
from notebook_ci.conda.install import CondaPlan
from notebook_ci.conda.protocol import Solution
from notebook_ci.exporting.export import NEWEST, export
from notebook_ci.records.build_image import BuildImageRecord
from notebook_ci.records.setup_env import SetupEnvRecord
from notebook_ci.tools.installing import DESCRIBE

SCRIPTS = Path(__file__).resolve().parents[2]
REQUIREMENTS = SCRIPTS.parent / "requirements"
CODE = ("notebook_ci/__init__.py", "notebook_ci/base/*.py", "notebook_ci/conda/*.py")  # of the installer of conda
DOCKERFILE = "Dockerfile"
VERSION_FILE = ".python-version"
MOST_NAMED = 5
NO_IMAGE = "`image` of build-image is not set."


@dataclass(frozen=True, kw_only=True)
class ImagePlan(Plan):
    image: str  # its name, as registries accept it
    tags: Sequence[str]  # empty: the commit is the tag
    dockerfile: str  # the user's own, relative to the workspace; empty: one is generated
    is_pushed: bool

    def lines(self) -> Iterator[str]:
        names = [f"{self.image}:{tag}" for tag in self.tags] or [f"{self.image}:<git commit>"]
        yield f"build {', '.join(names)} from {self.dockerfile or 'a generated Dockerfile'}"
        if self.is_pushed:
            yield "push it"


def plan(inputs: BuildImageInputs, workspace: Workspace) -> ImagePlan | Nothing:
    """Decide what is built. Raises InputError."""
    if not inputs.image:
        return Nothing(NO_IMAGE, hint="Set it to a name such as `ghcr.io/team/penguins`.")
    image, tags = inputs.image.lower(), [fitted_tag(tag) for tag in inputs.tags]
    problems, names = [], zip([inputs.image, *inputs.tags], [image, *tags], strict=True)
    if changed := [f"{quote(old)} to {quote(new)}" for old, new in names if old != new]:
        message = f"Changed names that registries do not accept: {listed(changed, MOST_NAMED)}."
        problems.append(Problem(severity="notice", message=message))
    return ImagePlan(
        image=image,
        tags=list(dict.fromkeys(tags)),
        dockerfile=_own_dockerfile(inputs.dockerfile, workspace.cwd),
        is_pushed=inputs.push,
        problems=tuple(problems),
    )


def run(inputs: BuildImageInputs, planned: ImagePlan, context: Context, record: BuildImageRecord) -> None:
    """Build the image, and push it if `push` is set.

    Raises CheckFailed if the Dockerfile or the packages have an error, SurroundingsError if engine, registry or network
    failed.
    """
    context.run_directory.hide_secrets(context.environ)
    revision = Revision.of(context)
    if not (planned.tags or revision.commit):
        hint = "Set `tags`, or commit (on a runner, check out with `actions/checkout`)."
        raise InputError("Without a git commit, the image has no default tag.", hint=hint)
    record.image, record.tags = planned.image, list(planned.tags or [revision.commit])
    labels = _labels(record.image, revision)
    docker = Docker(context.environ, context.console, inputs.timeout)
    generated = None if planned.dockerfile else _generated(inputs, context, revision)
    try:
        version = docker.find()
    except NoEngine as error:
        if inputs.if_no_engine == "fail":
            raise
        record.status = "skipped"
        record.problems.append(Problem(severity="notice", message=f"No image was built: {error.message}"))
        return
    context.console.progress(f"Building `{record.image}:{record.tags[0]}` with the Docker engine {version}")
    with tempfile.TemporaryDirectory(prefix="notebook-ci-image-") as scratch:
        if generated:
            recipe = generated.recipe(context, docker, record, Path(scratch))
        else:
            recipe = _own_recipe(planned.dockerfile, context, record)
        names = [f"{record.image}:{tag}" for tag in record.tags]
        built = docker.build(recipe, names=names, labels={**labels, **recipe.labels})
    record.image_id, record.builder = built
    found = docker.inspect(record.image_id)
    if found is None:
        raise SurroundingsError(f"`{record.image}` was built, but the engine does not have it.")
    record.bytes, record.labels = int(found["Size"]), dict(found["Config"].get("Labels") or {})
    advice = "Commit them, so that the label is right."
    if generated:
        generated.check(context, docker, record)
        advice = "The image contains the committed files: commit these, and build again."
    if changed := revision.changed():
        context.warning(
            f"{len(changed)} tracked file(s) of the workspace differ from the commit {revision.commit[:12]} in the "
            f"image's label: {listed(changed, MOST_NAMED)}. {advice}"
        )
    if generated and (notebooks := revision.untracked_notebooks()):
        context.warning(f"Not in the image, because git does not track them: {listed(notebooks, MOST_NAMED)}.")
    if inputs.push:
        _push(docker, record)


def _own_recipe(name: str, context: Context, record: BuildImageRecord) -> Recipe:
    """Return the build from the user's own Dockerfile; its context is the workspace."""
    path = context.cwd / name
    record.dockerfile, record.read[name] = name, sha256(path)
    line, text = copied.warning(path, context.cwd)
    if text:
        context.warning(f"`{name}` {text}", file=name, line=line)
    return Recipe(context=context.cwd, dockerfile=path, own=name)


@dataclass(frozen=True)
class _GeneratedBuild:
    base: str
    packages: Packages
    conda: CondaPlan | None  # of packages of conda
    network: Network  # how the build reaches the package index, and channels
    revision: Revision  # where the files are taken from

    def recipe(self, context: Context, docker: Docker, record: BuildImageRecord, scratch: Path) -> Recipe:
        named, digest = engine.resolve(docker, self.base)
        record.base_image, record.base_digest = self.base, digest
        lock = self.packages.lock
        kept = context.files.artifacts / DOCKERFILE
        self._stage(scratch, named, digest, kept, {})
        self.revision.archive(scratch / dockerfile.ARCHIVE, packages.FOLDER)
        # The id of an image that is in no registry means nothing elsewhere.
        from_registry = {f"{LABEL_PREFIX}base.digest": digest} if "@" in named else {}
        recipe = Recipe(
            context=scratch,
            dockerfile=scratch / DOCKERFILE,
            lock=lock.name,
            arguments=self.network.arguments,
            secrets={dockerfile.CHANNELS: json.dumps(self.conda.installation.credentials)} if self.conda else {},
            of_host=self.network.of_host,
            labels={f"{LABEL_PREFIX}base.name": self.base, **from_registry},
        )
        if self.conda:
            self._stage(scratch, named, digest, kept, _activation(recipe, docker, context))
        record.read |= {lock.shown(path): sha256(path) for path in lock.files()}
        record.dockerfile = context.files.relative(kept)
        record.created[record.dockerfile] = sha256(kept)
        return recipe

    def _stage(self, folder: Path, base: str, digest: str, kept: Path, variables: Mapping[str, str]) -> None:
        """Write the build context, which contains only what the Dockerfile copies. Keep the Dockerfile."""
        note = f"{self.base}, which has no digest of a registry: {digest}" if "@" not in base else self.base
        arguments, certificates = sorted(self.network.arguments), self.network.certificates
        text = dockerfile.text(base, note, self.packages, arguments, variables, certificates=bool(certificates))
        locks = [dockerfile.UV_LOCK, dockerfile.PAPERMILL_LOCK, *([dockerfile.CONDA_LOCK] if self.conda else [])]
        texts = {
            DOCKERFILE: text,
            dockerfile.KERNEL: dockerfile.KERNEL_SPEC,
            dockerfile.ENTRYPOINT: read_text(Path(__file__).with_name(dockerfile.ENTRYPOINT), dockerfile.ENTRYPOINT),
            CERTIFICATES: certificates,
            **{f"{dockerfile.REQUIREMENTS}/{name}": text for name, text in self.packages.texts().items()},
        }
        if self.conda:
            # Without the credentials, for which nothing is installed again.
            texts[dockerfile.CONDA_ORDER] = json.dumps(asdict(replace(self.conda.installation, credentials={})))
            names = [path.relative_to(SCRIPTS).as_posix() for pattern in CODE for path in SCRIPTS.glob(pattern)]
            texts |= {f"{dockerfile.CODE}/{name}": read_text(SCRIPTS / name, name) for name in names}
        try:
            for name, content in (texts | {name: read_text(REQUIREMENTS / name, name) for name in locks}).items():
                _write(folder, name, content)
            kept.write_text(text, encoding="utf-8")
        except OSError as error:
            raise unwritable("The files for the build cannot be written", folder, error, TMPDIR) from error

    def check(self, context: Context, docker: Docker, record: BuildImageRecord) -> None:
        """Start the environment's Python, and warn if it differs from the environment the notebooks ran in."""
        done = docker.run(record.image_id, packages.PYTHON, "-I", "-c", DESCRIBE)
        try:
            found = json.loads(done.stdout)
        except ValueError as error:
            said = sentence(done.output.strip()[-500:] or "no output")
            raise SurroundingsError(f"The image was built, but its Python does not start: {said}") from error
        record.python_version, record.packages = found["version"], found["packages"]
        record.conda_packages = found["conda"]
        tested = self.packages.installed
        pairs = (tested, record.packages), (self.packages.installed_conda, record.conda_packages)
        differing = [
            f"{name} {there.get(name, '(none)')} instead of {version}"
            for expected, there in pairs
            for name, version in expected.items()
            if there.get(name) != version
        ]
        if tested and _minor(record.python_version) != _minor(self.packages.python_version):
            differing.insert(0, f"Python {record.python_version} instead of {self.packages.python_version}")
        if differing:
            context.warning(
                "The image's environment differs from the one that the notebooks ran in: "
                f"{listed(differing, MOST_NAMED)}. Set `base-image` to one with the same Python and platform."
            )


def _activation(recipe: Recipe, docker: Docker, context: Context) -> dict[str, str]:
    """Return the variables of an activated environment of conda, which is built first."""
    with tempfile.TemporaryDirectory(prefix="notebook-ci-image-") as folder:
        docker.export(recipe, dockerfile.INSTALLED, Path(folder))
        reply = json.loads(read_text(Path(folder, dockerfile.REPLY), dockerfile.REPLY))
        found = typed_json.from_json(Solution, reply).activation
    usable = {name: value for name, value in found.items() if re.fullmatch(r"\w+", name) and value.isprintable()}
    kept = {name: value for name, value in usable.items() if masked(value) == value}
    if left_out := sorted(found.keys() - kept.keys()):
        names = listed(list(map(quote, left_out)), MOST_NAMED)
        context.warning(f"The image does not set {names}: the value has several lines, or contains a credential.")
    return kept


def _generated(inputs: BuildImageInputs, context: Context, revision: Revision) -> _GeneratedBuild:
    """Return the build from a generated Dockerfile, as far as it is known without an engine."""
    if not revision.commit:
        raise InputError(
            f"`{context.cwd}` is not in a git repository with a commit, which defines the files of the image.",
            hint="Commit the notebooks (on a runner, check them out with `actions/checkout`), or set `dockerfile` to "
            "your own Dockerfile.",
        )
    record = context.run_directory.last(SetupEnvRecord, inputs.slug, context)
    found = packages.find(inputs.requirements, record, context.cwd)
    base = inputs.base_image or default_base(found, context.cwd)
    is_conda = found.lock.format.is_conda
    if found.lock.format.tool:
        if inputs.base_image and not (found.python_version or is_conda):
            message = (
                f"`{found.lock.name}` may be for another Python than that of `base-image`, which is not known yet."
            )
            hint = "Run setup-env before build-image in this run, or remove `base-image`."
            raise InputError(message, hint=hint)
        # Of the default base, `python:X.Y-slim`, only X.Y is known.
        python = found.python_version or f"{_minor(base.removeprefix('python:'))}.{NEWEST}"
        found = replace(found, exported=export(found.lock, "" if is_conda else python, context))
    conda = channels.plan(found, context) if is_conda else None
    network = Network.of(context, conda)
    for setting in network.left_out:
        context.warning(f"The build of the image cannot use your {setting} for the package index.")
    return _GeneratedBuild(base, found, conda, network, revision)


def _own_dockerfile(given: str, cwd: Path) -> str:
    """Return the user's Dockerfile relative to the workspace, checked; empty if `dockerfile` is not set."""
    if not given:
        return ""
    path = Path(os.path.normpath(cwd / given))
    hint = "Set `dockerfile` to a path relative to the workspace."
    if not path.is_relative_to(cwd):
        raise InputError(f"`dockerfile` is {quote(given)}, which is outside the workspace.", hint=hint)
    name = path.relative_to(cwd).as_posix()
    if not path.resolve().is_relative_to(cwd.resolve()):
        raise InputError(f"`{name}` is a link to a file outside the workspace.", hint=hint, file=name)
    read_text(path, name, hint=hint)
    return name


def default_base(found: Packages, cwd: Path) -> str:
    """Return the image of the Python that the notebooks ran with, or of the Python that runs this."""
    version = found.python_version
    if found.lock.format.is_conda:
        version = ""  # the environment has its own Python; that of the image is for the tools
    elif not version and (cwd / VERSION_FILE).is_file():
        lines = read_text(cwd / VERSION_FILE, VERSION_FILE).splitlines()
        version = next((line for line in lines if _minor(line)), "")  # others are comments
    return f"python:{_minor(version) or _minor(platform.python_version())}-slim"


def _minor(version: str) -> str:
    """Return `3.12` for `3.12.4`; empty if it is not a version of Python 3."""
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


def _push(docker: Docker, record: BuildImageRecord) -> None:
    """Push each tag. If one fails, the error and the record say which tags the registry already has."""
    for tag in record.tags:
        try:
            record.digest = docker.push(f"{record.image}:{tag}")
        except NotebookCiError as error:
            if record.pushed:
                error.hint = f"{error.hint} Already pushed: {', '.join(map(quote, record.pushed))}.".lstrip()
            raise
        record.pushed.append(tag)


def _write(folder: Path, name: str, text: str) -> None:
    """Write a file with modes that do not depend on the umask: they are part of a layer's digest."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    for above in path.relative_to(folder).parents[:-1]:
        (folder / above).chmod(0o755)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
