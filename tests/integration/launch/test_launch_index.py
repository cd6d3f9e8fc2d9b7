"""The launcher asks the user's package index, and says what is wrong with one."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from integration.index_server import Gate, IndexServer
from integration.launch.checkouts import PATH, ROOT, TIMEOUT, Checkout, running

LOGIN = "someone:s3cret-pass"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# --- The user's package index


Setup = Callable[[Checkout, IndexServer], dict[str, str]]


def in_file(place: str, text: str, environ: Mapping[str, str] | None = None) -> Setup:
    """Write settings to a file under the home folder; `{url}` is the index, `{login}` one with credentials."""

    def set_up(checkout: Checkout, index: IndexServer) -> dict[str, str]:
        write(checkout.home / place, filled(text, index))
        return {name: value.replace("~", str(checkout.home)) for name, value in (environ or {}).items()}

    return set_up


def in_variables(**environ: str) -> Setup:
    return lambda _, index: {name: filled(value, index) for name, value in environ.items()}


def filled(text: str, index: IndexServer) -> str:
    places = {"{url}": index.url(), "{login}": index.url(login=LOGIN), "{links}": index.url("/links", LOGIN)}
    for mark, place in {**places, "{root}": index.url("")}.items():
        text = text.replace(mark, place)
    return text


NAMED = {"UV_INDEX_OUR_MIRROR_USERNAME": "someone", "UV_INDEX_OUR_MIRROR_PASSWORD": "s3cret-pass"}
NETRC = "machine 127.0.0.1 login someone password s3cret-pass\n"


@pytest.mark.parametrize(
    "set_up",
    [
        pytest.param(in_variables(UV_DEFAULT_INDEX="{login}"), id="UV_DEFAULT_INDEX"),
        pytest.param(in_variables(UV_INDEX_URL="{login}"), id="UV_INDEX_URL"),
        pytest.param(in_variables(UV_DEFAULT_INDEX="our-mirror={url}", **NAMED), id="named index"),
        pytest.param(in_variables(UV_EXTRA_INDEX_URL="{login}", UV_DEFAULT_INDEX="{root}/no"), id="UV_EXTRA_INDEX_URL"),
        pytest.param(in_file(".config/uv/uv.toml", 'index-url = "{login}"\n'), id="uv.toml of the user"),
        pytest.param(
            in_file("pyproject.toml", '[[tool.uv.index]]\nname = "our-mirror"\nurl = "{url}"\ndefault = true\n', NAMED),
            id="pyproject.toml",
        ),
        pytest.param(
            in_file("x/own.toml", '[pip]\nindex-url = "{login}"\n', {"UV_CONFIG_FILE": "~/x/own.toml"}),
            id="UV_CONFIG_FILE",
        ),
        pytest.param(in_variables(PIP_INDEX_URL="{login}"), id="PIP_INDEX_URL"),
        pytest.param(in_variables(PIP_NO_INDEX="1", PIP_FIND_LINKS="{links} /not/there"), id="PIP_FIND_LINKS"),
        pytest.param(in_file(".config/pip/pip.conf", "[global]\nindex-url = {login}\n"), id="pip.conf of the user"),
        pytest.param(
            in_file("venv/pip.conf", "[install]\nindex-url = {login}\n", {"VIRTUAL_ENV": "~/venv"}),
            id="pip.conf of a venv",
        ),
        pytest.param(
            lambda checkout, index: (
                in_file(".netrc", NETRC)(checkout, index) | in_variables(PIP_INDEX_URL="{url}")(checkout, index)
            ),
            id="netrc",
        ),
    ],
)
def test_the_users_index_is_asked(bare: Checkout, index: IndexServer, set_up: Setup) -> None:
    index.login = LOGIN
    done = bare.launch("--env", "demo", "--exec", "nbdemo", environ=set_up(bare, index))
    assert (done.code, done.out) == (0, "1.0\n"), done.err
    assert index.asked_for("/files/uv-"), "by pip"
    assert index.asked_for("/files/nbdemo-"), "by uv"
    assert index.logins == {LOGIN}
    assert "s3cret-pass" not in done.out + done.err


@pytest.mark.parametrize(
    "set_up",
    [
        pytest.param(in_variables(HTTP_PROXY="{root}"), id="HTTP_PROXY"),
        pytest.param(in_file(".pip/pip.conf", "[global]\nproxy = {root}\n"), id="pip.conf"),
    ],
)
def test_the_users_proxy_is_used(bare: Checkout, index: IndexServer, set_up: Setup) -> None:
    environ = {"PIP_INDEX_URL": "http://index.invalid/simple", "PIP_TRUSTED_HOST": "index.invalid"}
    done = bare.launch("demo", environ={**environ, **set_up(bare, index)})
    assert (done.code, done.told["version"]) == (0, "1.0"), done.err
    assert index.asked_for("http://index.invalid/files/uv-"), "by pip"
    assert index.asked_for("http://index.invalid/files/nbdemo-"), "by uv"


def test_credentials_stand_on_no_command_line(bare: Checkout, index: IndexServer) -> None:
    index.login = LOGIN
    for part, program in (("/files/uv-", "-m pip"), ("/files/nbdemo-", "uv pip")):
        index.gate = Gate(part)
        creator = bare.start("demo", environ={"PIP_INDEX_URL": index.url(login=LOGIN)}, cwd=Path(), script="")
        assert index.gate.reached.wait(TIMEOUT)
        lines = running(str(bare.cache))
        assert any(program in line for line in lines)
        assert not any("s3cret-pass" in line for line in lines)
        if program == "uv pip":
            index.gate.opened.set()
        else:
            creator.terminate()
            index.gate.opened.set()
        creator.communicate(timeout=TIMEOUT)
    assert creator.returncode == 0


HOSTILE = {
    "UV_EXCLUDE_NEWER": "2000-01-01",
    "UV_NO_BINARY": "1",
    "UV_PYTHON": "2.7",
    "UV_OFFLINE": "1",
    "PIP_NO_BINARY": ":all:",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_USER": "1",
    "PYTHONHOME": "/nowhere",
    "PYTHONSAFEPATH": "1",
}


def test_other_settings_of_the_user_do_no_harm(
    bare: Checkout, first: Checkout, index: IndexServer, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    write(project / "uv.toml", f'index-url = "{index.url()}"\nexclude-newer = "2000-01-01"\nno-binary = true\n')
    write(project / "constraints.txt", "nbdemo==9\n")
    for name in ("pip", "json", "hashlib", "nbdemo"):
        write(project / f"{name}.py", "raise SystemExit('the module of the user was imported')\n")
    environ = {**HOSTILE, "UV_CONSTRAINT": str(project / "constraints.txt"), "PYTHONPATH": str(project)}
    done = bare.launch("demo", environ=environ, cwd=project)
    assert (done.code, done.told["version"]) == (0, "1.0"), done.err
    # Each of them does harm where uv sees it: the check above can fail.
    uv, venv = next(first.cache.glob("uv-*/bin/uv")), next(first.cache.glob("demo-*"))
    lock = bare.folder / "requirements" / "demo.txt"
    command: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--reinstall",
        "--dry-run",
        "--require-hashes",
        "--only-binary",
        ":all:",
    ]
    command += ["--python", venv / "bin" / "python", "-r", lock]
    for name in ("UV_EXCLUDE_NEWER", "UV_CONSTRAINT", "UV_OFFLINE"):
        plain = {"PATH": PATH, "HOME": str(bare.home), "UV_CACHE_DIR": str(tmp_path / "uv"), name: environ[name]}
        plain["UV_DEFAULT_INDEX"] = index.url()
        assert subprocess.run(command, env=plain, capture_output=True, check=False).returncode != 0, name


# --- What can go wrong


@pytest.mark.parametrize(
    ("status", "message"), [(401, "or the proxy requires credentials"), (403, "denies"), (404, "lacks")]
)
@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_an_index_that_refuses(
    request: pytest.FixtureRequest, index: IndexServer, tool: str, status: int, message: str
) -> None:
    checkout: Checkout = request.getfixturevalue("bare" if tool == "pip" else "with_uv")
    index.status = status
    environ = {"UV_DEFAULT_INDEX": index.url(login="someone:wr%21ng"), "GITHUB_ACTIONS": "true"}
    done = checkout.launch("demo", environ=environ)
    assert done.code == 3
    said = rf"::error::The tool environment demo could not be installed: the package index (`\S+` )?{message}"
    assert re.search(said, done.out)
    assert "UV_DEFAULT_INDEX" in done.out, "the hint says where the index is set"
    assert "wr%21ng" not in done.out + done.err
    assert "wr!ng" not in done.out + done.err
    assert_fenced(done.out)
    assert not checkout.leftovers


def assert_fenced(out: str) -> None:
    """The tool's own lines stand between the commands that keep the runner from obeying them."""
    lines = out.splitlines()
    token = next(line for line in lines if line.startswith("::stop-commands::")).removeprefix("::stop-commands::")
    begin, end = lines.index(f"::stop-commands::{token}"), lines.index(f"::{token}::")
    assert end - begin > 1
    assert [line for line in lines if line.startswith("::")] == [lines[begin], lines[end], lines[-1]]


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_an_index_that_stays_silent(request: pytest.FixtureRequest, index: IndexServer, tool: str) -> None:
    checkout: Checkout = request.getfixturevalue("bare" if tool == "pip" else "with_uv")
    index.gate = Gate("/")
    done = checkout.launch("demo", environ={"UV_DEFAULT_INDEX": index.url(), "UV_HTTP_TIMEOUT": "1"})
    assert done.code == 3
    assert "the package index does not answer in time" in done.err
    assert done.seconds < 60


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_no_network(request: pytest.FixtureRequest, index: IndexServer, tool: str) -> None:
    checkout: Checkout = request.getfixturevalue("bare" if tool == "pip" else "with_uv")
    # Its port is taken, so that no other test serves there, and nobody listens.
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = IndexServer(index.folder, port=closed.getsockname()[1]).url()
        done = checkout.launch("demo", environ={"UV_DEFAULT_INDEX": url})
    assert done.code == 3
    assert "the package index cannot be reached" in done.err


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_a_package_that_is_not_the_locked_one(request: pytest.FixtureRequest, index: IndexServer, tool: str) -> None:
    checkout: Checkout = request.getfixturevalue("bare" if tool == "pip" else "with_uv")
    lock = checkout.folder / "requirements" / ("uv.txt" if tool == "pip" else "demo.txt")
    version = lock.read_text().partition("==")[2].split()[0]
    lock.write_text(f"{'uv' if tool == 'pip' else 'nbdemo'}=={version} --hash=sha256:{'0' * 64}\n")
    if tool == "uv":
        # The lock of uv is part of the key alone; its environment is the one that is there.
        assert checkout.environments == ["uv"]
    done = checkout.launch("demo", environ={"UV_DEFAULT_INDEX": index.url()})
    assert done.code == 3
    assert "(by its hash)" in done.err
    assert "demo" not in checkout.environments


