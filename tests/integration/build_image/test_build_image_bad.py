"""Wrong inputs and broken surroundings of build-image: one sentence each, with the next step."""

import contextlib
import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from integration.build_image.images import NOTEBOOK, Repository, record
from integration.suite import Done, only_tools, wait_until
from servers.docker import Engine, Registry, free_port, private_engine

NAME = (
    "Use a name without a tag, such as `ghcr.io/team/penguins`: registry (may be left out), then letters, "
    "digits and single `.`, `_`, `-` between them; upper case becomes lower case."
)
BUILT = "The image could not be built: "
TAG = "Use one tag per line: up to 128 letters, digits, `.`, `_` and `-`, not beginning with `.` or `-`; "
ENDED = f"{BUILT}the step `RUN echo before && exit 7` of `Dockerfile` ended with exit code 7."
INSTALLED = f"{BUILT}the packages of `requirements.txt` cannot be installed. See the lines above."
LOCK = {"requirements.txt": "six==1.16.0\n"}
NO_PYTHON = f"nci-tests/no-python-{os.getpid()}"  # another worker removes its own while this one builds from it
HASHED = "six==1.16.0 --hash=sha256:" + "0" * 64 + "\n"


@dataclass(frozen=True)
class Case:
    """Something wrong.

    Attributes:
        inputs: The inputs of the action; `{base}` is the base image, `{open}` and `{login}` are registries.
        message: What the error begins with.
        code: The exit code.
        files: What stands in the repository beside a notebook.
        environ: Variables of the step.
        committed: Whether the files were committed.
        rest: What stands in the error further on.
    """

    inputs: Mapping[str, str]
    message: str
    code: int = 2
    files: Mapping[str, str] = field(default_factory=lambda: LOCK)
    environ: Mapping[str, str] = field(default_factory=dict)
    committed: bool = True
    rest: str = ""


def own(text: str, message: str, code: int = 1, rest: str = "") -> Case:
    """Return the case of a Dockerfile of the user's own."""
    return Case({"dockerfile": "Dockerfile"}, message, code, {"Dockerfile": text}, rest=rest)


def generated(files: Mapping[str, str], message: str, code: int = 2, rest: str = "") -> Case:
    """Return the case of a lock."""
    return Case({"base-image": "{base}"}, message, code, files, rest=rest)


def both(name: str, case: Case) -> dict[str, Case]:
    """Return a case for each builder."""
    told = {"classic": "0", "BuildKit": "1"}
    return {
        f"{name}, {builder}": replace(case, environ={**case.environ, "DOCKER_BUILDKIT": value})
        for builder, value in told.items()
    }


