"""Stands in for actions/cache 6.1.0: a cache of one repository, kept in the folder $HARNESS_CACHE.

As with the real one: an entry is found by its key and by the list of paths it was saved with; it is never replaced; the
key itself and then each restore key match by prefix, the newest entry first; the output `cache-hit` is "true" for the
exact key, "false" for a prefix, and not set at all on a miss; nothing that goes wrong while saving fails the step.
Not imitated: the branch an entry belongs to, and sizes and ages that make entries go.
"""

import hashlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from standins import toolkit

ELSEWHERE = "ELSEWHERE"  # the archive of paths outside the job's folders


@dataclass(frozen=True)
class Entry:
    """One saved cache.

    Attributes:
        key: The key it was saved under.
        paths: The lines of the input `path`, folders of the job written as e.g. `$GITHUB_WORKSPACE`.
        saved_at: When it was saved, in nanoseconds of the Unix clock.
        files: The folder of what was saved: an archive for each of the job's folders, e.g. `GITHUB_WORKSPACE.tar`.
    """

    key: str
    paths: tuple[str, ...]
    saved_at: int
    files: Path


def entries(storage: Path) -> list[Entry]:
    """All entries of a cache, the newest first."""
    found = []
    for description in storage.glob("*/entry.json"):
        content = json.loads(description.read_text(encoding="utf-8"))
        paths = tuple(content["paths"])
        found.append(Entry(content["key"], paths, content["saved_at"], description.parent / "files"))
    return sorted(found, key=lambda entry: entry.saved_at, reverse=True)


def restore() -> None:
    """`actions/cache/restore`: sets the keys as outputs."""
    toolkit.set_output("cache-primary-key", toolkit.text("key"))
    if entry := _restore():
        toolkit.set_output("cache-matched-key", entry.key)


def restore_and_remember() -> None:
    """`actions/cache`: its `post` part needs to know what was restored."""
    toolkit.save_state("key", toolkit.text("key"))
    if entry := _restore():
        toolkit.save_state("matched", entry.key)


def save() -> None:
    """`actions/cache/save`."""
    _save(toolkit.text("key"))


def save_if_changed() -> None:
    """The `post` part of `actions/cache`: saves unless the very key was restored."""
    key = toolkit.state("key")
    if _same(key, toolkit.state("matched")):
        print(f"Cache hit occurred on the primary key {key}, not saving cache.")
    else:
        _save(key)


def _restore() -> Entry | None:
    key, restore_keys = toolkit.text("key"), toolkit.lines("restore-keys")
    entry = _find(key, restore_keys)
    if entry is None:
        if toolkit.flag("fail-on-cache-miss"):
            raise toolkit.StandinError(
                f"Failed to restore cache entry. Exiting as fail-on-cache-miss is set. Input key: {key}"
            )
        print(f"Cache not found for input keys: {', '.join([key, *restore_keys])}")
        return None
    toolkit.set_output("cache-hit", str(_same(key, entry.key)).lower())
    if toolkit.flag("lookup-only"):
        print(f"Cache found and can be restored from key: {entry.key}")
        return entry
    for variable, folder in _folders().items():
        if (archive := entry.files / f"{variable}.tar").exists():
            folder.mkdir(parents=True, exist_ok=True)
            subprocess.run(["tar", "--extract", "--file", archive, "--directory", folder], check=True)
    print(f"Cache restored from key: {entry.key}")
    return entry


def _find(key: str, restore_keys: list[str]) -> Entry | None:
    candidates = [entry for entry in entries(_storage()) if entry.paths == _paths()]
    for entry in candidates:
        if _same(entry.key, key):
            return entry
    # GitHub also takes the key itself as a prefix, which few expect: "data-1" is served by an entry "data-12".
    for prefix in [key, *restore_keys]:
        for entry in candidates:
            if entry.key.startswith(prefix):
                return entry
    return None


def _save(key: str) -> None:
    found = list(_selected())
    if not found:
        print("[warning]Path Validation Error: Path(s) specified in the action for caching do(es) not exist.")
        toolkit.command("warning", "Cache save failed.")
        return
    _storage().mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(json.dumps([key, _paths()]).encode()).hexdigest()[:16]
    with tempfile.TemporaryDirectory(dir=_storage(), prefix=".saving-") as scratch:
        entry = Path(scratch) / "entry"
        (entry / "files").mkdir(parents=True)
        for path in found:
            variable, inside = _place(path)
            # As the real one does; a copy of all files of an environment would take seconds.
            archive = entry / "files" / f"{variable}.tar"
            command = ["tar", "--posix", "--append", f"--file={archive}", f"--directory={_folders()[variable]}"]
            done = subprocess.run([*command, "--", inside], check=False)
            # 1: "file changed as we read it". uv links files from its cache, and each further link of another
            # job changes the time of the file's status, not its content.
            if done.returncode not in (0, 1):
                done.check_returncode()
        description = {"key": key, "paths": _paths(), "saved_at": time.time_ns()}
        (entry / "entry.json").write_text(json.dumps(description), encoding="utf-8")
        try:
            entry.rename(_storage() / name)  # fails if it is there: entries never change
        except OSError:
            print(f"Failed to save: Unable to reserve cache with key {key}, another job may be creating this cache.")
            toolkit.command("warning", "Cache save failed.")
            return
    print(f"Cache saved with key: {key}")


def _selected() -> Iterator[Path]:
    """What the input `path` names. `!` takes away matches as they stand, not what lies in a folder that is kept."""
    wanted: dict[Path, None] = {}
    for line in toolkit.lines("path"):
        for path in toolkit.find(toolkit.absolute(line.removeprefix("!").strip())):
            if line.startswith("!"):
                wanted.pop(path, None)
            else:
                wanted[path] = None
    yield from wanted


def _paths() -> tuple[str, ...]:
    return tuple(_portable(line) for line in toolkit.lines("path"))


def _portable(path: str) -> str:
    """The path with the job's folder in it replaced: its name is fixed on GitHub, but a new one in each run of act."""
    for variable, folder in _job_folders().items():
        if path == str(folder) or path.startswith(f"{folder}/"):
            return f"${variable}{path.removeprefix(str(folder))}"
    return path


def _place(path: Path) -> tuple[str, Path]:
    """The folder that a path is kept for, by its name in `_folders`, and the path in it."""
    return next((name, path.relative_to(folder)) for name, folder in _folders().items() if path.is_relative_to(folder))


def _folders() -> dict[str, Path]:
    return {**_job_folders(), ELSEWHERE: Path("/")}


def _job_folders() -> dict[str, Path]:
    return {name: Path(os.environ[name]) for name in ("GITHUB_WORKSPACE", "RUNNER_TEMP", "HOME")}


def _storage() -> Path:
    return Path(os.environ["HARNESS_CACHE"])


def _same(key: str, other: str) -> bool:
    """GitHub compares keys without regard to case."""
    return key.casefold() == other.casefold()
