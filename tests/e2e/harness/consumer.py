"""A throw-away repository that uses the suite."""

import json
import subprocess
import textwrap
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.machine import Machine
from harness.result import Result
from harness.run import Run
from harness.suite import Suite

RUNNERS = ("ubuntu-latest", "ubuntu-24.04", "ubuntu-22.04")
_IDENTITY = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")


class Consumer:
    """A git repository on this machine that thinks it is `acme/penguins` on GitHub.

    Its cache lasts as long as it does, its artifacts belong to one run, as on GitHub.

    Args:
        folder: An empty folder for all that belongs to the consumer.
        suite: The actions its workflows can use.
        machine: Where its jobs run.
        repository: The name on GitHub.
    """

    def __init__(self, folder: Path, suite: Suite, machine: Machine, repository: str = "acme/penguins") -> None:
        self.folder = folder
        self.path = folder / "repository"
        self._suite = suite
        self._machine = machine
        self._jobs_folder = folder / "act"
        self._runs = 0
        self.path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", f"https://github.com/{repository}.git")

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file of the repository; common indentation of text is taken away.

        Args:
            name: The path in the repository.
            content: The whole content.
        """
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).lstrip("\n").encode())
        return path

    def workflow(self, content: str, name: str = "ci.yml") -> Path:
        """Write a workflow, `.github/workflows/<name>`."""
        return self.write(f".github/workflows/{name}", content)

    def commit(self, message: str = "Change") -> str:
        """Commit all changes, if there are any; gives the commit now checked out."""
        self.git("add", "--all")
        if self.git("status", "--porcelain"):
            self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments: str) -> str:
        """Call git in the repository; gives what it printed.

        Raises:
            subprocess.CalledProcessError: It failed.
        """
        command = ["git", "-C", str(self.path), *_IDENTITY, *arguments]
        environment = {**self._machine.environment, "GIT_CONFIG_NOSYSTEM": "1"}
        return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout

    def run(
        self,
        event: str = "push",
        *,
        workflow: str | None = None,
        payload: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        timeout: float = 120,
    ) -> Result:
        """Commit, run the workflows of an event to their end, and report what happened.

        Args:
            event: E.g. push, pull_request (the payload must have a `number`), workflow_dispatch (payload: `inputs`).
            workflow: The file name of the one workflow to run; all those with the event otherwise.
            payload: What is in `github.event`.
            env: Variables for all steps, on top of the machine's.
            secrets: The repository's secrets.
            timeout: Seconds; every process of the run is ended when they are over.

        Raises:
            HarnessError: The run is of no use: it took too long, or used an action without stand-in.
        """
        with self.start(event, workflow=workflow, payload=payload, env=env, secrets=secrets) as run:
            return run.finish(timeout)

    def start(
        self,
        event: str = "push",
        *,
        workflow: str | None = None,
        payload: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> Run:
        """As `run`, but return while it goes on, to cancel it or look at it. Use it in a `with` statement."""
        self.commit()
        self._runs += 1
        tracking_id = f"github_{uuid.uuid4()}"
        artifacts = self.folder / "artifacts" / str(self._runs)
        artifacts.mkdir(parents=True)
        # Not in act's own environment, because it reads e.g. GITHUB_RUN_ID from --env and this file alone.
        variables = {
            "GOMAXPROCS": "",  # set for act, see Machine.environment
            "GITHUB_RUN_ID": str(self._runs),
            "GITHUB_RUN_NUMBER": str(self._runs),
            "RUNNER_TRACKING_ID": tracking_id,
            "HARNESS_REPOSITORY": str(self.path),
            "HARNESS_ARTIFACTS": str(artifacts),
            "HARNESS_CACHE": str(self.folder / "cache"),
            **(env or {}),
        }
        return Run(
            [
                *self._machine.act_command,
                event,
                *self._act_arguments(variables, secrets or {}, payload),
                *("--workflows", str(self.path / ".github" / "workflows" / (workflow or ""))),
            ],
            {**self._machine.environment, "RUNNER_TRACKING_ID": tracking_id},
            folder=self.folder,
            jobs_folder=self._jobs_folder,
            tracking_id=tracking_id,
            secrets=(secrets or {}).values(),
            artifacts=artifacts,
            cache_folder=self.folder / "cache",
        )

    def _act_arguments(
        self, variables: Mapping[str, str], secrets: Mapping[str, str], payload: Mapping[str, Any] | None
    ) -> list[str]:
        arguments = [
            *("--directory", str(self.path)),
            *("--action-cache-path", str(self._jobs_folder)),
            *("--env-file", self._mapping_file("env.yml", variables)),
            *("--secret-file", self._mapping_file("secrets.yml", secrets)),
            # given, because act would read .vars and .input of the folder it is started in
            *("--var-file", self._mapping_file("vars.yml", {})),
            *("--input-file", self._mapping_file("inputs.yml", {})),
            "--json",
            "--verbose",  # skipped steps and jobs are not reported otherwise
            "--no-cache-server",  # stand-ins do its work; so no port is used
            "--no-skip-checkout",  # the stand-in checks out what is committed; act would copy the folder
            "--rm",  # a failed job's folders go too, as those of others do
        ]
        for runner in RUNNERS:
            arguments += ["--platform", f"{runner}=-self-hosted"]
        for repository, folder in self._suite.repositories.items():
            arguments += ["--local-repository", f"{repository}={folder}"]
        if payload is not None:
            event = self.folder / "event.json"
            event.write_text(json.dumps(payload), encoding="utf-8")
            arguments += ["--eventpath", str(event)]
        return arguments

    def _mapping_file(self, name: str, mapping: Mapping[str, str]) -> str:
        """Write a file that act reads as YAML, of which JSON is a part: values may have several lines."""
        path = self.folder / name
        path.write_text(json.dumps(dict(mapping), ensure_ascii=False), encoding="utf-8")
        path.chmod(0o600)
        return str(path)
