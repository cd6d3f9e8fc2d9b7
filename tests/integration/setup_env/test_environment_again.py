"""An existing environment is used again, or replaced if something differs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from integration.index_server import make_wheel
from integration.local_package import local_package
from integration.setup_env.shops import ONE, Shop, ask, cache_key, copied_python, installed
from integration.suite import PATH, PROJECT, PYTHON


def rewrite(path: Path) -> None:
    """Replace the version in a file, which keeps its size and its times: byte-code may still be there for it."""
    before = path.stat()
    content = path.read_bytes()
    path.unlink()  # uv's cache may have the same file
    path.write_bytes(content.replace(b"1.0", b"6.6"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


# --- Used again, or replaced


def test_a_whole_environment_is_used_again(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    first = shop.setup()
    asked = len(shop.index.asked)
    second = shop.setup()
    assert (second.code, second.record["reused"], installed(second)) == (0, True, ONE)
    assert second.outputs["env-digest"] == first.outputs["env-digest"]
    assert second.outputs["record"].endswith("setup-env-2.json")
    assert len(shop.index.asked) == asked, "no index was asked"


@pytest.mark.parametrize("include", ['-r "base.txt"', r"-r bas\e.txt"])
def test_what_uv_includes_belongs_to_the_lock(shop: Shop, include: str) -> None:
    shop.workspace.write("requirements.txt", f"{include}\n{shop.hashed('ipykernel')}")
    for names, expected in ((["nbone"], ONE), (["nbone", "nbtwo"], {**ONE, "nbtwo": "1.0"})):
        shop.workspace.write("base.txt", shop.hashed(*names))
        done = shop.setup()
        assert (done.code, installed(done)) == (0, expected), done.log


@pytest.mark.parametrize("change", ["package removed", "package added", "lock", "python", "half-made", "emptied"])
def test_a_changed_one_is_made_anew(shop: Shop, change: str) -> None:
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    first = shop.setup()
    venv = Path(first.outputs["python"]).parents[1]
    site = Path(ask(first, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    environ, expected = {}, ONE
    match change:
        case "package removed":
            shutil.rmtree(site / "nbone-1.0.dist-info")
        case "package added":
            shutil.copytree(site / "nbone-1.0.dist-info", site / "odd-3.dist-info")
            metadata = site / "odd-3.dist-info" / "METADATA"
            metadata.write_text(metadata.read_text().replace("nbone", "odd"))
        case "lock":
            shop.workspace.write("requirements.txt", shop.hashed("nbone", "nbtwo", "ipykernel"))
            expected = {**ONE, "nbtwo": "1.0"}
        case "python":
            environ = {"PATH": f"{copied_python(shop.workspace.base / 'other').parent}:{PATH}"}
        case "half-made":
            (venv / "notebook-ci.json").write_text("{}\n")
        case "emptied":
            shutil.rmtree(venv / "bin")
    second = shop.setup(environ)
    said = f"Files in `{venv}` have changed since setup-env created it: it is created again."
    assert (said in second.log) == (change not in {"lock", "python", "half-made"})
    assert (second.code, second.record["reused"], installed(second)) == (0, False, expected), second.log
    assert ask(second, "import nbone; print(nbone.VERSION)") == "1.0"
    if change == "python":
        assert ask(second, "import sys; print(sys.base_prefix)") == str(shop.workspace.base / "other")
    assert (second.outputs["env-digest"] == first.outputs["env-digest"]) == (expected == ONE)


@pytest.mark.parametrize("change", ["file", "byte-code", "file added", "link"])
def test_one_with_a_changed_file_is_made_anew(shop: Shop, change: str) -> None:
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    first = shop.setup()
    module = Path(ask(first, "import nbone; print(nbone.__file__)"))
    [compiled] = module.parent.glob("__pycache__/nbone.*")
    match change:
        case "file":
            rewrite(module)
            compiled.unlink()
        case "byte-code":
            rewrite(compiled)
        case "file added":
            (module.parent / "x.pth").write_text("import nbone; nbone.VERSION = '6.6'\n")
        case "link":
            outside = shop.workspace.base / "nbone.py"
            outside.write_text("VERSION = '6.6'\n")
            module.unlink()
            module.symlink_to(outside)
    assert ask(first, "import nbone; print(nbone.VERSION)") == "6.6", "the change is one that counts"
    second = shop.setup()
    assert (second.record["reused"], ask(second, "import nbone; print(nbone.VERSION)")) == (False, "1.0")
    [notice] = second.annotations("notice")
    venv = Path(first.outputs["python"]).parents[1]
    assert notice.message == f"Files in `{venv}` have changed since setup-env created it: it is created again."


def test_one_from_a_cache_is_used_again(shop: Shop) -> None:
    """Its files are the same, with other times. A file that was changed on the way is found."""
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    venv = Path(shop.setup().outputs["python"]).parents[1]
    kept = venv.rename(venv.with_name("kept"))
    shutil.copytree(kept, venv, symlinks=True)
    for _ in range(2):
        assert shop.setup().record["reused"]
    shutil.rmtree(venv)
    [module] = kept.glob("lib/python*/site-packages/nbone.py")
    rewrite(module)
    shutil.copytree(kept, venv, symlinks=True)
    done = shop.setup()
    assert (done.record["reused"], ask(done, "import nbone; print(nbone.VERSION)")) == (False, "1.0")


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml"])
def test_a_list_is_resolved_again_and_used_again_if_the_packages_are_the_same(shop: Shop, name: str) -> None:
    text = "nbone\nipykernel\n" if name == "requirements.txt" else PROJECT.format('"nbone", "ipykernel"')
    shop.workspace.write(name, text)
    first, key = shop.setup(), cache_key(shop)
    assert (first.code, installed(first), first.record["fixed"]) == (0, ONE, False), first.log
    assert first.annotations("notice")[0].message.startswith(f"`{name}` does not fix all versions by hash: ")
    second = shop.setup()
    assert (second.record["reused"], second.outputs["env-digest"]) == (True, first.outputs["env-digest"]), second.log
    # The index gets another version, then other content of the same version.
    for metadata in ("", "Summary: other\n"):
        make_wheel(shop.index.folder, "nbone", "2.0", metadata)
        newer = shop.setup()
        assert (newer.record["reused"], installed(newer)["nbone"]) == (False, "2.0"), newer.log
        assert cache_key(shop) not in {key, ""}
        key = cache_key(shop)
    info = ask(newer, "import importlib.metadata as m; print(m.metadata('nbone')['Summary'])")
    assert info == "other"


def test_a_list_that_may_give_something_else_is_installed_again(shop: Shop) -> None:
    """Code of the repository has no hash; without an age, another ipykernel may be added another time."""
    local_package(shop.workspace, "x")
    sources = '[tool.uv.sources]\nlocal = { path = "pkg" }\n'
    shop.workspace.write("pyproject.toml", PROJECT.format('"local", "ipykernel"') + sources)
    assert cache_key(shop) == ""
    for text in ("one", "two"):
        shop.workspace.write("pkg/code.txt", text)
        done = shop.setup()
        assert (done.record["reused"], ask(done, "import local; print(local.CODE)")) == (False, text), done.log
    shop.workspace.write("requirements.txt", "nbone\n")
    assert [shop.setup().record["reused"] for _ in range(2)] == [False, False]


def test_one_that_was_moved_is_made_anew(shop: Shop) -> None:
    """Its programs have its path in them."""
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    first = shop.setup(venv="first")
    Path(first.outputs["python"]).parents[1].rename(shop.workspace.folder / "second")
    second = shop.setup(venv="second")
    assert (second.code, second.record["reused"]) == (0, False), second.log
    program = shop.workspace.folder / "second" / "bin" / "nbone"
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == "1.0\n"


def test_a_file_that_was_edited_in_place_does_not_come_back_from_uvs_cache(shop: Shop) -> None:
    """uv links it to its cache: whoever edits one of the two edits both. The RECORD of the package shows it."""
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    module = Path(ask(shop.setup(), "import nbone; print(nbone.__file__)"))
    if module.stat().st_nlink == 1:  # on disks where uv copies or clones
        [module] = (shop.workspace.base / "uv").glob("archive-v*/*/nbone.py")
    module.write_text(module.read_text().replace("1.0", "6.6"))
    for slug in ("", "other"):
        done = shop.setup(slug=slug)
        assert (done.code, ask(done, "import nbone; print(nbone.VERSION)")) == (0, "1.0"), done.log
        assert done.annotations("notice")[-1].message == (
            "Files of nbone in uv's cache are not the original ones, so all packages are downloaded again. "
            "Run `uv cache clean` to repair it."
        )
        assert shop.setup(slug=slug).record["reused"]


def test_byte_code_in_a_wheel_is_compiled_again_without_a_word(shop: Shop) -> None:
    """As in numpy 1.26 to 2.2: it then differs from the RECORD, which must not look like an edit in uv's cache."""
    compiled = f"__pycache__/nbone.{sys.implementation.cache_tag}.pyc"
    make_wheel(shop.index.folder, "nbone", "1.1", more={compiled: "old"})
    shop.workspace.write("requirements.txt", "nbone==1.1\nipykernel\n")
    done = shop.setup()
    module = Path(ask(done, "import nbone; print(nbone.__file__)"))
    assert (module.parent / compiled).read_bytes() != b"old"
    assert (done.code, "original ones" in done.log) == (0, False), done.log


