"""Pulls data: first into DVC's cache, where each object is checked, then into the workspace.

Content that does not match its pointer never gets into the cache, and so never into the workspace.
"""

import contextlib
import functools
import hashlib
import json
import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from notebook_ci.base.errors import CheckFailed, InputError, NotebookCiError, SurroundingsError
from notebook_ci.base.files import bytes_in
from notebook_ci.base.markdown import count
from notebook_ci.base.problems import Problem, Severity
from notebook_ci.base.texts import command_line, quote
from notebook_ci.dvc_pull.faults import FORKS
from notebook_ci.dvc_pull.protocol import Request, Result
from notebook_ci.dvc_pull.remotes import RemoteStore
from notebook_ci.dvc_pull.repository import Object, Output, Repository
from notebook_ci.dvc_pull.transfer import Progress, Silence, at_once
from notebook_ci.records.dvc_pull import PulledData

MOST_FAULTS = 50
HASHING = max(2, os.cpu_count() or 1)
SET_ASIDE = "notebook-ci"


class Pull:
    """One pull. It fills `result` as the work goes on; `tell` shows a line to the user."""

    def __init__(self, request: Request, result: Result, tell: Callable[[str], None]) -> None:
        self._request = request
        self._result = result
        self._tell = tell
        self._repository = Repository(request)
        self._faults: list[NotebookCiError] = []
        self._tracked = 0
        # Cached path -> all files with this content; each file has its own line in a pointer.
        self._sharing: dict[Path, list[Object]] = {}
        # Cached paths whose content was checked and is right.
        self._right: set[Path] = set()
        self._spoilt: set[Path] = set()
        result.dvc_version = self._repository.version

    def run(self) -> None:
        """Pull the data. If data is wrong, `result` says so and the workspace is not changed."""
        outputs, self._faults = self._repository.outputs()
        outputs = self._expected(outputs)
        self._bring([output.content for output in outputs])
        files = self._files(outputs)
        self._bring([file for output, each in files.items() if output.is_folder for file in each])
        if not self._faults:
            everything = not self._request.targets and len(outputs) == self._tracked
            self._repository.checkout(None if everything else outputs)
            self._check_workspace([file for each in files.values() for file in each])
        if self._faults:
            self._result.fail(*_bounded(self._faults))
        else:
            self._sum_up(files)

    def _expected(self, outputs: Sequence[Output]) -> list[Output]:
        """Leave out outputs that no remote has, or only another remote than the given one; notice each."""
        self._tracked = len(outputs)
        kept = []
        for output in outputs:
            own = output.handle.remote
            if self._request.remote and own and own != self._request.remote:
                what = f"is in the remote {quote(own)}, not in {quote(self._request.remote)}: skipped"
            elif not output.pushed and not output.content.cached.exists():
                what = "is never pushed (`push: false`): skipped"
            else:
                kept.append(output)
                continue
            self._report("notice", f"{quote(output.shown)} {what}.", output)
        if not self._tracked and not self._faults:
            self._report("notice", "DVC tracks no data here.")
        return kept

    def _report(self, severity: Severity, message: str, output: Output | None = None) -> None:
        file, line = (output.pointer, output.line) if output else (None, None)
        self._result.problems.append(Problem(severity=severity, message=message, file=file, line=line))

    def _files(self, outputs: Iterable[Output]) -> dict[Output, list[Object]]:
        """Return the files of each output whose list of files is available."""
        files: dict[Output, list[Object]] = {}
        for output in outputs:
            if not output.is_folder:
                files[output] = [output.content]
            elif output.by_dvc or output.content.cached.exists():
                try:
                    files[output] = list(self._repository.files(output))
                except CheckFailed as error:
                    self._faults.append(error)
        return files

    def _bring(self, objects: Iterable[Object]) -> None:
        """Bring objects into the cache, checked."""
        self._sharing = {}
        for each in objects:
            self._sharing.setdefault(each.cached, []).append(each)
        needed = {path: sharing[-1] for path, sharing in self._sharing.items()}
        if self._request.verify:
            present = [(each, path) for path, each in needed.items() if path.exists()]
            for each, actual in self._hashed("Checked in the cache", present):
                self._judge_cached(each, actual)
        missing = [each for path, each in needed.items() if not path.exists()]
        self._let_dvc_fetch([each for each in missing if each.output.by_dvc])
        rest = [each for each in missing if not each.output.by_dvc]
        for name in sorted({each.output.remote for each in rest}):
            self._download(name, [each for each in rest if each.output.remote == name])

    def _let_dvc_fetch(self, objects: Sequence[Object]) -> None:
        """Let DVC fetch what its remotes do not store by hash: imports, and objects of versioned remotes."""
        if not objects:
            return
        outputs = list(dict.fromkeys(each.output for each in objects))
        self._tell(f"DVC fetches imports and versioned data: {len(outputs):,} files and folders")
        self._repository.fetch(outputs)
        there = [each for each in objects if each.cached.exists()]
        self._result.downloaded_files += sum(not each.hash.endswith(".dir") for each in there)
        self._result.downloaded_bytes += sum(each.cached.stat().st_size for each in there)
        for each in objects:
            if each not in there:
                self._fail(each, _not_fetched)
        if self._request.verify:
            for each, actual in self._hashed("Checked", [(each, each.cached) for each in there]):
                if not self._found_right(each, actual):
                    each.cached.unlink()
                    self._fail(each, functools.partial(_corrupt, actual=actual, where="where it was fetched from"))

    def _fail(self, one: Object, fault: Callable[[Object], NotebookCiError]) -> None:
        """Report a problem with a content for each file that has this content."""
        self._faults += map(fault, self._sharing[one.cached])

    def _judge_cached(self, each: Object, actual: str) -> None:
        """Move corrupt content of the cache aside, so that it is fetched again."""
        if self._found_right(each, actual):
            return
        aside = self._repository.temporary / SET_ASIDE / each.hash
        aside.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(each.cached, aside)
        self._spoilt.add(each.cached)
        message = (
            f"{quote(each.shown)} was corrupt in DVC's cache on this machine: its MD5 was {actual}, not "
            f"{each.md5} as in {quote(each.output.pointer)}. It was moved to {quote(self._repository.show(aside))} and "
            "is pulled again."
        )
        self._report("warning", message, each.output)

    def _download(self, name: str, objects: Sequence[Object]) -> None:
        if not name:
            raise _no_remote(objects)
        store = self._repository.store(name)
        self._tell(f"Pulling {count(len(objects), 'file')} from {store.shown}")
        progress = Progress("Pulled", len(objects), self._tell)
        cache = self._repository.cache
        cache.mkdir(parents=True, exist_ok=True)
        # For incomplete downloads; on the same disk as the cache, so that a finished file can be moved.
        with tempfile.TemporaryDirectory(prefix="notebook-ci-", dir=cache, ignore_cleanup_errors=True) as temporary:
            folder = Path(temporary)

            def work(each: Object) -> Callable[[Object], NotebookCiError] | None:
                return self._read(store, each, folder, progress.add_bytes)

            def written() -> int:
                return bytes_in(folder)

            try:
                jobs = self._request.jobs or store.jobs
                for each, fault in at_once(
                    work, objects, jobs=jobs, progress=progress, silence=store.silence, written=written
                ):
                    if fault:
                        self._fail(each, fault)
                    else:
                        self._result.downloaded_files += 1
                        self._result.downloaded_bytes += each.cached.stat().st_size
            except Silence as error:
                raise store.silent() from error

    def _read(
        self, store: RemoteStore, each: Object, folder: Path, on_bytes: Callable[[int], None]
    ) -> Callable[[Object], NotebookCiError] | None:
        """Read one object into the cache; return a function that describes the problem for a file, or None."""
        temporary = folder / f"{each.hash_name}-{each.hash}"
        try:
            found = store.read(each.hash_name, each.hash, temporary, on_bytes)
        except Exception as error:
            traceback.print_exception(error)  # for the log
            raise store.explain(error) from error
        if not found:
            return functools.partial(self._missing, store)
        if self._request.verify:
            actual = _digest(temporary, each.hash_name)
            if actual != each.md5:
                got = temporary.stat().st_size
                temporary.unlink()
                where = f"in the remote {quote(store.name)}"
                return functools.partial(_corrupt, actual=actual, where=where, store=store, got=got)
        each.cached.parent.mkdir(parents=True, exist_ok=True)
        each.protect(temporary)
        temporary.replace(each.cached)
        self._right.add(each.cached)
        return None

    def _missing(self, store: RemoteStore, each: Object) -> CheckFailed:
        spoilt = ", and corrupt in DVC's cache on this machine" if each.cached in self._spoilt else ""
        return each.output.error(
            CheckFailed,
            f"{quote(each.shown)} is missing in the remote {quote(store.name)}{spoilt}: "
            f"`{store.show(each.hash_name, each.hash)}` does not exist.",
            f"Run this where the file exists: {command_line('dvc push {}', each.output.shown)}.",
        )

    def _check_workspace(self, files: Sequence[Object]) -> None:
        if not self._request.verify:
            return
        # Notebooks read the workspace, so the check is done there and not only in the cache.
        paths = [(file, self._path(file)) for file in files]
        # A link into the cache needs no second check: its content was checked there.
        pairs = [
            (file, path) for file, path in paths if not _is_link(path, file.cached) or file.cached not in self._right
        ]
        lost = [file for file, path in pairs if not path.is_file()]
        self._faults += [_not_there(file) for file in lost]
        for file, actual in self._hashed("Checked", [pair for pair in pairs if pair[1].is_file()]):
            if actual != file.md5:
                self._faults.append(_corrupt(file, actual, "in the workspace"))

    def _hashed(self, what: str, pairs: Sequence[tuple[Object, Path]]) -> Iterator[tuple[Object, str]]:
        progress = Progress(what, len(pairs), self._tell)

        def work(pair: tuple[Object, Path]) -> str:
            digest = _digest(pair[1], pair[0].hash_name)
            progress.add_bytes(pair[1].stat().st_size)
            return digest

        for (each, _), actual in at_once(work, pairs, jobs=HASHING, progress=progress):
            yield each, actual

    def _found_right(self, each: Object, actual: str) -> bool:
        if actual == each.md5:
            self._right.add(each.cached)
            return True
        return False

    def _path(self, file: Object) -> Path:
        return Path(self._request.workspace, file.shown)

    def _sum_up(self, files: dict[Output, list[Object]]) -> None:
        digest = hashlib.sha256()
        listed: list[dict[str, Any]] = []
        for output, each in files.items():
            sizes = [self._path(file).stat().st_size for file in each]
            listed += [
                {"path": file.shown, "hash_name": file.hash_name, "hash": file.hash, "bytes": number}
                for file, number in zip(each, sizes, strict=True)
            ]
            self._result.data.append(
                PulledData(
                    path=output.shown,
                    pointer=output.pointer,
                    hash_name=output.hash_name,
                    hash=output.hash,
                    bytes=sum(sizes),
                    files=len(each),
                )
            )
            digest.update(f"{output.shown}\0{output.hash_name}:{output.hash}\0{sum(sizes)}\n".encode())
        self._result.digest = digest.hexdigest()
        self._result.files, self._result.bytes = len(listed), sum(entry["bytes"] for entry in listed)
        if listed:
            Path(self._request.manifest).write_text(json.dumps(listed, indent=1, ensure_ascii=False) + "\n", "utf-8")
        checked = "checked" if self._request.verify else "not checked, because `verify` is `false`"
        self._tell(f"{count(len(listed), 'file')}, {self._result.bytes:,} bytes, content {checked}")