def test_a_cache_folder_that_cannot_be_written(bare: Checkout, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = bare.launch("demo", environ={"NOTEBOOK_CI_CACHE": str(tmp_path / "file" / "cache")})
    assert done.code == 3
    assert "or set `NOTEBOOK_CI_CACHE` to another folder." in done.err
    assert "Traceback" not in done.err


def test_a_full_disk(bare: Checkout, index: IndexServer) -> None:
    shutil.copy(ROOT / "requirements" / "uv.txt", bare.folder / "requirements")  # of the real wheel, which is large
    bare.cache.mkdir()
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    small = 'mount -t tmpfs -o size=4m tmpfs "$NOTEBOOK_CI_CACHE" && exec /bin/bash "$0" demo'
    done = subprocess.run(
        ["unshare", *own, "--mount", "/bin/sh", "-c", small, bare.script],
        env={"PATH": PATH, "HOME": str(bare.home), "NOTEBOOK_CI_CACHE": str(bare.cache), "UV_INDEX_URL": index.url()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "the disk is full" in done.stderr


def test_settings_that_cannot_be_read(bare: Checkout) -> None:
    write(bare.home / ".config/uv/uv.toml", "index-url = \n")
    done = bare.launch("demo")
    assert done.code == 2
    assert f"{bare.home}/.config/uv/uv.toml" in done.err