# --- What stays as it is


def test_where_a_new_one_fails_the_old_one_stays(shop: Shop) -> None:
    lock = shop.hashed("nbone", "ipykernel")
    shop.workspace.write("requirements.txt", lock)
    first = shop.setup()
    shop.workspace.write("requirements.txt", "nbnoe==1.0\n")
    failed = shop.setup()
    assert (failed.code, failed.outputs["status"], failed.outputs["python"]) == (3, "error", "")
    assert ask(first, "import nbone; print(nbone.VERSION)") == "1.0"
    shop.workspace.write("requirements.txt", lock)
    assert shop.setup().record["reused"]


def test_what_a_killed_job_did_not_come_to_remove_replaces_nothing(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    first = shop.setup()
    venv = Path(first.outputs["python"]).parents[1]
    (venv.with_name(".notebook-ci-venv.notebook-ci-before") / "half").mkdir(parents=True)
    shop.workspace.write("requirements.txt", "nbnoe==1.0\n")
    assert shop.setup().code == 3
    assert ask(first, "import nbone; print(nbone.VERSION)") == "1.0"


def test_what_a_killed_job_has_set_aside_is_taken_away(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    venv = Path(shop.setup().outputs["python"]).parents[1]
    before = venv.rename(venv.with_name(".notebook-ci-venv.notebook-ci-before"))
    venv.mkdir()
    (venv / "notebook-ci.json").write_text("{}\n")
    done = shop.setup()
    assert (done.code, installed(done)) == (0, ONE)
    assert not before.exists()


def test_plain_requirements_are_never_stale(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", "nbone\nipykernel\n")
    first = shop.setup()
    make_wheel(shop.index.folder, "nbone", "2.0")
    second = shop.setup()
    assert (installed(first)["nbone"], installed(second)["nbone"]) == ("1.0", "2.0")
    assert not second.record["reused"]
    assert second.outputs["env-digest"] != first.outputs["env-digest"]


def test_the_digest_is_that_of_the_content(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", shop.hashed("nbone", "ipykernel"))
    shop.workspace.write("plain.txt", "ipykernel\nnbone==1.0\n")
    first, second = shop.setup(), shop.setup(venv="elsewhere/venv", requirements="plain.txt", slug="b")
    assert second.outputs["python"] == str(shop.workspace.folder / "elsewhere/venv/bin/python")
    assert first.outputs["env-digest"] == second.outputs["env-digest"]
    make_wheel(shop.index.folder, "nbone", "1.1")
    shop.workspace.write("plain.txt", "ipykernel\nnbone==1.1\n")
    third = shop.setup(requirements="plain.txt", slug="c")
    assert third.outputs["python"].endswith("notebook-ci-venv-c/bin/python")
    assert third.outputs["env-digest"] != first.outputs["env-digest"]
    assert len(third.outputs["env-digest"]) == 64


@pytest.mark.parametrize("what", ["folder", "venv", "file", "dangling link"])
def test_a_folder_that_is_not_ours_is_refused(shop: Shop, what: str) -> None:
    shop.workspace.write("requirements.txt", "ipykernel\n")
    target = shop.workspace.folder / "mine"
    match what:
        case "folder":
            shop.workspace.write("mine/thesis.txt", "years of work\n")
        case "venv":
            subprocess.run([PYTHON, "-m", "venv", "--without-pip", target], check=True)
        case "file":
            target.write_text("x")
        case "dangling link":
            target.symlink_to("nowhere")
    before = sorted(map(str, target.rglob("*")))
    done = shop.setup(venv="mine")
    assert done.code == 2
    assert done.annotations()[0].message == (
        f"`venv` is `{target}`, which already exists and was not created by setup-env. "
        "Set `venv` to another folder, or delete this one."
    )
    assert sorted(map(str, target.rglob("*"))) == before
    assert not shop.index.asked