def _digest(path: Path, hash_name: str) -> str:
    """Return a file's hash as DVC computes it; DVC 2 (`md5-dos2unix`) read Windows line ends as Unix ones."""
    if hash_name == "md5":
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    from dvc_data.hashfile.hash import file_md5

    return str(file_md5(str(path), name=hash_name))


def _is_link(path: Path, cached: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.samefile(cached)
    return False


def _corrupt(
    each: Object, actual: str, where: str, store: RemoteStore | None = None, got: int | None = None
) -> CheckFailed:
    expected = each.output.size if each.hash == each.output.hash and not each.output.is_folder else None
    sizes = f" ({got:,} of {expected:,} bytes)" if got is not None and expected is not None and got != expected else ""
    what = "" if each.hash == each.output.hash else f" of {quote(each.output.shown)}"
    hint = (
        f"Nothing was changed. Where the correct file is, delete `{store.show(each.hash_name, each.hash)}` and "
        f"run {command_line('dvc push {}', each.output.shown)}."
        if store
        else "Another program changed it: save it with `dvc add`, or restore it with `dvc checkout --force`."
    )
    return each.output.error(
        CheckFailed,
        f"{quote(each.shown)}{what} is corrupt {where}: its MD5 is {actual}{sizes}, not {each.md5} as in "
        f"{quote(each.output.pointer)}.",
        hint,
    )


def _not_fetched(each: Object) -> SurroundingsError:
    # DVC gives the reason only in its log.
    return each.output.error(
        SurroundingsError,
        f"{quote(each.shown)} is an import or versioned data, and DVC could not fetch it.",
        f"Check that its source in {quote(each.output.pointer)} exists and that this job may read it. {FORKS}",
    )


def _not_there(each: Object) -> CheckFailed:
    return each.output.error(
        CheckFailed,
        f"{quote(each.shown)} is not in the workspace after the checkout.",
        "Check whether `.dvcignore` names it.",
    )


def _no_remote(objects: Sequence[Object]) -> InputError:
    pointer = objects[0].output.pointer
    return InputError(
        f"There is no remote to pull {quote(objects[0].shown)} from: no default is set.",
        hint="Run `dvc remote add -d NAME URL`, commit `.dvc/config`, and run `dvc push`; or set `remote`.",
        file=pointer,
        line=objects[0].output.line,
    )


def _bounded(faults: Sequence[NotebookCiError]) -> list[NotebookCiError]:
    """Return at most `MOST_FAULTS` errors, plus one that counts those left out."""
    ordered = sorted(faults, key=lambda error: (error.file or "", error.line or 0, error.message))
    if len(ordered) <= MOST_FAULTS:
        return ordered
    more = CheckFailed(f"{len(ordered) - MOST_FAULTS:,} more files are missing or corrupt.")
    return [*ordered[:MOST_FAULTS], more]
