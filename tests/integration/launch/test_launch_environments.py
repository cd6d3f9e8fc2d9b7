"""How the launcher creates tool environments, and replaces those that were changed."""

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.index_server import Gate, IndexServer
from integration.launch.checkouts import PATH, TIMEOUT, Checkout, running
from integration.suite import NO_ROOT, wait_until
from notebook_ci.tools import integrity, preparing

PRINT_VERSION = ("--env", "demo", "--exec", "python", "-c", "import nbdemo; print(nbdemo.VERSION)")


def test_inputs_are_checked_before_anything_is_installed(bare: Checkout, index: IndexServer) -> None:
    for environ, arguments in (({"INPUTS": '{"x": "wrong"}'}, []), ({}, ["wrong"])):
        done = bare.launch("demo", *arguments, environ={**environ, "UV_DEFAULT_INDEX": index.url()})
        assert (done.code, done.err) == (2, "checked\n")
    assert not index.asked
    assert not bare.environments


def test_a_cold_start_gives_the_script_its_standard_input_again(with_uv: Checkout, index: IndexServer) -> None:
    given = json.dumps({"x": "ü" * 20_000})
    done = with_uv.launch("demo", environ={"INPUTS": given, "UV_DEFAULT_INDEX": index.url()})
    assert done.told["pid"] == done.pid
    assert done.told["stdin"] == given + "\n"
    assert "Installing the tool environment demo (once)" in done.err
    assert done.out.count("\n") == 1, "progress stands on standard error"
    assert list(next(with_uv.cache.glob("demo-*")).rglob("nbdemo.*.pyc")), "byte-compiled"


def test_help_needs_no_environment(bare: Checkout) -> None:
    done = bare.launch("demo", "--help")
    assert "nbdemo" in done.err, "the stage was started by the bare Python"
    assert not bare.environments


def test_another_lock_is_another_environment(with_uv: Checkout, index: IndexServer) -> None:
    environ = {"UV_DEFAULT_INDEX": index.url()}
    assert with_uv.launch("demo", environ=environ).code == 0
    with (with_uv.folder / "requirements" / "demo.txt").open("a") as lock:
        lock.write("# changed\n")
    assert with_uv.launch("demo", environ=environ).code == 0
    assert with_uv.environments == ["demo", "demo", "uv"]


def test_two_creators_at_once_both_succeed(bare: Checkout, index: IndexServer) -> None:
    both = threading.Barrier(2)
    index.gate = Gate("/files/uv-", together=both)
    environ = {"UV_DEFAULT_INDEX": index.url()}
    creators = [bare.start("demo", environ=environ, cwd=Path(), script="") for _ in range(2)]
    outputs = [creator.communicate("", TIMEOUT) for creator in creators]
    assert [creator.returncode for creator in creators] == [0, 0], outputs
    assert [json.loads(out)["version"] for out, _ in outputs] == ["1.0", "1.0"]
    assert index.gate.reached.is_set()
    assert not both.broken, "both were at it at the same time"
    assert bare.environments == ["demo", "uv"]
    assert not bare.leftovers


def test_an_environment_that_lost_its_marker_is_made_anew(with_uv: Checkout, index: IndexServer) -> None:
    environ = {"UV_DEFAULT_INDEX": index.url()}
    assert with_uv.launch("demo", environ=environ).code == 0
    made = next(with_uv.cache.glob("demo-*"))
    (made / integrity.SEAL).unlink()
    preparing.remove(made / "lib")
    assert with_uv.launch("demo", environ=environ).told["version"] == "1.0"
    assert not with_uv.leftovers


Change = Callable[[Path], None]


def rewrite(module: Path) -> None:
    """As a notebook may: same size, same times, and a cache of byte-code that is not asked."""
    before = module.stat()
    module.chmod(0o644)
    module.write_text(module.read_text().replace("1.0", "6.6"))
    os.utime(module, ns=(before.st_atime_ns, before.st_mtime_ns))
    for compiled in module.parent.glob("__pycache__/nbdemo.*"):
        compiled.parent.chmod(0o755)
        compiled.unlink()


def rewrite_byte_code(module: Path) -> None:
    """The source is left alone: Python believes byte-code that has its time and size."""
    [compiled] = module.parent.glob("__pycache__/nbdemo.*")
    compiled.chmod(0o644)
    compiled.write_bytes(compiled.read_bytes().replace(b"1.0", b"6.6"))


def plant(module: Path) -> None:
    (module.parent / "x.pth").write_text("import nbdemo; nbdemo.VERSION = '6.6'\n")


def replace_by_a_link(module: Path) -> None:
    other = module.parents[5] / "nbdemo.py"
    other.write_text("VERSION = '6.6'\n")
    module.unlink()
    module.symlink_to(other)


