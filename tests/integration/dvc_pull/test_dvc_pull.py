"""dvc-pull with real remotes: what it brings, what it checks, what it leaves alone."""

import hashlib
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dvc_pull import STAGE
from integration.dvc_pull.repositories import (
    IMAGES,
    KEYS,
    LEGACY,
    RAW,
    Checkout,
    dvc,
    expect,
    git,
    md5,
    pull,
    remote,
    run,
    site,
    spoil,
)
from integration.refusals import run_here
from integration.suite import ROOT, Workspace, wait_until
from servers.files import serve_files
from servers.s3 import S3


def data(folder: Path) -> dict[str, str]:
    """Return what was pulled."""
    names = ["raw.csv", "clean.csv", *(f"images/{name}" for name in IMAGES)]
    return {name: (folder / "data" / name).read_text() for name in names if (folder / "data" / name).exists()}


EVERYTHING = {"raw.csv": RAW, "clean.csv": RAW, **{f"images/{name}": text for name, text in IMAGES.items()}}


# --- What it brings


def test_everything_is_pulled_and_recorded(checkout: Checkout) -> None:
    done = pull(checkout)
    assert not expect(done, 0)
    assert data(checkout.folder) == EVERYTHING
    record = done.record
    schema = json.loads((ROOT / "docs" / "schemas" / "dvc-pull.schema.json").read_text())
    jsonschema.validate(record, schema)
    assert [entry["path"] for entry in record["data"]] == ["data/clean.csv", "data/images", "data/raw.csv"]
    assert [entry["pointer"] for entry in record["data"]] == ["dvc.lock", "data/images.dvc", "data/raw.csv.dvc"]
    assert record["data"][2] == {
        "path": "data/raw.csv",
        "pointer": "data/raw.csv.dvc",
        "hash_name": "md5",
        "hash": md5(RAW.encode()),
        "bytes": len(RAW),
        "files": 1,
    }
    assert (record["remote"], record["scheme"], record["verified"]) == ("storage", "local", True)
    assert record["dvc_version"].startswith("3.")
    assert done.outputs["files"] == "5"
    assert done.outputs["bytes"] == str(sum(map(len, EVERYTHING.values())))
    assert (
        record["read"]["data/raw.csv.dvc"]
        == hashlib.sha256((checkout.folder / "data/raw.csv.dvc").read_bytes()).hexdigest()
    )
    (manifest,) = record["created"]
    listed = json.loads((Path(done.outputs["record"]).parent / manifest).read_text())
    assert {entry["path"]: entry["hash"] for entry in listed} == {
        f"data/{name}": md5(text.encode()) for name, text in EVERYTHING.items()
    }


def test_the_digest_is_what_the_readme_says_and_the_same_elsewhere(
    checkout: Checkout, tmp_path: Path, made: Path
) -> None:
    done = pull(checkout)
    lines = (
        f"{entry['path']}\0{entry['hash_name']}:{entry['hash']}\0{entry['bytes']}\n" for entry in done.record["data"]
    )
    assert done.outputs["data-digest"] == hashlib.sha256("".join(lines).encode()).hexdigest()
    (tmp_path / "elsewhere").mkdir()
    other = Checkout.of(made, Workspace(tmp_path / "elsewhere"))
    assert pull(other).outputs["data-digest"] == done.outputs["data-digest"]


def test_nothing_of_the_repository_or_the_remote_is_changed(checkout: Checkout) -> None:
    before = checkout.listing()
    for _ in range(2):
        assert pull(checkout).code == 0
        assert checkout.listing() == before
        assert git(checkout.folder, "status", "--porcelain", "--untracked-files=all") == ""
    assert not list(checkout.cache.glob("notebook-ci-*"))


