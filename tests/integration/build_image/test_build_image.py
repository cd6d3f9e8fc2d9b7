"""The stage build-image with a real engine and real registries: what is in an image, what is not, where it goes."""

import base64
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.build_image.images import NOTEBOOK, Image, Repository, record, run, values
from integration.index_server import IndexServer, digest, make_wheel, serve
from integration.planted import encoded, left
from integration.suite import PROJECT, ROOT, Workspace, notebook, wait_until
from notebook_ci.base import indexes
from notebook_ci.build_image.engine import NOISE
from notebook_ci.build_image.entrypoint import HINT
from notebook_ci.build_image.model import LABEL_PREFIX
from notebook_ci.build_image.packages import WORK
from servers.docker import LOGIN, PASSWORD, Engine, Registry

SECRET = "t0p-s3cret"  # noqa: S105 - that is the point
BUILDERS = {"classic": "0", "buildkit": "1"}
UV = str(Path(sys.executable).with_name("uv"))


def builder(name: str) -> dict[str, str | None]:
    return {"DOCKER_BUILDKIT": BUILDERS[name]}


def hashed(*requirements: str) -> str:
    """Return a lock with hashes."""
    command = [
        UV,
        "pip",
        "compile",
        "--quiet",
        "--universal",
        "--generate-hashes",
        "--no-header",
        "--python-version=3.11",
    ]
    text = "\n".join(requirements)
    done = subprocess.run([*command, "-"], input=text, env=uv_environ(), capture_output=True, text=True, check=True)
    return str(done.stdout)


def uv_environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PYTHON"))}


# Where `kernel` was made, uv has byte-code of ipykernel, and setup-env need not compile it.
pytestmark = pytest.mark.usefixtures("kernel")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[IndexServer, str]]:
    """An index that asks for a login, with a package of the house, and a lock with hashes that has it."""
    wheels = tmp_path_factory.mktemp("wheels")
    own = f"inhouse==1.0 --hash=sha256:{digest(make_wheel(wheels, 'inhouse'))}\n"
    with serve(IndexServer(wheels, login=f"team:{SECRET}")) as served:
        yield served, hashed("ipykernel") + own


@pytest.fixture(scope="module", params=BUILDERS)
def built(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    engine: Engine,
    base_image: str,
    house: tuple[IndexServer, str],
) -> tuple[Repository, Image]:
    """An image of a repository with a hashed lock and an index with a login, built after setup-env, by each builder."""
    index, lock = house
    made = Repository(Workspace(tmp_path_factory.mktemp("built")), engine)
    made.settings = {"UV_INDEX": index.url(login=index.login), "DOCKER_BUILDKIT": BUILDERS[request.param]}
    made.workspace.write("requirements.txt", lock)
    made.workspace.write(".gitignore", ".env\n.dvc/cache/\n")
    made.git("remote", "add", "origin", f"https://someone:hidden@example.com/{SECRET}/study.git")
    (made.workspace.folder / NOTEBOOK).chmod(0o600)
    made.commit()
    for private in (".env", ".dvc/cache/files/x", "untracked.csv", ".notebook-ci/runs/x"):
        made.workspace.write(private, "secret")
    made.setup_env()
    engine.run("tag", base_image, "python:3.11-slim")
    # What docker is started with is written down.
    program = made.workspace.base / "programs" / "docker"
    program.unlink()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>"{seen(made)}"\nexec {engine.client} "$@"\n')
    program.chmod(0o755)
    index.asked.clear()
    image = made.built(image=f"study/{request.param}")
    assert image.record["builder"] == request.param
    assert index.asked_for("inhouse-1.0")
    return made, image


def seen(repository: Repository) -> Path:
    """Return the file with the arguments that docker was started with."""
    return repository.workspace.base / "argv"


def test_it_runs_a_notebook_with_a_parameter_as_a_user_of_no_rights(built: tuple[Repository, Image]) -> None:
    _, image = built
    assert image.values("-p", "alpha", "5") == {"alpha": 5, "python": "/opt/environment/bin/python", "user": 1000}
    # In its own folder it may write.
    written = image.shell(f"/opt/papermill/bin/papermill {NOTEBOOK} out.ipynb -k python3 2>&1 && cat out.ipynb")
    assert '\\"alpha\\": 1, ' in written


