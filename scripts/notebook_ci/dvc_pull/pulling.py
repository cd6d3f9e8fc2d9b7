"""Pulls data: first into DVC's cache, where each object is checked, then into the workspace.

Content that does not match its pointer never gets into the cache, and so never into the workspace.
"""

import functools
import hashlib
import json
import os
import shutil
import tempfile
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from notebook_ci.base.errors import CheckFailed, InputError, NotebookCiError, Problem, Severity, SurroundingsError
from notebook_ci.base.files import bytes_in
from notebook_ci.base.markdown import count
from notebook_ci.base.texts import command_line, quote
from notebook_ci.base.typed_json import to_json
from notebook_ci.base.worker import progress as tell
from notebook_ci.dvc_pull.faults import FORKS
from notebook_ci.dvc_pull.protocol import Request, Result
from notebook_ci.dvc_pull.remotes import RemoteStore
from notebook_ci.dvc_pull.repository import Repository, Tracked
from notebook_ci.dvc_pull.transfer import Progress, Silence, at_once
from notebook_ci.records.dvc_pull import PulledData

MOST_FAULTS = 50
HASHING = max(2, os.cpu_count() or 1)
SET_ASIDE = "notebook-ci"


def pull(request: Request, result: Result) -> None:
    """Pull the data. If data is wrong, `result` says so and the workspace is not changed."""
    _Pull(request, result).run()