def test_a_second_pull_reads_nothing_from_the_remote(checkout: Checkout) -> None:
    assert pull(checkout).record["downloaded_files"] == 5
    shutil.rmtree(checkout.store)
    done = pull(checkout)
    assert (done.code, done.record["downloaded_files"]) == (0, 0)


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("data/raw.csv.dvc", {"raw.csv"}),
        ("data/raw.csv", {"raw.csv"}),
        ("data/images", {f"images/{name}" for name in IMAGES}),
        ("data/images/deep/3.txt", {"images/deep/3.txt"}),
        ("data", {"raw.csv", *(f"images/{name}" for name in IMAGES)}),
        ("clean", {"clean.csv"}),
        ("data/raw.csv\nclean", {"raw.csv", "clean.csv"}),
    ],
)
def test_targets(checkout: Checkout, target: str, names: set[str]) -> None:
    done = pull(checkout, targets=target)
    assert done.code == 0, done.log
    assert set(data(checkout.folder)) == names
    assert done.outputs["files"] == str(len(names))


def test_a_repository_in_a_folder_of_the_workspace(checkout: Checkout) -> None:
    inner = checkout.folder / "inner"
    inner.mkdir()
    for name in (".dvc", ".dvcignore", "data", "dvc.yaml", "dvc.lock"):
        (checkout.folder / name).rename(inner / name)
    (inner / ".dvc" / "config").write_text((inner / ".dvc" / "config").read_text().replace("../../", "../../../"))
    done = pull(checkout, dvc_dir="inner/data", targets="raw.csv.dvc")
    assert done.code == 0, done.log
    assert data(inner) == {"raw.csv": RAW}
    assert [(entry["path"], entry["pointer"]) for entry in done.record["data"]] == [
        ("inner/data/raw.csv", "inner/data/raw.csv.dvc")
    ]


def test_pointers_of_dvc_2(checkout: Checkout) -> None:
    hashed = md5(LEGACY.replace(b"\r\n", b"\n"))
    checkout.workspace.write("old.csv.dvc", f"outs:\n- md5: {hashed}\n  size: {len(LEGACY)}\n  path: old.csv\n")
    there = checkout.store / hashed[:2] / hashed[2:]
    there.parent.mkdir()
    there.write_bytes(LEGACY)
    done = pull(checkout, targets="old.csv.dvc")
    assert done.code == 0, done.log
    assert (checkout.folder / "old.csv").read_bytes() == LEGACY
    assert done.record["data"][0]["hash_name"] == "md5-dos2unix"
    spoil(there, 0o644)
    shutil.rmtree(checkout.cache)
    (checkout.folder / "old.csv").unlink()
    assert "is corrupt" in expect(pull(checkout, targets="old.csv.dvc"), 1)[0][2]


def test_a_remote_of_an_output(checkout: Checkout) -> None:
    other = checkout.workspace.base / "other"
    moved = checkout.object(RAW, other)
    moved.parent.mkdir(parents=True)
    checkout.object(RAW).rename(moved)
    with (checkout.folder / ".dvc" / "config").open("a") as file:
        file.write("['remote \"other\"']\n    url = ../../other\n")
    with (checkout.folder / "data" / "raw.csv.dvc").open("a") as file:
        file.write("  remote: other\n")
    done = pull(checkout, targets="data")
    assert done.code == 0, done.log
    assert done.record["remote"] == "storage, other"
    assert set(data(checkout.folder)) == {"raw.csv", *(f"images/{name}" for name in IMAGES)}
    done = pull(checkout, remote="storage", targets="data")
    assert done.code == 0, done.log
    assert (
        "`data/raw.csv` is in the remote `other`, not in `storage`: skipped." in done.annotations("notice")[0].message
    )


def test_what_is_never_pushed_is_left_out(checkout: Checkout) -> None:
    with (checkout.folder / "data" / "raw.csv.dvc").open("a") as file:
        file.write("  push: false\n")
    checkout.object(RAW).unlink()
    done = pull(checkout, targets="data")
    assert done.code == 0, done.log
    notice = done.annotations("notice")[0]
    assert notice.message == "`data/raw.csv` is never pushed (`push: false`): skipped."
    assert notice.place == ("data/raw.csv.dvc", 2)