CASES = {
    # Names and tags: refused before any work
    "no image": Case(
        {"image": ""},
        "`image` of build-image is not set. Set it to a name such as `ghcr.io/team/penguins`.",
    ),
    "blank": Case({"image": "my study"}, f"`image` does not accept `my study`. {NAME}"),
    "flag": Case({"image": "--privileged"}, f"`image` does not accept `--privileged`. {NAME}"),
    "image with a tag": Case({"image": "study:v1"}, f"`image` does not accept `study:v1`. {NAME}"),
    "image with an address": Case(
        {"image": "https://ghcr.io/team/x"}, f"`image` does not accept `https://ghcr.io/team/x`. {NAME}"
    ),
    "tags on one line": Case({"tags": "v1 latest"}, f"`tags` does not accept `v1 latest`. {TAG}"),
    "base-image in uppercase": Case({"base-image": "Python:3"}, "`base-image` does not accept `Python:3`. Use"),
    "tag with a leading dash": Case({"tags": "-x"}, f"`tags` does not accept `-x`. {TAG}"),
    "push yes": Case({"push": "yes"}, "`push` does not accept `yes`. Use `true` or `false`."),
    "if-no-engine": Case({"if-no-engine": "warn"}, "`if-no-engine` does not accept `warn`. Use `fail` or `skip`."),
    "timeout": Case({"timeout": "0"}, "`timeout` does not accept `0`. Use a number of seconds above 0"),
    # git
    "no commit": Case({}, "Without a git commit, the image has no default tag. Set `tags`, or commit", committed=False),
    "no commit, but tags": Case(
        {"tags": "v1"},
        "",
        rest=" is not in a git repository with a commit, which defines",
        committed=False,
    ),
    "SOURCE_DATE_EPOCH": Case(
        {}, "`SOURCE_DATE_EPOCH` is not a number: `today`. Set it", environ={"SOURCE_DATE_EPOCH": "today"}
    ),
    # Locks
    "no lock": generated({}, "No file says what to install (`uv.lock`, `pylock.toml`"),
    "lock not there": Case(
        {"requirements": "nope.txt"}, "`requirements` is `nope.txt`, which does not exist. Correct it."
    ),
    "lock a folder": Case({"requirements": "notebooks"}, "`notebooks` is a folder. Correct `requirements`."),
    "lock outside": generated(
        {"requirements.txt": "-r ../x.txt\n"},
        "",
        rest=" is outside the workspace: the image cannot be built from it.",
    ),
    "lock of another tool, without setup-env": generated(
        {"pdm.lock": "", "pyproject.toml": "[project]\nname = 'study'\n"},
        "`pdm.lock` may be for another Python than that of `base-image`, which is not known yet. Run setup-env before",
    ),
    "lock of a wrong kind": Case({"requirements": NOTEBOOK}, f"`requirements` is `{NOTEBOOK}`, which setup-env cannot"),
    "uv.lock alone": generated({"uv.lock": "version = 1\n"}, "`uv.lock` has no `pyproject.toml` next to it."),
    "pylock that is no TOML": generated({"pylock.toml": "a = = 1\n"}, "`pylock.toml` is not valid TOML: "),
    "include not there": generated({"requirements.txt": "-r base.txt\n"}, "`base.txt` does not exist."),
    "no such package": generated(
        {"requirements.txt": "there-is-no-such-package-here==1\n"},
        INSTALLED,
        1,
    ),
    "a package from git, a base without git": generated(
        {"requirements.txt": "-e git+https://127.0.0.1:9/x#egg=x\n"},
        f"{BUILT}a package of `requirements.txt` comes from git, which the base image does not have. Set `base-image`",
        2,
    ),
    **both("wrong hash", generated({"requirements.txt": HASHED}, INSTALLED, 1)),
    "index that is a folder": Case(
        {},
        "The package index is a folder of this machine, ",
        environ={"UV_DEFAULT_INDEX": "/srv/simple"},
    ),
    "index that is down": Case(
        {"base-image": "{base}"},
        "The image could not be built: the package index cannot be reached.",
        3,
        environ={"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple"},
    ),
    # Base images
    "base with blanks": Case(
        {"base-image": "not a name"},
        "`base-image` does not accept `not a name`. Use an image such as `python:3.12-slim`; tag",
    ),
    "base not there": Case(
        {"base-image": "{open}/none:1"},
        "The base image `{open}/none:1` could not be fetched: not found in its registry, or you",
    ),
    "base of a private registry": Case(
        {"base-image": "{login}/base:1"},
        "The base image `{login}/base:1` could not be fetched: the registry denies access. Log in first",
        3,
    ),
    "base of a registry that is down": Case(
        {"base-image": "127.0.0.1:9/base:1"},
        "The base image `127.0.0.1:9/base:1` could not be fetched: the registry cannot be reached.",
        3,
    ),
    **both(
        "base without Python",
        Case(
            {"base-image": NO_PYTHON}, "The image could not be built: the base image has no Python with `venv` and pip."
        ),
    ),
    # A Dockerfile of the user's own
    "dockerfile not there": Case({"dockerfile": "none"}, "`none` does not exist. Set `dockerfile` to a path"),
    "dockerfile a folder": Case({"dockerfile": "notebooks"}, "`notebooks` is a folder. Set `dockerfile` to a path"),
    "dockerfile outside": Case({"dockerfile": "../D"}, "`dockerfile` is `../D`, which is outside the workspace."),
    **both("empty dockerfile", own("", "`Dockerfile` is not a valid Dockerfile: ")),
    **both(
        "unknown instruction",
        own(
            "FROM scratch\nCOOPY a b\n",
            "`Dockerfile` is not a valid Dockerfile: ",
            rest="unknown instruction: COOPY",
        ),
    ),
    **both("failing step", own("FROM {base}\nRUN echo before && exit 7\n", ENDED)),
    **both(
        "copied file not there",
        own("FROM scratch\nCOPY none /\n", f"{BUILT}`Dockerfile` copies a file that does not exist: "),
    ),
    **both(
        "base of dockerfile not there",
        own("FROM 127.0.0.1:9/x\n", BUILT, 3, rest="the registry cannot be reached."),
    ),
    # The engine
    "engine that is down": Case(
        {}, "No Docker engine answers: ", 3, environ={"DOCKER_HOST": "unix:///nowhere.sock"}, rest="DOCKER_HOST"
    ),
    "engine's address": Case({}, "No Docker engine answers: ", 3, environ={"DOCKER_HOST": "nonsense"}),
}