class _Pull:
    """One pull. It fills `result` as the work goes on."""

    def __init__(self, request: Request, result: Result) -> None:
        self._request = request
        self._result = result
        self._repository = Repository(request)
        self._faults: list[NotebookCiError] = []
        # Cached path -> all files with this content; each file has its own line in a pointer.
        self._sharing: dict[Path, list[Tracked]] = {}
        self._right: set[Path] = set()  # paths whose content was checked and is right

    def run(self) -> None:
        self._result.dvc_version = self._repository.version
        tracked, self._faults = self._repository.outputs()
        outputs = [output for output in tracked if self._is_expected(output)]
        if not tracked and not self._faults:
            self._report("notice", "DVC tracks no data here.")
        self._bring(outputs)
        files = {output: self._files(output) for output in outputs}
        self._bring(file for output, each in files.items() if output.is_folder for file in each)
        if not self._faults:
            everything = not self._request.targets and outputs == tracked
            self._repository.checkout(None if everything else outputs)
            self._check_workspace(file for each in files.values() for file in each)
        if self._faults:
            self._result.fail(*_bounded(self._faults))
        else:
            self._sum_up(files)

    def _is_expected(self, output: Tracked) -> bool:
        """Notice an output that no remote has, or only another remote than the given one."""
        own = output.handle.remote
        if self._request.remote and own and own != self._request.remote:
            what = f"is in the remote {quote(own)}, not in {quote(self._request.remote)}: skipped"
        elif not output.handle.can_push and not output.cached.exists():
            what = "is never pushed (`push: false`): skipped"
        else:
            return True
        self._report("notice", f"{quote(output.shown)} {what}.", output)
        return False

    def _report(self, severity: Severity, message: str, output: Tracked | None = None) -> None:
        file, line = (output.pointer, output.line) if output else (None, None)
        self._result.problems.append(Problem(severity=severity, message=message, file=file, line=line))

    def _files(self, output: Tracked) -> list[Tracked]:
        """Return the files of an output; none if its list of files could not be brought, or is wrong."""
        if not output.is_folder:
            return [output]
        if output.by_dvc or output.cached.exists():
            try:
                return list(self._repository.files(output))
            except CheckFailed as error:
                self._faults.append(error)
        return []

    def _bring(self, items: Iterable[Tracked]) -> None:
        """Bring the content of items into the cache, checked."""
        self._sharing = {}
        for each in items:
            self._sharing.setdefault(each.cached, []).append(each)
        needed = {path: sharing[-1] for path, sharing in self._sharing.items()}
        present = {path: each for path, each in needed.items() if path.exists()}
        for each, actual in self._wrong("Checked in the cache", present):
            self._set_aside(each, actual)
        missing = [each for path, each in needed.items() if not path.exists()]
        self._let_dvc_fetch([each for each in missing if each.by_dvc])
        rest = [each for each in missing if not each.by_dvc]
        for name in sorted({each.remote for each in rest}):
            self._download(name, [each for each in rest if each.remote == name])

    def _let_dvc_fetch(self, items: Sequence[Tracked]) -> None:
        """Let DVC fetch what its remotes do not store by hash: imports, and objects of versioned remotes."""
        if not items:
            return
        outputs = list(dict.fromkeys(each.folder or each for each in items))
        tell(f"DVC fetches imports and versioned data: {len(outputs):,} files and folders")
        self._repository.fetch(outputs)
        there = {each.cached: each for each in items if each.cached.exists()}
        self._result.downloaded_files += sum(not each.is_folder for each in there.values())
        self._result.downloaded_bytes += sum(path.stat().st_size for path in there)
        for each in items:
            if each.cached not in there:
                self._faults += map(_not_fetched, self._sharing[each.cached])
        for each, actual in self._wrong("Checked", there):
            each.cached.unlink()
            for file in self._sharing[each.cached]:
                self._faults.append(_corrupt(file, actual, "where it was fetched from"))

    def _set_aside(self, each: Tracked, actual: str) -> None:
        """Move corrupt content of the cache aside, so that it is fetched again."""
        aside = self._aside(each)
        aside.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(each.cached, aside)
        message = (
            f"{quote(each.shown)} was corrupt in DVC's cache on this machine: its MD5 was {actual}, not {each.md5} as "
            f"in {quote(each.pointer)}. It was moved to {quote(self._repository.show(aside))} and is pulled again."
        )
        self._report("warning", message, each)

    def _aside(self, each: Tracked) -> Path:
        return self._repository.temporary / SET_ASIDE / each.hash

    def _download(self, name: str, items: Sequence[Tracked]) -> None:
        if not name:
            message = f"There is no remote to pull {quote(items[0].shown)} from: no default is set."
            hint = "Run `dvc remote add -d NAME URL`, commit `.dvc/config`, and run `dvc push`; or set `remote`."
            raise items[0].error(InputError, message, hint)
        store = self._repository.store(name)
        tell(f"Pulling {count(len(items), 'file')} from {store.shown}")
        cache = self._repository.cache
        cache.mkdir(parents=True, exist_ok=True)
        # For incomplete downloads; on the same disk as the cache, so that a finished file can be moved.
        with tempfile.TemporaryDirectory(prefix="notebook-ci-", dir=cache, ignore_cleanup_errors=True) as temporary:
            folder = Path(temporary)
            progress = Progress("Pulled", len(items), written=lambda: bytes_in(folder))
            work = functools.partial(self._read, store, folder, progress)
            jobs = self._request.jobs or store.jobs
            try:
                for each, faults in at_once(work, items, jobs=jobs, progress=progress, silence=store.silence):
                    self._faults += faults
                    if not faults:
                        progress.bytes += (size := each.cached.stat().st_size)
                        self._result.downloaded_files += 1
                        self._result.downloaded_bytes += size
            except Silence as error:
                raise store.explain(error) from error

    def _read(self, store: RemoteStore, folder: Path, progress: Progress, each: Tracked) -> list[NotebookCiError]:
        """Read one object into the cache; return what is wrong with it, for each file that has this content."""
        temporary, sharing = folder / f"{each.hash_name}-{each.hash}", self._sharing[each.cached]
        try:
            found = store.read(each.hash_name, each.hash, temporary)
        except Exception as error:
            traceback.print_exception(error)  # for the log
            raise store.explain(error) from error
        if not found:
            return [self._missing(file, store) for file in sharing]
        progress.hashing.add(temporary)
        actual = _digest(temporary, each.hash_name) if self._request.verify else each.md5
        progress.hashing.discard(temporary)
        if actual != each.md5:
            got = temporary.stat().st_size
            temporary.unlink()
            where = f"in the remote {quote(store.name)}"
            return [_corrupt(file, actual, where, store=store, got=got) for file in sharing]
        each.cached.parent.mkdir(parents=True, exist_ok=True)
        each.handle.cache.protect(str(temporary))
        temporary.replace(each.cached)
        self._right.add(each.cached)
        return []

    def _missing(self, each: Tracked, store: RemoteStore) -> CheckFailed:
        aside = self._aside(each)
        spoilt = f" A corrupt copy is in {quote(self._repository.show(aside))}." if aside.exists() else ""
        return each.error(
            CheckFailed,
            f"{quote(each.shown)} is missing in the remote {quote(store.name)}: "
            f"`{store.show(each.hash_name, each.hash)}` does not exist.{spoilt}",
            f"Run this where the file exists: {command_line('dvc push {}', each.of)}.",
        )

    def _check_workspace(self, files: Iterable[Tracked]) -> None:
        """Check the files that notebooks read, and not only those in the cache."""
        unchecked = {}
        for file in files:
            if not file.path.is_file():
                hint = "Check whether `.dvcignore` names it."
                message = f"{quote(file.shown)} is not in the workspace after the checkout."
                self._faults.append(file.error(CheckFailed, message, hint))
            # A link into the cache needs no second check: its content was checked there.
            elif file.cached not in self._right or not file.path.samefile(file.cached):
                unchecked[file.path] = file
        for file, actual in self._wrong("Checked", unchecked):
            self._faults.append(_corrupt(file, actual, "in the workspace"))

    def _wrong(self, what: str, items: Mapping[Path, Tracked]) -> Iterator[tuple[Tracked, str]]:
        """Hash files by path; yield each item whose content is not that of its pointer, and the actual hash."""
        if not self._request.verify:
            return
        progress = Progress(what, len(items))
        digests = at_once(
            lambda item: _digest(item[0], item[1].hash_name), items.items(), jobs=HASHING, progress=progress
        )
        for (path, each), actual in digests:
            progress.bytes += path.stat().st_size
            if actual == each.md5:
                self._right.add(path)
            else:
                yield each, actual

    def _sum_up(self, files: Mapping[Tracked, Sequence[Tracked]]) -> None:
        result, digest = self._result, hashlib.sha256()
        listed: list[dict[str, Any]] = []
        for output, each in files.items():
            content: list[dict[str, Any]] = [
                {"path": file.shown, "hash_name": file.hash_name, "hash": file.hash, "bytes": file.path.stat().st_size}
                for file in each
            ]
            listed += content
            data = PulledData(
                path=output.shown,
                pointer=output.pointer,
                hash_name=output.hash_name,
                hash=output.hash,
                bytes=sum(file["bytes"] for file in content),
                files=len(each),
            )
            result.data.append(data)
            digest.update(f"{data.path}\0{data.hash_name}:{data.hash}\0{data.bytes}\n".encode())
        result.data_digest = digest.hexdigest()
        result.files, result.bytes = len(listed), sum(each.bytes for each in result.data)
        if listed:
            text = json.dumps(to_json(listed), indent=1, ensure_ascii=False)
            Path(self._request.manifest).write_text(f"{text}\n", "utf-8")
        checked = "checked" if self._request.verify else "not checked, because `verify` is `false`"
        tell(f"{count(len(listed), 'file')}, {result.bytes:,} bytes, content {checked}")