def test_a_broken_pointer_that_dvc_ignores(checkout: Checkout) -> None:
    checkout.workspace.write("fixtures/broken.dvc", "outs: [")
    checkout.workspace.write(".dvcignore", "fixtures\n")
    done = pull(checkout, targets="data/raw.csv")
    assert done.code == 0, done.log
    assert data(checkout.folder) == {"raw.csv": RAW}


def test_an_import_of_another_repository(checkout: Checkout, made: Path) -> None:
    dvc(checkout.folder, "import", "--quiet", str(made / "repository"), "data/raw.csv", "-o", "imported.csv")
    shutil.rmtree(checkout.cache)
    (checkout.folder / "imported.csv").unlink()
    done = pull(checkout, targets="imported.csv.dvc")
    assert done.code == 0, done.log
    assert (checkout.folder / "imported.csv").read_text() == RAW


def test_an_import_of_an_address(checkout: Checkout) -> None:
    """Its data was pushed to the remote; DVC cannot read the pointer without what the address needs."""
    text = (checkout.folder / "data" / "raw.csv.dvc").read_text()
    checkout.workspace.write("data/raw.csv.dvc", f"frozen: true\ndeps:\n- path: s3://elsewhere/raw.csv\n{text}")
    done = pull(checkout, targets="data/raw.csv.dvc")
    assert done.code == 0, done.log
    assert (checkout.folder / "data" / "raw.csv").read_text() == RAW
    assert done.record["scheme"] == "local", "that of the remote"


def test_a_pull_on_a_laptop_says_the_same_in_words(checkout: Checkout) -> None:
    done = checkout.workspace.run("dvc-pull", environ=site(checkout.workspace))
    assert done.code == 0, done.log
    assert "::" not in done.log
    assert f"5 files, {sum(map(len, EVERYTHING.values()))} bytes" in done.log


# --- What it checks


@pytest.mark.parametrize("mode", [0o644, 0o444])
def test_a_corrupt_object_is_named_and_the_remote_left_as_it_is(checkout: Checkout, mode: int) -> None:
    spoil(checkout.object(RAW), mode)
    spoil(checkout.object(IMAGES["deep/3.txt"]), mode)
    before = checkout.listing()
    done = pull(checkout, targets="data")
    errors = expect(done, 1)
    actual = md5(b"id,species\n1,Dodo\n")
    assert [error[:2] for error in errors] == [("data/images.dvc", 2), ("data/raw.csv.dvc", 2)]
    assert errors[0][2].startswith(
        f"`data/images/deep/3.txt` of `data/images` is corrupt in the remote `storage`: its MD5 is {actual}, "
        f"not {md5(b'three' + bytes([10]))} as in `data/images.dvc`. Nothing was changed."
    )
    assert errors[1][2].startswith(
        f"`data/raw.csv` is corrupt in the remote `storage`: its MD5 is {actual} (18 of {len(RAW)} bytes), "
        f"not {md5(RAW.encode())} as in `data/raw.csv.dvc`. Nothing was changed. Where the correct file is, delete `"
    )
    assert "and run `dvc push data/raw.csv`." in errors[1][2]
    assert checkout.listing() == before
    assert not data(checkout.folder)
    assert not checkout.object(RAW, checkout.cache).exists()
    assert done.outputs["data-digest"] == ""


@pytest.mark.parametrize("mode", [0o644, 0o444])
def test_a_corrupt_list_of_a_folder(checkout: Checkout, mode: int) -> None:
    (listed,) = checkout.store.rglob("*.dir")
    spoil(listed, mode, "[]")
    before = checkout.listing()
    errors = expect(pull(checkout, targets="data/images"), 1)
    assert errors[0][:2] == ("data/images.dvc", 2)
    assert errors[0][2].startswith("`data/images` is corrupt in the remote `storage`: its MD5 is ")
    assert checkout.listing() == before