@pytest.mark.parametrize("change", [rewrite, rewrite_byte_code, plant, replace_by_a_link])
def test_an_environment_that_was_changed_is_made_anew(with_uv: Checkout, index: IndexServer, change: Change) -> None:
    environ = {"UV_DEFAULT_INDEX": index.url()}
    with_uv.launch(*PRINT_VERSION, environ=environ)
    [module] = with_uv.cache.glob("demo-*/lib/python*/site-packages/nbdemo.py")
    module.parent.chmod(0o755)
    change(module)
    python = module.parents[3] / "bin" / "python"
    changed = subprocess.run([python, *PRINT_VERSION[-2:]], capture_output=True, text=True, check=True)
    assert changed.stdout == "6.6\n", "the change is one that counts"
    done = with_uv.launch(*PRINT_VERSION, environ=environ)
    assert (done.code, done.out) == (0, "1.0\n")
    assert "Installing the tool environment demo (again, because files in it have changed)" in done.err
    again = with_uv.launch(*PRINT_VERSION)
    assert (again.out, again.err) == ("1.0\n", "")
    assert not with_uv.leftovers


def test_a_copied_environment_is_checked_once_and_used(with_uv: Checkout, index: IndexServer) -> None:
    """As from a cache of the runner, or in an image: the times of all files are new."""
    with_uv.launch(*PRINT_VERSION, environ={"UV_DEFAULT_INDEX": index.url()})
    [made] = with_uv.cache.glob("demo-*")
    made.rename(made.with_name("away"))
    shutil.copytree(made.with_name("away"), made, symlinks=True)
    before = (made / integrity.SEAL).read_text()
    done = with_uv.launch(*PRINT_VERSION)
    assert (done.out, done.err) == ("1.0\n", "")
    after = (made / integrity.SEAL).read_text()
    assert before.split()[0] != after.split()[0], "the times were taken over"
    assert before.split()[1] == after.split()[1]


def test_an_environment_is_write_protected_and_can_be_replaced(with_uv: Checkout, index: IndexServer) -> None:
    """By a user who may write where the rights say so alone, as root may not without its capabilities."""
    environ = {"UV_DEFAULT_INDEX": index.url()}
    with_uv.launch(*PRINT_VERSION, environ=environ)
    [module] = with_uv.cache.glob("demo-*/lib/python*/site-packages/nbdemo.py")
    for script in ('echo >>"$0"', 'echo >"${0%/*}/new.py"', 'rm -f "$0"'):
        done = subprocess.run([*NO_ROOT, "sh", "-c", script, module], capture_output=True, text=True, check=False)
        assert "Permission denied" in done.stderr, script
    module.chmod(0o644)
    module.write_text("VERSION = '6.6'\n")
    launch = ["/bin/bash", str(with_uv.script), *PRINT_VERSION]
    own = {"PATH": PATH, "HOME": str(with_uv.home), "NOTEBOOK_CI_CACHE": str(with_uv.cache)}
    again = subprocess.run([*NO_ROOT, *launch], env=own | environ, capture_output=True, text=True, check=False)
    assert again.stdout == "1.0\n", again.stderr
    assert not with_uv.leftovers


def test_the_leftovers_of_a_killed_creator_are_removed_a_day_later(with_uv: Checkout, index: IndexServer) -> None:
    index.gate = Gate("nbdemo")
    environ = {"UV_DEFAULT_INDEX": index.url()}
    killed = with_uv.start("demo", environ=environ, cwd=Path(), script="")
    assert index.gate.reached.wait(TIMEOUT)
    old = with_uv.cache / ".new-x"
    old.mkdir()
    os.utime(old, (0, 0))
    killed.kill()
    killed.communicate()
    index.gate.opened.set()
    # Its child is an orphan now, and comes to its end by itself.
    assert wait_until(lambda: not running(str(with_uv.cache)))
    assert len(with_uv.leftovers) == 2
    assert with_uv.launch("demo", environ=environ).told["version"] == "1.0"
    assert len(with_uv.leftovers) == 1
    assert not old.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_cancelled_creator_leaves_nothing(with_uv: Checkout, index: IndexServer, number: signal.Signals) -> None:
    index.gate = Gate("nbdemo")
    creator = with_uv.start("demo", environ={"UV_DEFAULT_INDEX": index.url()}, cwd=Path(), script="")
    assert index.gate.reached.wait(TIMEOUT)
    assert len(running(str(with_uv.cache))) > 1, "the launcher and uv"
    creator.send_signal(number)
    creator.communicate(timeout=10)
    assert creator.returncode == 128 + number
    assert not running(str(with_uv.cache))
    assert not with_uv.leftovers
    assert with_uv.environments == ["uv"]