@pytest.fixture(scope="module")
def no_python(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with a shell, and no Python."""
    folder = tmp_path_factory.mktemp("shell")
    (folder / "bin").mkdir()
    libraries = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True, check=True).stdout
    needed = [word for word in libraries.split() if word.startswith("/")]
    subprocess.run(
        ["tar", "--dereference", "-cf", "image.tar", "-C", "/", "bin/sh", *(path.lstrip("/") for path in needed)],
        cwd=folder,
        check=True,
    )
    engine.run("import", folder / "image.tar", NO_PYTHON)
    engine.made.add(f"{NO_PYTHON}:latest")
    return NO_PYTHON


@pytest.mark.usefixtures("no_python")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_wrong_is_said(
    repository: Repository, base_image: str, open_registry: Registry, login_registry: Registry, case: Case
) -> None:
    def filled(text: str) -> str:
        return (
            text.replace("{base}", base_image)
            .replace("{open}", open_registry.host)
            .replace("{login}", login_registry.host)
        )

    for name, text in case.files.items():
        repository.workspace.write(name, filled(text))
    if case.committed:
        repository.commit()
    inputs = {"image": "study/bad", **{name: filled(value) for name, value in case.inputs.items()}}
    done = repository.build(case.environ, **inputs)
    says(done, case.code, filled(case.message), case.rest)


def says(done: Done, code: int, message: str, rest: str = "") -> None:
    """Check that there was one error, and nothing was built."""
    assert done.code == code, done.log
    [error] = done.annotations()
    assert error.message.startswith(message), error.message
    assert rest in error.message
    assert "Traceback" not in done.log
    assert not done.outputs.get("image-id")
    assert done.outputs["status"] == ("failed" if code == 1 else "error")


def test_a_dockerfile_that_links_out_of_the_workspace(repository: Repository) -> None:
    (repository.workspace.base / "private").write_text("s3cret of this machine\n")
    (repository.workspace.folder / "Dockerfile").symlink_to("../private")
    repository.commit()
    done = repository.build(image="study/bad", dockerfile="Dockerfile")
    says(done, 2, "`Dockerfile` is a link to a file outside the workspace.")
    assert "s3cret" not in done.log


def test_where_a_build_fails_all_is_shown(repository: Repository, base_image: str) -> None:
    repository.workspace.write("Dockerfile", f"FROM {base_image}\nRUN echo ' + six==1' && false\n")
    repository.commit()
    done = repository.build(image="study/bad", dockerfile="Dockerfile")
    says(done, 1, f"{BUILT}the step ")
    assert re.search(r" \+ six==1$", done.log, re.MULTILINE)


# --- Programs and engines


def test_no_docker(repository: Repository) -> None:
    repository.workspace.write("requirements.txt", "six\n")
    repository.commit()
    tools = only_tools(repository.workspace.base / "tools")
    for name in ("git", "python3"):
        (Path(tools) / name).symlink_to(f"/usr/bin/{name}")
    done = repository.build({"PATH": tools}, image="study")
    says(done, 3, "The program `docker` is not on PATH. Install Docker")


def test_no_permission_on_the_socket(repository: Repository) -> None:
    repository.workspace.write("requirements.txt", "six\n")
    repository.commit()
    path = repository.workspace.tmp / "d.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0)
        prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
        environ = {**repository.environ, "DOCKER_HOST": f"unix://{path}"}
        done = repository.workspace.run("build-image", {"image": "study"}, environ=environ, prefix=prefix)
    says(done, 3, "This user may not use the Docker engine (permission denied). Add the user to")


def test_an_engine_that_stays_silent(repository: Repository) -> None:
    repository.workspace.write("requirements.txt", "six\n")
    repository.commit()
    with silent() as port:
        done = repository.build({"DOCKER_HOST": f"tcp://127.0.0.1:{port}"}, image="study", timeout="2")
    says(done, 3, "The Docker engine does not answer within 2 s.")
    assert done.seconds < 60


def test_a_build_that_hangs(repository: Repository, base_image: str) -> None:
    repository.workspace.write("Dockerfile", f"FROM {base_image}\nRUN sleep 600\n")
    repository.commit()
    done = repository.build(image="study/hangs", dockerfile="Dockerfile", timeout="4")
    says(done, 3, "The image could not be built within 4 s. ", "increase `timeout`")
    assert done.seconds < 60


# --- Registries that do not take an image


@pytest.fixture
def tiny(repository: Repository) -> Repository:
    """A repository whose image is built in no time."""
    repository.workspace.write("Dockerfile", f"FROM scratch\nCOPY {NOTEBOOK} /\n")
    repository.commit()
    return repository


def pushed(repository: Repository, host: str, environ: Mapping[str, str] | None = None, **inputs: str) -> Done:
    return repository.build(
        environ, image=f"{host}/team/study", dockerfile="Dockerfile", push="true", tags="v1", **inputs
    )


def refused(done: Done, message: str, code: int = 3) -> None:
    """Check that the image was built, and the push reported."""
    assert done.code == code, done.log
    [error] = done.annotations()
    assert error.message.startswith(message), error.message
    assert done.outputs["image-id"].startswith("sha256:")
    assert not done.outputs["digest"]


def test_push_to_a_registry_that_is_down(tiny: Repository) -> None:
    host = f"127.0.0.1:{free_port()}"
    refused(pushed(tiny, host), f"`{host}/team/study:v1` could not be pushed: the registry cannot be reached.")


def test_push_to_a_registry_that_stays_silent(tiny: Repository) -> None:
    with silent() as port:
        done = pushed(tiny, f"127.0.0.1:{port}", timeout="4")
    refused(done, f"`127.0.0.1:{port}/team/study:v1` could not be pushed within 4 s. Check the network")
    assert done.seconds < 60


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder in memory, 64 MiB big, whose path is short."""
    folder = Path("/tmp") / f"nci{os.getpid()}"  # noqa: S108 - sockets are in it
    if os.geteuid() != 0:
        pytest.skip("an engine of its own needs root")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
    folder.rmdir()


def test_a_full_disk(tiny: Repository, short_folder: Path) -> None:
    with (tiny.workspace.folder / "big").open("wb") as file:
        file.write(os.urandom(80 * 1024 * 1024))
    tiny.workspace.write("Dockerfile", "FROM scratch\nCOPY big /\n")
    with private_engine(short_folder) as small:
        done = tiny.build(small.environ, image="study", dockerfile="Dockerfile")
    says(done, 3, "The image could not be built: the disk of the engine is full. Run `docker system prune`")


def test_a_registry_with_a_fault(repository: Repository) -> None:
    """Of the base image; a push is tried again by the engine for 50 seconds before it says the same."""
    repository.workspace.write("requirements.txt", "six\n")
    repository.commit()
    with failing() as port:
        base = f"127.0.0.1:{port}/base:1"
        done = repository.build(image="study", base_image=base)
    says(done, 3, f"The base image `{base}` could not be fetched: the registry failed. Try again")


def test_push_that_ends_half_way(tiny: Repository, login_registry: Registry) -> None:
    """The first tag is taken, then the registry is locked: what is there is said, and recorded."""
    programs = tiny.workspace.base / "programs"
    config = tiny.workspace.base / "docker"
    (programs / "docker").unlink()
    # A login that ends between two pushes.
    (programs / "docker").write_text(
        f'#!/bin/sh\n"{tiny.engine.client}" "$@" || exit\n[ "$1" != push ] || rm -f "{config}/config.json"\n'
    )
    (programs / "docker").chmod(0o755)
    user, _, password = login_registry.login.partition(":")
    subprocess.run(
        [tiny.engine.client, "--config", config, "login", "-u", user, "--password-stdin", login_registry.host],
        input=password,
        env={**tiny.engine.environ, "PATH": os.environ["PATH"]},
        text=True,
        check=True,
        capture_output=True,
    )
    done = tiny.build(
        {"DOCKER_CONFIG": str(config)},
        image=f"{login_registry.host}/team/half",
        dockerfile="Dockerfile",
        push="true",
        tags="one\ntwo",
    )
    assert done.code == 3, done.log
    [error] = done.annotations()
    assert error.message.startswith(f"`{login_registry.host}/team/half:two` could not be pushed: the registry denies")
    assert error.message.endswith("Already pushed: `one`.")
    assert record(done)["pushed"] == ["one"]
    assert record(done)["digest"].startswith("sha256:")


# --- What setup-env did


def test_a_lock_that_changed_since_setup_env(repository: Repository) -> None:
    repository.workspace.write("requirements.txt", "ipykernel\n")
    repository.commit()
    repository.setup_env()
    repository.workspace.write("requirements.txt", "ipykernel\nsix\n")
    repository.commit()
    done = repository.build(image="study")
    says(done, 2, "`requirements.txt` has changed since setup-env installed from it. Run setup-env again")
    repository.workspace.write("other.txt", "six\n")
    done = repository.build(image="study", requirements="other.txt")
    says(done, 2, "`requirements` is `other.txt`, but setup-env installed from `requirements.txt` in this run.")


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """Take connections on a port of loopback, and never answer."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield int(listener.getsockname()[1])


@contextlib.contextmanager
def failing() -> Iterator[int]:
    """Answer every request with 500."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - names of the library

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        assert wait_until(lambda: not thread.is_alive())