def test_without_verify_a_corrupt_object_passes(checkout: Checkout) -> None:
    spoil(checkout.object(RAW), 0o644)
    done = pull(checkout, targets="data/raw.csv", verify="false")
    assert done.code == 0, done.log
    assert data(checkout.folder) == {"raw.csv": "id,species\n1,Dodo\n"}
    assert done.record["verified"] is False
    assert "not checked, because `verify` is `false`" in done.log


def test_a_poisoned_cache_is_mended(checkout: Checkout) -> None:
    assert pull(checkout).code == 0
    shutil.rmtree(checkout.folder / "data" / "images")
    (checkout.folder / "data" / "raw.csv").unlink()
    spoil(checkout.object(RAW, checkout.cache), 0o444)
    done = pull(checkout)
    assert done.code == 0, done.log
    assert data(checkout.folder) == EVERYTHING
    warning = done.annotations("warning")[0]
    assert warning.place == ("data/raw.csv.dvc", 2)
    assert "`data/raw.csv` was corrupt in DVC's cache on this machine: its MD5 was" in warning.message
    assert (checkout.folder / ".dvc" / "tmp" / "notebook-ci" / md5(RAW.encode())).read_text() == "id,species\n1,Dodo\n"


def test_a_poisoned_cache_that_cannot_be_mended(checkout: Checkout) -> None:
    assert pull(checkout, targets="data/raw.csv").code == 0
    (checkout.folder / "data" / "raw.csv").unlink()
    spoil(checkout.object(RAW, checkout.cache), 0o444)
    checkout.object(RAW).unlink()
    done = pull(checkout, targets="data/raw.csv")
    missing = expect(done, 1)[0][2]
    assert "`data/raw.csv` is missing in the remote `storage`: " in missing
    assert " A corrupt copy is in `.dvc/tmp/notebook-ci/" in missing
    assert "`data/raw.csv` was corrupt in DVC's cache on this machine" in done.annotations("warning")[0].message
    assert not data(checkout.folder)


@pytest.mark.parametrize("link", ["hardlink", "symlink"])
def test_links_into_the_cache(checkout: Checkout, link: str) -> None:
    with (checkout.folder / ".dvc" / "config").open("a") as file:
        file.write(f"[cache]\n    type = {link}\n")
    for _ in range(2):
        done = pull(checkout)
        assert done.code == 0, done.log
        assert data(checkout.folder) == EVERYTHING
    path = checkout.folder / "data" / "raw.csv"
    assert path.samefile(checkout.object(RAW, checkout.cache))
    path.chmod(0o644)
    path.write_text("id,species\n1,Dodo\n")  # through the link: it poisons the cache
    done = pull(checkout)
    aside = checkout.folder / ".dvc" / "tmp" / "notebook-ci" / md5(RAW.encode())
    assert aside.read_text() == "id,species\n1,Dodo\n"
    if link == "symlink":  # it leads to the mended object
        assert (done.code, path.read_text()) == (0, RAW)
    else:
        assert expect(done, 1)[0][2].startswith(
            "Changed in the workspace and not saved: `data/clean.csv`, `data/raw.csv`."
        )
        assert path.read_text() == "id,species\n1,Dodo\n"


def test_a_file_that_was_changed_behind_the_back_of_dvc(checkout: Checkout) -> None:
    """DVC knows a file by its inode, size and time: the same, and it does not look into it."""
    assert pull(checkout, targets="data/raw.csv").code == 0
    path = checkout.folder / "data" / "raw.csv"
    stat = path.stat()
    with path.open("r+b") as file:
        file.write(b"ID")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    errors = expect(pull(checkout, targets="data/raw.csv"), 1)
    assert errors[0][2].startswith("`data/raw.csv` is corrupt in the workspace: its MD5 is ")


