"""A Docker engine, a registry on loopback, and a base image with Python: the real ones, of Debian or Ubuntu.

Needs `docker.io`, `docker-registry` and `mmdebstrap` (apt), and root where no engine is running. Without them the
tests are skipped, which fails in CI.
"""

import contextlib
import fcntl
import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dev.tools import cache_root
from integration.suite import wait_until

BASE_IMAGE = "notebook-ci-base"
BASE_PACKAGES = "python3,python3-venv,ca-certificates"
LOGIN, PASSWORD = "team", "kept-secret"
HTPASSWD = "team:$2y$05$KqXCErUgM14sK9FjHyaQE.9yEMqWCPFTKYbKXqOSyIVenrEV.WpJm"
START_SECONDS = 60


@dataclass(frozen=True)
class Engine:
    """A Docker engine.

    Attributes:
        host: Its address, as `DOCKER_HOST` has it.
        client: The docker command line.
        made: Names of images that the tests have made, to be removed.
    """

    host: str
    client: str
    made: set[str] = field(default_factory=set, compare=False)

    @property
    def environ(self) -> dict[str, str]:
        """What makes a docker command line talk to it."""
        return {"DOCKER_HOST": self.host}

    def run(self, *arguments: str | Path, check: bool = True) -> str:
        """Run the docker command line, and return what it printed."""
        done = self.attempt(*arguments)
        assert done.returncode == 0 or not check, done.stdout
        return done.stdout.strip()

    def attempt(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run the docker command line, whatever comes of it."""
        return subprocess.run(
            [self.client, *map(str, arguments)],
            env={**os.environ, **self.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def remove(self, prefix: str = "") -> None:
        """Take away the images that the tests have made, or the names of images that begin with a registry's host."""
        names = set() if prefix else self.made
        if prefix:
            kept = self.run("images", "--digests", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}").splitlines()
            for repository, tag, digest in (line.split() for line in kept if line.startswith(prefix)):
                names.add(f"{repository}@{digest}" if tag == "<none>" else f"{repository}:{tag}")
        if names:
            self.run("image", "rm", "--force", *sorted(names), check=False)

    @property
    def answers(self) -> bool:
        """Whether it can be used."""
        return self.attempt("version").returncode == 0


@dataclass(frozen=True)
class Registry:
    """A registry on loopback.

    Attributes:
        host: `127.0.0.1:port`, what names of images begin with.
        login: `user:password` that it asks for, or nothing.
    """

    host: str
    login: str = ""


def find_engine() -> Engine | None:
    """Return the engine that the docker command line of this machine reaches, if there is one."""
    client = shutil.which("docker", path="/usr/bin:/bin") or shutil.which("docker")
    if not client:
        return None
    engine = Engine(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"), client)
    return engine if engine.answers else None


@contextlib.contextmanager
def private_engine(folder: Path) -> Iterator[Engine]:
    """Start an engine of its own, everything of it in a folder, and stop it.

    Args:
        folder: A folder whose path is short: a socket stands in it.
    """
    client, daemon = shutil.which("docker", path="/usr/bin:/bin"), shutil.which("dockerd", path="/usr/sbin:/usr/bin")
    assert client
    assert daemon
    engine = Engine(f"unix://{folder / 'docker.sock'}", client)
    places = {"--data-root": "data", "--exec-root": "exec", "--pidfile": "docker.pid"}
    command = [daemon, "--host", engine.host, *(f"{flag}={folder / name}" for flag, name in places.items())]
    try:
        with _running(command, folder / "docker.log"):
            _wait(lambda: engine.answers, folder / "docker.log")
            yield engine
    finally:
        # The daemon leaves its network namespace mounted; a folder with a mount cannot be removed.
        for line in Path("/proc/self/mounts").read_text().splitlines():
            if (place := line.split()[1]).startswith(f"{folder}/"):
                subprocess.run(["umount", place], check=False)


@contextlib.contextmanager
def registry(folder: Path, *, login: bool = False) -> Iterator[Registry]:
    """Start a registry on a free port of loopback, and stop it.

    Args:
        folder: A folder for what it stores.
        login: Whether it asks for `LOGIN` and `PASSWORD`.
    """
    program = shutil.which("docker-registry")
    if not program:
        pytest.skip("docker-registry is not installed")
    host = f"127.0.0.1:{free_port()}"
    users = folder / "htpasswd"
    users.write_text(HTPASSWD + "\n")
    auth = f"auth: {{htpasswd: {{realm: registry, path: {users}}}}}\n" if login else ""
    config = folder / "registry.yml"
    store = f"storage: {{filesystem: {{rootdirectory: {folder / 'store'}}}}}\n"
    config.write_text(f"version: 0.1\n{store}http: {{addr: {host!r}}}\n{auth}")
    with _running([program, "serve", str(config)], folder / "registry.log"):
        _wait(lambda: _listens(host), folder / "registry.log")
        yield Registry(host, f"{LOGIN}:{PASSWORD}" if login else "")


def import_base(engine: Engine) -> str:
    """Give the engine an image of this machine's distribution with Python, and return its name.

    Only one worker imports it: imported again, it would have another id, and so would all images built from it.
    """
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    image = f"{BASE_IMAGE}:{codename}"
    cache_root().mkdir(parents=True, exist_ok=True)
    with (cache_root() / "docker-import.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if engine.attempt("image", "inspect", image).returncode:
            engine.run("import", "--change", 'CMD ["bash"]', base_tar(), image)
    return image


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def base_tar() -> Path:
    """Return an archive of the base image's files, kept from one session to the next."""
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    kept = cache_root() / f"docker-base-{codename}-{BASE_PACKAGES.replace(',', '-')}.tar"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other workers and `.ci/bare-demo` wait for it
        if not kept.exists():
            _install_base(codename, kept)
    return kept


def _install_base(codename: str, archive: Path) -> None:
    if not shutil.which("mmdebstrap") or os.geteuid() != 0:
        pytest.skip("the base image cannot be made: install mmdebstrap, and be root")
    scratch = archive.with_suffix(f".{os.getpid()}.tar")
    mirror, components = _packages(codename)
    flags = ["--variant=minbase", f"--include={BASE_PACKAGES}", f"--components={components}"]
    command: list[str | Path] = ["mmdebstrap", *flags, codename, scratch, mirror]
    path = f"/usr/sbin:/sbin:{os.environ['PATH']}"
    try:
        done = subprocess.run(
            command, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
        scratch.rename(archive)
    finally:
        scratch.unlink(missing_ok=True)


def _packages(codename: str) -> tuple[str, str]:
    """Return the mirror and the components (`main,universe`) that this machine's own apt uses."""
    question = ["apt-get", "indextargets", "--format", "$(SITE) $(COMPONENT)", "Created-By: Packages"]
    answer = subprocess.run([*question, f"Codename: {codename}"], capture_output=True, text=True, check=False).stdout
    lines = [line.split() for line in answer.splitlines()]
    if not lines:
        pytest.skip(f"the base image cannot be made: apt has no packages of {codename}; run apt-get update")
    site = lines[0][0]
    components = ",".join(dict.fromkeys(component for each, component in lines if each == site))
    # The runners of GitHub list their mirrors in a file.
    mirrors = Path(site.removeprefix("mirror+file:"))
    return (mirrors.read_text(encoding="utf-8").split()[0] if mirrors.is_file() else site), components


@contextlib.contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator[None]:
    """Run a server until the end of the block."""
    path = f"/usr/sbin:/sbin:{os.environ['PATH']}"
    with log.open("wb") as file:
        server = subprocess.Popen(
            command, env={**os.environ, "PATH": path}, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    try:
        yield
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(START_SECONDS)
        server.kill()
        server.wait()


def _wait(ready: Callable[[], bool], log: Path) -> None:
    assert wait_until(ready, START_SECONDS), log.read_text(errors="replace")[-2000:]


def _listens(host: str) -> bool:
    name, _, port = host.partition(":")
    try:
        socket.create_connection((name, int(port)), timeout=5).close()
    except OSError:
        return False
    return True
