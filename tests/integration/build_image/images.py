"""A git repository of notebooks that an image is built from, and what is asked of images."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration.suite import PATH, Done, Workspace, notebook, parameters
from servers.docker import Engine

GIT = ("git", "-c", "user.name=tester", "-c", "user.email=tester@example.com")
NOTEBOOK = "notebooks/report.ipynb"
# Packages are fetched in each build; other tests may take the processor meanwhile.
BUILD_SECONDS = 600
# Says where it runs, and fails where papermill is in its environment.
SOURCE = (
    "import importlib.util, json, os, sys\n"
    "assert importlib.util.find_spec('papermill') is None\n"
    "print(json.dumps({'alpha': alpha, 'python': sys.executable, 'user': os.getuid()}))"
)
CELLS = (parameters("alpha = 1"), SOURCE)


@dataclass
class Repository:
    """A git repository in a workspace.

    Attributes:
        workspace: The workspace.
        engine: The engine that its images are built by.
        settings: Variables that all stages get.
    """

    workspace: Workspace
    engine: Engine
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with a notebook. Of docker the tests' own is on PATH, and nothing else of where it lies."""
        programs = self.workspace.base / "programs"
        programs.mkdir()
        (programs / "docker").symlink_to(self.engine.client)
        self.path = f"{programs}:{PATH}"
        self.workspace.write(NOTEBOOK, notebook(*CELLS))
        self.git("init", "--quiet")

    @property
    def environ(self) -> dict[str, str | None]:
        """What the stage is started with: git's own settings are nobody's."""
        own = {"PATH": self.path, "GIT_CONFIG_GLOBAL": "/dev/null", "GITHUB_SHA": None}
        return {**self.engine.environ, **own, **self.settings}

    def git(self, *arguments: str) -> str:
        command = [*GIT, *arguments]
        return subprocess.run(
            command, cwd=self.workspace.folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self) -> str:
        """Commit all, and return the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "a change", "--date", "2024-05-06T07:08:09Z")
        return self.git("rev-parse", "HEAD")

    def setup_env(self, **inputs: str) -> Done:
        done = self.workspace.run("setup-env", inputs, environ=self.environ)
        assert done.code == 0, done.log
        return done

    def installed(self) -> dict[str, str]:
        """Return what setup-env has installed."""
        record = self.workspace.runner_temp / "notebook-ci" / "setup-env.json"
        return dict(json.loads(record.read_text(encoding="utf-8"))["packages"])

    def build(self, environ: Mapping[str, str | None] | None = None, **inputs: str) -> Done:
        """Run build-image; `base_image` is the input `base-image`."""
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        process = self.workspace.start("build-image", given, environ={**self.environ, **(environ or {})})
        done = self.workspace.end(process, BUILD_SECONDS)
        if done.outputs.get("image-id"):
            kept = record(done)
            self.engine.made.update(f"{kept['image']}:{tag}" for tag in kept["tags"])
        return done

    def built(self, environ: Mapping[str, str | None] | None = None, **inputs: str) -> "Image":
        """Run build-image, which must succeed."""
        done = self.build(environ, **inputs)
        assert done.code == 0, done.log
        return Image(self.engine, done)


@dataclass
class Image:
    """An image that was built.

    Attributes:
        engine: The engine that has it.
        done: How build-image ended.
    """

    engine: Engine
    done: Done

    @property
    def name(self) -> str:
        return self.done.outputs["image"]

    @property
    def record(self) -> dict[str, Any]:
        return record(self.done)

    @property
    def layers(self) -> list[str]:
        """The digests of its layers, the base's first."""
        return list(json.loads(self.engine.run("image", "inspect", self.name))[0]["RootFS"]["Layers"])

    def shell(self, command: str) -> str:
        """Run a command of the shell in it."""
        return run(self.engine, self.name, "-c", command, flags=("--entrypoint", "/bin/sh"))

    def values(self, *arguments: str) -> dict[str, Any]:
        """Run its notebook, and return what that printed."""
        return values(self.engine, self.name, *arguments)


def record(done: Done) -> dict[str, Any]:
    return dict(json.loads(Path(done.outputs["record"]).read_text(encoding="utf-8")))


def run(engine: Engine, image: str, *arguments: str, flags: tuple[str, ...] = ()) -> str:
    """Run a container of an image; returns its standard output."""
    command = [engine.client, "run", "--rm", "--network", "none", *flags, image, *arguments]
    done = subprocess.run(command, env=engine.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def values(engine: Engine, image: str, *arguments: str) -> dict[str, Any]:
    """Run the notebook of an image, and return what that printed."""
    executed = json.loads(run(engine, image, NOTEBOOK, "-", *arguments))
    return dict(json.loads(executed["cells"][-1]["outputs"][0]["text"][-1]))