def test_work_that_is_not_saved_stays(checkout: Checkout) -> None:
    assert pull(checkout).code == 0
    path = checkout.folder / "data" / "raw.csv"
    path.unlink()
    path.write_text("mine\n")
    ((file, _, message),) = expect(pull(checkout), 1)
    assert file == "data/raw.csv"
    assert message == (
        "Changed in the workspace and not saved: `data/raw.csv`. Nothing was overwritten. Save the change with "
        "`dvc add` (or `dvc commit`), or discard it with `dvc checkout --force`."
    )
    assert path.read_text() == "mine\n"


def test_a_pull_that_is_cancelled_leaves_no_half_file(checkout: Checkout) -> None:
    with serve_files(checkout.store) as server:
        server.illness = "slow"
        checkout.remote(server.url)
        process = checkout.workspace.start("dvc-pull", {})
        assert wait_until(lambda: server.asked)
        assert wait_until(lambda: list(checkout.cache.glob("notebook-ci-*/*")))
        process.send_signal(signal.SIGTERM)
        done = checkout.workspace.end(process)
    assert done.code == 128 + signal.SIGTERM, done.log
    assert "Cancelled (SIGTERM)." in done.record["problems"][0]["message"]
    assert not [path for path in checkout.cache.rglob("*") if path.is_file()]
    assert not data(checkout.folder)


# --- Other remotes


def test_http(checkout: Checkout) -> None:
    with serve_files(checkout.store) as server:
        checkout.remote(server.url)
        done = pull(checkout, jobs="2")
        asked = len(server.asked)
    assert done.code == 0, done.log
    assert data(checkout.folder) == EVERYTHING
    assert (done.record["scheme"], done.record["remote_url"]) == ("http", server.url)
    assert asked < 20


def test_http_with_a_password_that_stands_nowhere(checkout: Checkout) -> None:
    with serve_files(checkout.store) as server:
        server.credentials = "ann:s3cr3t"
        checkout.remote(server.url, auth="basic", user="ann", password="s3cr3t")  # noqa: S106 - of loopback
        done = pull(checkout)
    assert done.code == 0, done.log
    assert data(checkout.folder) == EVERYTHING
    written = [path.read_text() for path in Path(done.outputs["record"]).parent.rglob("*") if path.is_file()]
    assert not [text for text in (*written, done.log, done.summary) if "s3cr3t" in text]


def test_s3(checkout: Checkout, s3: S3) -> None:
    checkout.remote("s3://penguins/dvc", endpointurl=s3.url)
    done = pull(checkout, KEYS)
    assert done.code == 0, done.log
    assert data(checkout.folder) == EVERYTHING
    assert (done.record["scheme"], done.record["remote_url"]) == ("s3", "s3://penguins/dvc")
    written = [path.read_text() for path in Path(done.outputs["record"]).parent.rglob("*") if path.is_file()]
    assert not [text for text in (*written, done.log, done.summary) if KEYS["AWS_SECRET_ACCESS_KEY"] in text]


def test_s3_with_a_corrupt_object(checkout: Checkout, s3: S3) -> None:
    hashed = md5(b"a penguin\n")
    s3.put(f"/penguins/dvc/files/md5/{hashed[:2]}/{hashed[2:]}", b"a puffin\n")
    checkout.workspace.write("bird.dvc", f"outs:\n- md5: {hashed}\n  hash: md5\n  path: bird\n")
    checkout.remote("s3://penguins/dvc", endpointurl=s3.url)
    errors = expect(pull(checkout, KEYS, targets="bird.dvc"), 1)
    assert f"`bird` is corrupt in the remote `storage`: its MD5 is {md5(b'a puffin' + bytes([10]))}" in errors[0][2]
    assert f"delete `s3://penguins/dvc/files/md5/{hashed[:2]}/{hashed[2:]}` and run `dvc push bird`" in errors[0][2]


VERSIONING = b"""\
<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>
"""