def test_it_holds_what_setup_env_installed(built: tuple[Repository, Image]) -> None:
    repository, image = built
    assert image.record["packages"] == repository.installed()
    assert image.record["packages"]["inhouse"] == "1.0"
    assert not image.done.annotations("warning")
    assert image.record["base_image"] == "python:3.11-slim"


def test_of_the_workspace_only_what_git_tracks_comes_into_it(built: tuple[Repository, Image]) -> None:
    _, image = built
    files = image.shell(f"cd {WORK} && find . -type f | sort").split()
    assert files == ["./.gitignore", f"./{NOTEBOOK}", "./requirements.txt"]
    assert image.shell(f"stat -c '%a %u' {NOTEBOOK} notebooks").split() == ["644", "1000", "755", "1000"]
    assert "gone" in image.shell("test -e /build || echo gone")


def test_labels_say_where_it_comes_from(built: tuple[Repository, Image]) -> None:
    repository, image = built
    labels = json.loads(repository.engine.run("image", "inspect", image.name))[0]["Config"]["Labels"]
    commit = repository.git("rev-parse", "HEAD")
    assert labels == image.record["labels"]
    assert {name.removeprefix(LABEL_PREFIX): value for name, value in labels.items()} == {
        "base.name": "python:3.11-slim",
        "created": repository.git("show", "--no-patch", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"),
        "revision": commit,
        "source": "https://example.com/***/study",
        "title": image.name.rpartition("/")[2].partition(":")[0],
    }
    assert image.name.endswith(f":{commit}")


def test_credentials_of_an_index_are_nowhere(built: tuple[Repository, Image]) -> None:
    repository, image = built
    told = [
        repository.engine.run("history", "--no-trunc", image.name),
        repository.engine.run("image", "inspect", image.name),
        image.done.log,
        image.done.summary,
        seen(repository).read_text(),
        image.shell("env"),
        *(path.read_text() for path in repository.workspace.runner_temp.rglob("*.json")),
        *(path.read_text() for path in repository.workspace.runner_temp.rglob("Dockerfile")),
    ]
    assert "--build-arg\nUV_INDEX\n" in seen(repository).read_text()
    login = base64.b64encode(f"team:{SECRET}".encode()).decode()
    planted = [login, *encoded(SECRET)]
    assert left({text.encode(): text for text in told}, planted) == {}
    # What the build has added to the base.
    patterns = " ".join(f"-e {shlex.quote(text)}" for text in planted if "\n" not in text)
    assert not image.shell(f"grep -rlsF {patterns} /opt /home /etc /root /tmp /build || true")


def test_only_what_helps_is_logged(built: tuple[Repository, Image]) -> None:
    _, image = built
    assert "pip install" in image.done.log
    assert "Installed " in image.done.log
    assert not [line for line in image.done.log.splitlines() if NOISE.fullmatch(line) and line.strip()]


def test_the_same_commit_gives_the_same_image_and_changes_are_warned_of(built: tuple[Repository, Image]) -> None:
    repository, image = built
    repository.workspace.write(".gitignore", ".env\n.dvc/cache/\nx\nignored.ipynb\n")
    others = [repository.workspace.write(name, "{}") for name in ("notebooks/new.ipynb", "ignored.ipynb")]
    again = repository.built(image=image.record["image"])
    repository.git("checkout", "--", ".gitignore")
    for path in others:
        path.unlink()
    assert again.record["image_id"] == image.record["image_id"]
    changed, untracked = again.done.annotations("warning")
    assert changed.message == (
        f"1 tracked file(s) of the workspace differ from the commit {repository.git('rev-parse', 'HEAD')[:12]} "
        "in the image's label: .gitignore. The image contains the committed files: commit "
        "these, and build again."
    )
    assert untracked.message == "Not in the image, because git does not track them: notebooks/new.ipynb."


def test_of_changes_an_image_of_an_own_dockerfile_has_only_an_untrue_label(repository: Repository) -> None:
    repository.workspace.write("Dockerfile", f"FROM scratch\nCOPY {NOTEBOOK} /\n")
    commit = repository.commit()
    repository.workspace.write(NOTEBOOK, notebook("2"))
    repository.workspace.write("new.ipynb", notebook("3"))
    image = repository.built(image="study/changed", dockerfile="Dockerfile")
    [warning] = image.done.annotations("warning")
    assert warning.message == (
        f"1 tracked file(s) of the workspace differ from the commit {commit[:12]} in the image's label: "
        f"{NOTEBOOK}. Commit them, so that the label is right."
    )


def test_a_changed_notebook_installs_nothing(built: tuple[Repository, Image]) -> None:
    repository, image = built
    repository.workspace.write(NOTEBOOK, notebook("print('{\"changed\": true}')"))
    repository.commit()
    changed = repository.built(image=f"{image.record['image']}-changed")
    assert changed.values() == {"changed": True}
    kept = [before == after for before, after in zip(image.layers, changed.layers, strict=True)]
    assert kept.index(False) == len(("base", "papermill", "environment", "user"))
    assert kept.count(False) == 1
    assert "Installed " not in changed.done.log


def test_the_dockerfile_is_kept(built: tuple[Repository, Image]) -> None:
    repository, image = built
    kept = repository.workspace.runner_temp / "notebook-ci" / image.record["dockerfile"]
    assert image.record["created"].keys() == {image.record["dockerfile"]}
    assert "FROM python:3.11-slim AS tools" in kept.read_text()


# --- Registries


def test_push_and_base_by_digest(repository: Repository, open_registry: Registry, base_image: str) -> None:
    """Without setup-env before: what a notebook needs to run is added, as it would have done."""
    engine, base = repository.engine, f"{open_registry.host}/library/python:3.11"
    engine.run("tag", base_image, base)
    engine.run("push", base)
    engine.run("rmi", base)
    repository.workspace.write("requirements.txt", "six==1.16.0\n")
    repository.commit()
    image = repository.built(image=f"{open_registry.host}/team/study", tags="v1\nlatest", base_image=base, push="true")
    found = image.record
    assert found["pushed"] == ["v1", "latest"]
    assert found["packages"]["six"] == "1.16.0"
    assert found["base_digest"].startswith("sha256:")
    kept = repository.workspace.runner_temp / "notebook-ci" / found["dockerfile"]
    assert f"FROM {base.rpartition(':')[0]}@{found['base_digest']}\n" in kept.read_text()
    assert found["labels"][f"{LABEL_PREFIX}base.digest"] == found["base_digest"]
    assert image.done.outputs["digest"] == found["digest"]
    engine.run("rmi", image.name, f"{open_registry.host}/team/study:latest")
    pinned = f"{open_registry.host}/team/study@{found['digest']}"
    engine.run("pull", pinned)
    assert values(engine, pinned, "-p", "alpha", "7")["alpha"] == 7
    assert json.loads(engine.run("image", "inspect", pinned))[0]["Id"] == found["image_id"]


def test_names_that_registries_do_not_take(repository: Repository, open_registry: Registry) -> None:
    """And a Dockerfile that copies all: with it git's history, but not what `.dockerignore` names."""
    repository.workspace.write("Dockerfile", "FROM scratch\nCOPY . .\n")
    repository.workspace.write(".dockerignore", ".notebook-ci\n")
    repository.commit()
    repository.workspace.write(".notebook-ci/runs/x", "x")
    tags = "feature/x\nfeature-x\nv1+a"
    image = repository.built(image=f"{open_registry.host}/Acme/X", tags=tags, dockerfile="Dockerfile", push="true")
    assert image.name == f"{open_registry.host}/acme/x:feature-x"
    assert image.record["pushed"] == image.record["tags"] == ["feature-x", "v1-a"]
    [notice] = image.done.annotations("notice")
    assert notice.message == (
        f"Changed names that registries do not accept: `{open_registry.host}/Acme/X` to "
        f"`{open_registry.host}/acme/x`, `feature/x` to `feature-x`, `v1+a` to `v1-a`."
    )
    [warning] = image.done.annotations("warning")
    assert warning.place == ("Dockerfile", 2)
    assert re.fullmatch(
        r"`Dockerfile` copies the whole workspace, with `\.git` \(\d+\.\d MB\)\. Add to `\.dockerignore`: `\.git`\.",
        warning.message,
    )
    archive = repository.workspace.base / "image.tar"
    repository.engine.run("save", "--output", archive, image.name)
    assert b".git/HEAD" in archive.read_bytes()


@pytest.mark.parametrize("name", BUILDERS)
def test_own_dockerfile_and_a_registry_with_login(repository: Repository, login_registry: Registry, name: str) -> None:
    repository.workspace.write("images/Dockerfile", f"FROM scratch\nCOPY {NOTEBOOK} /\nLABEL own={name}\n")
    repository.commit()
    inputs = {"image": f"{login_registry.host}/team/{name}", "dockerfile": "images/Dockerfile", "push": "true"}
    refused = repository.build(builder(name), **inputs)
    assert refused.code == 3
    [error] = refused.annotations()
    assert "could not be pushed: the registry denies access. Log in first" in error.message
    config = {"DOCKER_CONFIG": str(repository.workspace.base / "docker"), "PATH": os.environ["PATH"]}
    subprocess.run(
        [repository.engine.client, "login", "--username", LOGIN, "--password-stdin", login_registry.host],
        input=PASSWORD,
        env={**repository.engine.environ, **config},
        text=True,
        check=True,
        capture_output=True,
    )
    image = repository.built({**builder(name), "DOCKER_CONFIG": config["DOCKER_CONFIG"]}, **inputs)
    assert image.record["digest"].startswith("sha256:")
    assert image.record["labels"]["own"] == name
    assert image.record["labels"][f"{LABEL_PREFIX}revision"] == repository.git("rev-parse", "HEAD")
    assert image.record["dockerfile"] == "images/Dockerfile"
    assert PASSWORD not in image.done.log


# --- Indexes and locks


KINDS = ["uv.lock", "pylock.toml", "contradicting freeze"]
KINDS += [f"{name} of a package" for name in ("uv.lock", "pyproject.toml", "requirements.txt", "pdm.lock")]


@pytest.mark.parametrize("kind", KINDS)
def test_other_locks(repository: Repository, base_image: str, kind: str) -> None:
    file, _, package = kind.partition(" of a ")
    folder, env = repository.workspace.folder, uv_environ()
    project = PROJECT.format('"ipykernel"')
    if package:
        project += '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        repository.workspace.write("study/__init__.py", "NAME = 'study'\n")
    repository.workspace.write("pyproject.toml", project)
    if file == "uv.lock":
        subprocess.run([UV, "lock", "--quiet"], cwd=folder, env=env, check=True)
    elif file == "pdm.lock":
        index = indexes.read(os.environ, folder).default
        settings = {"PDM_PYPI_URL": index.url} if index else {}
        to_lock = ["bash", str(ROOT / "scripts" / "launch.sh"), "--env", "pdm", "--exec", "pdm", "lock", "--quiet"]
        environ = {name: value for name, value in repository.workspace.environ.items() if value}
        subprocess.run(to_lock, cwd=folder, env={**environ, **settings}, check=True)
        shutil.rmtree(folder / ".venv")
    elif file == "pylock.toml":
        to_lock = [UV, "pip", "compile", "--quiet", "pyproject.toml", "--universal", "--output-file", file]
        subprocess.run(to_lock, cwd=folder, env=env, check=True, capture_output=True)
        (folder / "pyproject.toml").unlink()
    elif file == "contradicting freeze":
        to_freeze = [UV, "pip", "compile", "--quiet", "pyproject.toml", "--python-version=3.11"]
        freeze = subprocess.run(to_freeze, cwd=folder, env=env, check=True, capture_output=True, text=True).stdout
        repository.workspace.write("requirements.txt", re.sub("platformdirs==.*", "platformdirs==2.4.0", freeze))
    elif file == "requirements.txt":
        repository.workspace.write(file, "-e .\r\n".encode("utf-16"))
    repository.commit()
    environment = repository.setup_env()
    if file == "contradicting freeze":
        assert "`jupyter-core` requires `platformdirs>=2.5`, but `2.4.0` is installed" in environment.log
    image = repository.built(builder("buildkit"), image="study/locks", base_image=base_image)
    assert image.record["packages"] == repository.installed()
    assert image.values()["alpha"] == 1
    if package:
        imported = image.shell("cd / && /opt/environment/bin/python -c 'import study; print(study.__file__)'")
        assert imported.strip() == f"{WORK}/study/__init__.py"


# --- No engine, and the end of a job


@pytest.mark.parametrize("name", BUILDERS)
def test_a_cancelled_job_ends_the_build(repository: Repository, base_image: str, name: str) -> None:
    mark = f"RUN echo begun-{os.getpid()} && sleep 67.{os.getpid()}"
    repository.workspace.write("Dockerfile", f"FROM {base_image}\n{mark}\n")
    repository.commit()
    process = repository.workspace.start(
        "build-image",
        {"image": "study/cancelled", "dockerfile": "Dockerfile"},
        environ={**repository.environ, **builder(name)},
    )
    assert wait_until(lambda: sleeping(f"67.{os.getpid()}"))
    process.send_signal(signal.SIGTERM)
    done = repository.workspace.end(process)
    assert done.code == 128 + signal.SIGTERM
    assert record(done)["status"] == "error"
    assert wait_until(lambda: not sleeping(f"67.{os.getpid()}"))
    assert not repository.engine.run("ps", "--all", "--quiet", "--filter", "ancestor=study/cancelled")


def sleeping(seconds: str) -> bool:
    """Return whether a process sleeps that long, in whatever container."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes() == f"sleep\0{seconds}\0".encode():
                return True
        except OSError:
            continue
    return False


def test_without_an_engine_it_can_be_skipped(repository: Repository) -> None:
    repository.workspace.write("requirements.txt", "ipykernel\n")
    repository.commit()
    done = repository.build({"DOCKER_HOST": "unix:///nowhere/docker.sock"}, image="study", if_no_engine="skip")
    assert done.code == 0, done.log
    assert done.outputs["status"] == "skipped"
    [notice] = done.annotations("notice")
    assert notice.message.startswith("No image was built: No Docker engine answers: ")


def attempt(image: Image, output: str, *flags: str) -> "subprocess.CompletedProcess[str]":
    """Run the notebook of an image in a container whose file system is read-only."""
    command = [image.engine.client, "run", "--rm", "--read-only", *flags, image.name, NOTEBOOK, output]
    return subprocess.run(command, env=image.engine.environ, capture_output=True, text=True, check=False)


def test_a_read_only_container(built: tuple[Repository, Image]) -> None:
    repository, image = built
    nowhere = attempt(image, "-")
    assert (nowhere.returncode, nowhere.stdout) == (3, "")
    assert re.fullmatch(
        rf"\npapermill cannot run: .*No usable temporary directory found in .*\. {HINT}\n", nowhere.stderr
    )
    tmpfs = ("--tmpfs", "/tmp")  # noqa: S108 - as advised
    lost = attempt(image, "out.ipynb", *tmpfs)
    assert lost.returncode == 3
    assert f"papermill cannot run: [Errno 30] Read-only file system: 'out.ipynb'. {HINT}" in lost.stderr.splitlines()
    assert "Traceback" not in lost.stderr
    out = repository.workspace.base / "out"
    out.mkdir(mode=0o777)
    out.chmod(0o777)
    written = attempt(image, "/out/x.ipynb", *tmpfs, "--volume", f"{out}:/out", "--user", "1234")
    assert written.returncode == 0, written.stderr
    assert '\\"alpha\\": 1, ' in (out / "x.ipynb").read_text()
    done = attempt(image, "-", *tmpfs)
    assert done.returncode == 0, done.stderr
    assert '\\"alpha\\": 1, ' in done.stdout


def test_a_container_leaves_nothing(built: tuple[Repository, Image]) -> None:
    repository, image = built
    assert run(repository.engine, image.name, "--version", flags=()).strip()
    assert not repository.engine.run("ps", "--all", "--quiet", "--filter", f"ancestor={image.name}")
    assert not [left for left in repository.workspace.leftovers() if left.startswith("notebook-ci-image-")]
    shutil.rmtree(repository.workspace.tmp)
