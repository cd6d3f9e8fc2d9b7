"""build-image with packages of conda, from a channel on loopback that asks for a login.

Few tests with many assertions: an image takes seconds.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.build_image.images import NOTEBOOK, Image, Repository, run
from integration.index_server import IndexServer, make_wheel, serve
from integration.suite import notebook, parameters
from notebook_ci.build_image import packages
from notebook_ci.environments.uv import Installed
from notebook_ci.setup_env import venv
from notebook_ci.tools.installing import DESCRIBE
from servers.conda import Channel, python
from servers.docker import Engine
from servers.files import serve_files

LOGIN, PASSWORD, TOKEN = "ann", "s3cret-pass", "k3y-of-the-team"
WHO = 'a "$HOME" \\ b'
ENVIRONMENT = f"""\
channels: [local]
dependencies:
  - python
  - geo
  - greet=1
  - fastjson
  - pip:
    - -r more.txt
variables:
  WHO: {WHO}
  TEXT: "two\\nlines"
  GREETING: "hello {TOKEN}"
"""
SHOW = "import fast._json, greet, json, os, sys; print(json.dumps([alpha, sys.prefix, dict(os.environ)]))"
PREFIX = packages.ENVIRONMENT


@dataclass
class Studio:
    """A repository whose channel `local` asks for a login."""

    repository: Repository
    channel: Channel
    base: str

    def image(self, name: str, **inputs: str) -> Image:
        return self.repository.built(None, image=f"study/{name}", base_image=self.base, **inputs)

    def says(self, name: str, text: str, **environ: str) -> tuple[int, str]:
        """Build from another file, without setup-env; return the exit code, and the message of the only error."""
        self.repository.workspace.write(name, text)
        inputs = {"run_dir": str(self.repository.workspace.base / "bad"), "base_image": self.base, "requirements": name}
        done = self.repository.build(dict(environ), image="study/bad", **inputs)
        [error] = done.annotations()
        assert "Traceback" not in done.log
        assert PASSWORD not in done.log
        return done.code, error.message


@pytest.fixture
def base(engine: Engine, base_image: str, tmp_path: Path) -> str:
    """An image in which the Python of the channel finds its library, if it has one: it was not built for a channel."""
    if not any(name.startswith("lib/libpython") for name in python().files):
        return base_image
    dockerfile = tmp_path / "base" / "Dockerfile"
    dockerfile.parent.mkdir()
    dockerfile.write_text(f"FROM {base_image}\nENV LD_LIBRARY_PATH={PREFIX}/lib\n")
    # Another worker removes its own while this one builds from it.
    engine.made.add(name := f"nci-tests/base-of-conda-{os.getpid()}:latest")
    engine.run("build", "--tag", name, dockerfile.parent)
    return name


@pytest.fixture
def studio(repository: Repository, channel_folder: Path, base: str) -> Iterator[Studio]:
    with serve_files(channel_folder) as server:
        server.credentials = f"{LOGIN}:{PASSWORD}"
        alias = server.url.replace("://", f"://{LOGIN}:{PASSWORD}@")
        repository.settings = {"CONDA_CHANNEL_ALIAS": alias, "TEAM_TOKEN": TOKEN}
        repository.workspace.write("environment.yml", ENVIRONMENT)
        repository.workspace.write("more.txt", "ipykernel\n")
        repository.workspace.write(NOTEBOOK, notebook(parameters("alpha = 1"), SHOW))
        repository.commit()
        yield Studio(repository, Channel(server), base)


@pytest.mark.usefixtures("kernel")  # whose packages are then in uv's cache
def test_an_image_has_the_environment_of_setup_env_activated(studio: Studio) -> None:
    repository, server = studio.repository, studio.channel.server
    tested = repository.setup_env().record
    image = studio.image("conda")
    assert image.record["packages"] == tested["packages"]
    assert image.record["conda_packages"] == tested["conda_packages"]
    assert image.record["conda_packages"].keys() == {"python", "geo", "greet", "fastjson"}
    [warning] = image.done.annotations("warning")
    what = "The image does not set `GREETING`, `TEXT`: the value has several lines, or contains a credential."
    assert warning.message == what
    described = run(image.engine, image.name, "-I", "-c", DESCRIBE, flags=("--entrypoint", packages.PYTHON))
    assert venv.digest(Installed(**json.loads(described)), {}) == tested["env_digest"]
    # Kernels, and all other programs
    executed = json.loads(run(image.engine, image.name, NOTEBOOK, "-", "-p", "alpha", "5"))
    alpha, prefix, variables = json.loads(executed["cells"][-1]["outputs"][0]["text"][-1])
    assert (alpha, prefix) == (5, PREFIX)
    expected = {"CONDA_PREFIX": PREFIX, "GEO_DATA": f"{PREFIX}/share/geo", "GEO_PATH": f"{PREFIX}/lib/geo", "WHO": WHO}
    assert {name: variables[name] for name in expected} == expected
    assert variables["PATH"].startswith(f"{PREFIX}/bin:")
    ask = "greet && cat $GEO_DATA/where.txt && python -c 'import os; print(os.environ[\"WHO\"])'"
    assert image.shell(ask).splitlines() == ["hello 1.0", f"{PREFIX}/share/geo", WHO]
    _has_no_credentials(image, repository.workspace.runner_temp / "notebook-ci")
    # A changed notebook installs nothing.
    repository.workspace.write(NOTEBOOK, notebook("print('{\"changed\": true}')"))
    repository.commit()
    server.asked.clear()
    changed = studio.image("conda-changed")
    assert changed.values() == {"changed": True}
    same = [before == after for before, after in zip(image.layers, changed.layers, strict=True)]
    assert (same.count(False), server.asked) == (1, [])


def _has_no_credentials(image: Image, run_directory: Path) -> None:
    engine, name = image.engine, image.name
    told = [engine.run("history", "--no-trunc", name), engine.run("image", "inspect", name), image.done.log]
    told += [each.read_text() for each in run_directory.iterdir() if each.is_file()]
    assert not [each for each in told if PASSWORD in each]
    assert any("RATTLER_AUTH_FILE" in each for each in told), "the Dockerfile is one of them"
    command = ["grep", "--text", "--only-matching", "-e", PASSWORD, "-e", "hello 1[.]0"]
    with subprocess.Popen([engine.client, "save", name], env=engine.environ, stdout=subprocess.PIPE) as saved:
        found = subprocess.run(
            command, stdin=saved.stdout, env={"LC_ALL": "C"}, capture_output=True, text=True, check=True
        )
    assert saved.returncode == 0
    assert set(found.stdout.splitlines()) == {"hello 1.0"}


def test_locks_without_setup_env(studio: Studio, tmp_path: Path) -> None:
    """Their packages need no solving."""
    channel, workspace, stems = studio.channel, studio.repository.workspace, ("python", "greet-2.0", "ipykernel")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel = make_wheel(wheels, "nbone")
    workspace.write("pixi.toml", "[dependencies]\ngreet = '2.*'\n")
    with serve(IndexServer(wheels)) as index:
        of_wheel = wheel, index.url(f"/files/{wheel.name}")
        lock = channel.pixi_lock(stems, *of_wheel)
        texts = {"conda-lock.yml": channel.conda_lock(stems, *of_wheel), "pixi.lock": lock}
        for name, text in {**texts, "list.txt": channel.explicit(*stems)}.items():
            workspace.write(name, text)
            found = studio.image(name.partition(".")[0], requirements=name).record
            conda = {"greet": "2.0 0", "ipykernel": "1.0 0", "python": f"{python().version} 0"}
            own = {"nbone": "1.0"} if name in texts else {}
            assert found["conda_packages"] == conda
            assert found["packages"] == {"greet": "2.0", "ipykernel": "1.0", **own}
    workspace.write("pixi.toml", "[dependencies]\ngreet = '1.*'\n")
    stale = "`pixi.lock` no longer matches its `pixi.toml`. Run `pixi lock`, and commit the new `pixi.lock`."
    assert studio.says("pixi.lock", lock) == (2, stale)


def test_what_cannot_be_built_is_said(studio: Studio) -> None:
    environment = "channels: [local]\ndependencies: [python]\n"
    url, changed = studio.channel.url, f"{studio.channel.explicit('python', 'greet-1.0')[:-3]}00\n"
    cases: list[tuple[str, str, dict[str, str], str]] = [
        ("list.txt", changed, {}, "The package `greet-1.0-0.conda` from the channel differs from the expected one"),
        (
            "environment.yml",
            environment,
            {"CONDA_CHANNEL_ALIAS": url},
            f"The channel requires credentials, or rejects yours: {url}/local/",
        ),
        (
            "environment.yml",
            environment.replace("local", "http://127.0.0.1:9/none"),
            {},
            "The channel cannot be reached: http://127.0.0.1:9/none",
        ),
        (
            "environment.yml",
            environment,
            {"DOCKER_BUILDKIT": "0"},
            "The image could not be built: the Dockerfile needs BuildKit. Unset `DOCKER_BUILDKIT`",
        ),
    ]
    for name, text, environ, message in cases:
        said = studio.says(name, text, **environ)
        assert (said[0], said[1][: len(message)]) == (3, message)