def test_s3_with_versions(workspace: Workspace, s3: S3) -> None:
    """The remote holds the files by their names, and a pointer the version of each."""
    s3.put("/versioned")
    s3.put("/versioned?versioning", VERSIONING)
    git(workspace.folder, "init", "--quiet")
    dvc(workspace.folder, "init", "--quiet")
    workspace.write("a.csv", "a\n")
    workspace.write("folder/b.csv", "b\n")
    dvc(workspace.folder, "add", "--quiet", "a.csv", "folder")
    workspace.write(".dvc/config", remote("s3://versioned/tree", endpointurl=s3.url, version_aware="true"))
    dvc(workspace.folder, "push", "--quiet", tools="dvc-s3", environ=KEYS)
    shutil.rmtree(workspace.folder / ".dvc" / "cache")
    shutil.rmtree(workspace.folder / "folder")
    (workspace.folder / "a.csv").unlink()
    done = workspace.run("dvc-pull", {}, environ={**KEYS, **site(workspace)})
    assert done.code == 0, done.log
    assert (workspace.folder / "a.csv").read_text() == "a\n"
    assert (workspace.folder / "folder" / "b.csv").read_text() == "b\n"
    assert done.outputs["files"] == "2"


# --- The key of the cache


def key(checkout: Checkout, environ: dict[str, str] | None = None, **inputs: str) -> dict[str, str]:
    done = run_here(checkout.workspace, STAGE, inputs, environ, ["--name-cache"])
    assert done.code == 0, done.log
    return dict(done.outputs)


def test_the_key_follows_the_pointers(checkout: Checkout) -> None:
    checkout.remote("https://data.example/x")
    first = key(checkout)
    assert first == key(checkout)
    assert first["key"].startswith(first["restore-keys"])
    assert first["path"] == str(checkout.cache.resolve())
    (checkout.folder / "data" / "raw.csv.dvc").write_text(f"outs:\n- md5: {'0' * 32}\n  path: raw.csv\n")
    second = key(checkout)
    assert second["key"] != first["key"]
    assert second["restore-keys"] == first["restore-keys"]
    assert key(checkout, targets="data")["key"] != second["key"]


def test_a_folder_is_not_cached(checkout: Checkout) -> None:
    assert key(checkout) == {}


def test_wrong_inputs_have_no_key(checkout: Checkout) -> None:
    assert key(checkout, jobs="many") == {}
    assert key(checkout, remote="nowhere") == {}


@pytest.mark.parametrize(
    ("event", "given", "keys"),
    [
        ({"repository": {"private": False}}, "", 0),
        ({"repository": {"private": False}}, "true", 3),
        ({"repository": {"private": True}}, "", 3),
        ({"repository": {"private": True}}, "false", 0),
        ({}, "", 3),
    ],
)
def test_forks_can_read_no_cache_of_a_public_repository(
    checkout: Checkout, event: dict[str, Any], given: str, keys: int
) -> None:
    checkout.remote("https://data.example/x")
    path = checkout.workspace.base / "event.json"
    path.write_text(json.dumps(event))
    assert len(key(checkout, {"GITHUB_EVENT_PATH": str(path)}, cache=given)) == keys


# --- The example


def test_the_penguins_have_their_data(workspace: Workspace) -> None:
    shutil.copytree(ROOT / "examples" / "penguins", workspace.folder, dirs_exist_ok=True)
    (workspace.folder / "data" / "penguins_raw.csv").unlink(missing_ok=True)
    git(workspace.folder, "init", "--quiet")
    git(workspace.folder, "add", "--all")
    assert "dvc-storage/files/md5" in run(workspace.folder, "git", "ls-files", "dvc-storage")
    done = workspace.run("dvc-pull", {}, environ=site(workspace))
    assert done.code == 0, done.log
    csv = (workspace.folder / "data" / "penguins_raw.csv").read_bytes()
    assert hashlib.sha256(csv).hexdigest() == "144f623143c9360fd77322a4f86acb06dc198814dbd2669724c63e6457b907bd"
    assert git(workspace.folder, "status", "--porcelain").replace("A  ", "").count("penguins_raw.csv\n") == 0