def _digest(path: Path, hash_name: str) -> str:
    """Return a file's hash as DVC computes it; DVC 2 (`md5-dos2unix`) read Windows line ends as Unix ones."""
    if hash_name == "md5":
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    from dvc_data.hashfile.hash import file_md5

    return str(file_md5(str(path), name=hash_name))


def _corrupt(
    each: Tracked, actual: str, where: str, *, store: RemoteStore | None = None, got: int | None = None
) -> CheckFailed:
    expected = None if each.folder or each.is_folder else each.handle.meta.size  # of a folder, it is the sum
    sizes = f" ({got:,} of {expected:,} bytes)" if got is not None and expected is not None and got != expected else ""
    what = f" of {quote(each.of)}" if each.folder else ""
    hint = (
        f"Nothing was changed. Where the correct file is, delete `{store.show(each.hash_name, each.hash)}` and "
        f"run {command_line('dvc push {}', each.of)}."
        if store
        else "Another program changed it: save it with `dvc add`, or restore it with `dvc checkout --force`."
    )
    return each.error(
        CheckFailed,
        f"{quote(each.shown)}{what} is corrupt {where}: its MD5 is {actual}{sizes}, not {each.md5} as in "
        f"{quote(each.pointer)}.",
        hint,
    )


def _not_fetched(each: Tracked) -> SurroundingsError:
    # DVC gives the reason only in its log.
    return each.error(
        SurroundingsError,
        f"{quote(each.shown)} is an import or versioned data, and DVC could not fetch it.",
        f"Check that its source in {quote(each.pointer)} exists and that this job may read it. {FORKS}",
    )


def _bounded(faults: Sequence[NotebookCiError]) -> list[NotebookCiError]:
    """Return at most `MOST_FAULTS` errors, plus one that counts those left out."""
    ordered = sorted(faults, key=lambda error: (error.file or "", error.line or 0, error.message))
    if len(ordered) <= MOST_FAULTS:
        return ordered
    more = CheckFailed(f"{len(ordered) - MOST_FAULTS:,} more files are missing or corrupt.")
    return [*ordered[:MOST_FAULTS], more]
