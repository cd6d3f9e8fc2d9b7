"""The only module that uses DVC's API (3.67): what a repository tracks, where its objects are, and their checkout.

DVC's own `fetch` is used only for imports and versioned remotes. It does not compare what it got with the pointers,
exits with success if something is missing, and in a remote that is a folder it rehashes writable objects and deletes
those that do not match.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from notebook_ci.base.errors import CheckFailed, InputError, NotebookCiError, SurroundingsError, located
from notebook_ci.base.texts import command_line, listed, quote, without_secrets
from notebook_ci.base.worker import DISK
from notebook_ci.dvc.pointers import BadEntry, check_hash, relative_to_workspace
from notebook_ci.dvc_pull.config import SUPPORTED
from notebook_ci.dvc_pull.protocol import Request
from notebook_ci.dvc_pull.remotes import RemoteStore, settle
from notebook_ci.dvc_pull.trust import check_links, check_path, guard

HASHES = ("md5", "md5-dos2unix")
NEWER = "DVC {version} pulls here. Either a newer version wrote the file, or it has a typo."
OLDER = "DVC 1 wrote the file. Write it again with DVC 3: `dvc add` for a `.dvc` file, `dvc commit -f` for `dvc.lock`."
MOST_LISTED = 5
# What DVC raises, without naming the file, if a file that it reads is not as it expects.
_BROKEN = (AssertionError, AttributeError, BadEntry, KeyError, RecursionError, TypeError, ValueError)

AnyError = TypeVar("AnyError", bound=NotebookCiError)


@dataclass(frozen=True)
class Tracked:
    """A tracked file or folder, the requested part of a folder, or a file of a folder."""

    path: Path  # in the workspace
    shown: str  # `path` relative to the workspace
    pointer: str  # the file that tracks it, relative to the workspace
    line: int | None  # line of its hash in the pointer
    hash_name: str
    hash: str  # that of a folder ends in `.dir`: its content is a list of files
    remote: str  # name of its remote; empty if none is set
    by_dvc: bool  # DVC itself must fetch it: an import, or an object of a versioned remote
    handle: Any = field(repr=False, compare=False)  # DVC's own object of the output
    folder: "Tracked | None" = None  # for a file of a folder

    @property
    def is_folder(self) -> bool:
        return self.hash.endswith(".dir")

    @property
    def md5(self) -> str:
        return self.hash.removesuffix(".dir")

    @property
    def of(self) -> str:
        """The output that it belongs to, relative to the workspace."""
        return (self.folder or self).shown

    @property
    def cached(self) -> Path:
        return Path(self.handle.cache.oid_to_path(self.hash))

    def error(self, kind: type[AnyError], message: str, hint: str) -> AnyError:
        """Return an error on the line of its hash."""
        return kind(message, hint=hint, file=self.pointer, line=self.line)


class Repository:
    def __init__(self, request: Request) -> None:
        from dvc import __version__
        from dvc.repo import Repo

        self.version = __version__
        self._workspace = Path(request.workspace)
        self._request = request
        self._lines = {(each.file, each.stage, each.is_output, each.path): each.line for each in request.entries}
        guard(self._workspace)
        with self._faults():
            self._repo = Repo(request.root)
            # The git root; DVC's root if there is no git.
            self._boundary = Path(self._repo.scm.root_dir).resolve()
            self.cache = Path(self._repo.cache.local_cache_dir)
            self.temporary = Path(self._repo.tmp_dir)  # DVC's own temporary folder, which git ignores

    def outputs(self) -> tuple[list[Tracked], list[NotebookCiError]]:
        """Return the requested outputs, and what is wrong with them. Raises NotebookCiError if a target is unknown."""
        found: dict[Path, Tracked] = {}
        wrong: list[NotebookCiError] = []
        with self._faults():
            with _reading():
                stages = [pair for target in self._request.targets or [""] for pair in self._collected(target)]
            for stage, inside in stages:
                wrong += self._out_of_step(stage)
                if stage.is_data_source and not stage.outs:
                    pointer = self.show(stage.path)
                    wrong.append(CheckFailed(f"{quote(pointer)} tracks nothing.", hint="Run `dvc add`.", file=pointer))
                for out in stage.filter_outs(inside):
                    if not out.use_cache:  # git has it
                        continue
                    try:
                        output = self._output(stage, out, inside)
                        found[output.path] = output
                    except CheckFailed as error:
                        wrong.append(error)
        return sorted(found.values(), key=lambda output: output.shown), wrong

    def files(self, output: Tracked) -> Iterator[Tracked]:
        """Yield the files of a folder whose list of files is in the cache. Raises CheckFailed if it is corrupt."""
        from dvc_data.hashfile.tree import Tree
        from dvc_objects.errors import ObjectFormatError

        out = output.handle
        try:
            tree = out.files and Tree.from_list(out.files, hash_name=out.hash_name)
            tree = tree or Tree.load(out.cache, out.hash_info, hash_name=out.hash_name)
        except (BadEntry, ObjectFormatError, FileNotFoundError, ValueError, RecursionError) as error:
            what = f": {error}" if isinstance(error, BadEntry) else ""
            push = command_line("dvc push {}", output.shown)
            raise output.error(
                CheckFailed,
                f"The file list of {quote(output.shown)} ({output.hash}) is corrupt{what}.",
                f"Delete it from the remote, then run {push} where the correct folder is.",
            ) from error
        files = {Path(out.fs_path, *key): content for key, _, content in tree}
        files = {path: content for path, content in files.items() if path.is_relative_to(output.path)}
        with located(output.pointer, output.line):
            for content in files.values():
                check_hash(content.value, output.pointer)
            check_links({path.parent for path in files}, self._boundary, output.pointer)
        for path, content in files.items():
            yield dataclasses.replace(
                output, path=path, shown=self.show(path), folder=output, hash_name=content.name, hash=content.value
            )

    def store(self, name: str) -> RemoteStore:
        """Return a remote. Raises NotebookCiError if it cannot be used."""
        with self._faults():
            settle(self._repo.config["remote"].get(name, {}))
            return RemoteStore(name, self._repo.cloud.get_remote(name))

    def fetch(self, outputs: Sequence[Tracked]) -> None:
        """Let DVC fetch outputs into the cache. What it could not get is missing there afterwards."""
        from dvc.exceptions import DownloadError

        targets = [str(output.path) for output in outputs]
        with self._faults(), contextlib.suppress(DownloadError):
            self._repo.fetch(targets, remote=self._request.remote or None, jobs=self._request.jobs or None)

    def checkout(self, outputs: Sequence[Tracked] | None) -> None:
        """Put outputs (None: all) into the workspace. Raises CheckFailed if a changed file is saved nowhere else."""
        # DVC reads all pointers here, even those that no target names.
        with self._faults(), _reading():
            self._repo.checkout(None if outputs is None else [str(output.path) for output in outputs])

    def show(self, path: Path | str) -> str:
        return relative_to_workspace(Path(path), self._workspace)

    def _collected(self, target: str) -> list[tuple[Any, str | None]]:
        """Return the stages that a target names (empty: all), each with the path of the requested part."""
        if not target:
            return [(stage, None) for stage in self._repo.index.stages]
        from dvc.exceptions import NoOutputOrStageError
        from dvc.stage.exceptions import StageFileBadNameError, StageFileDoesNotExistError

        for recursive in (False, True):
            with contextlib.suppress(NoOutputOrStageError, StageFileBadNameError, StageFileDoesNotExistError):
                if found := self._repo.stage.collect_granular(target, recursive=recursive):
                    return [tuple(pair) for pair in found]
        raise InputError(
            f"`targets` names {quote(target)}, which DVC does not track.",
            hint="Name a `.dvc` file, a file or folder that one tracks, a folder of them, or a stage of `dvc.yaml`.",
        )

    def _output(self, stage: Any, out: Any, inside: str | None) -> Tracked:
        """Return an output. Raises CheckFailed if it has no hash, InputError if its path or hash is not valid."""
        pointer, line = self._location(stage, out)
        with located(pointer, line):
            if out.fs.protocol != "local":
                what = f"{quote(without_secrets(str(out)))}, which is not a file of this repository"
                hint = "Bring it into the repository with `dvc import-url`."
                raise InputError(f"{quote(pointer)} tracks {what}.", hint=hint)
            shown = self.show(out.fs_path)
            check_path(Path(out.fs_path), self._boundary, shown, pointer)
            if not out.hash_info or out.hash_name not in HASHES:
                raise _without_hash(stage, out, shown, pointer)
            check_hash(out.hash_info.value, pointer)
        path = Path(inside) if inside else Path(out.fs_path)
        remote = self._request.remote or out.remote or self._repo.config["core"].get("remote", "")
        settings = self._repo.config["remote"].get(remote, {})
        versioned = settings.get("version_aware") or settings.get("worktree")
        return Tracked(
            path=path,
            shown=self.show(path),
            pointer=pointer,
            line=line,
            hash_name=out.hash_name,
            hash=out.hash_info.value,
            remote=remote,
            by_dvc=bool(stage.is_repo_import or stage.is_versioned_import or versioned),
            handle=out,
        )

    def _out_of_step(self, stage: Any) -> Iterator[CheckFailed]:
        """Yield an error if dvc.lock names another command or other data than dvc.yaml and the pointers do now."""
        lock = _lock(stage)
        if not lock:
            return
        file, hint = self.show(lock), _repro(stage)
        what = f"{quote(file)} is outdated: the stage {quote(stage.name)} was run with another"
        if stage.cmd_changed:
            yield CheckFailed(f"{what} command than {quote(self.show(stage.path))} has now.", hint=hint, file=file)
        for dep in stage.deps:
            out = self._tracked.get(dep.fs_path)
            if out and dep.hash_name == out.hash_name and dep.hash_info and dep.hash_info != out.hash_info:
                pointer, _ = self._location(out.stage, out)
                message = f"{what} {quote(self.show(dep.fs_path))} than {quote(pointer)} tracks now."
                line = self._lines.get((file, stage.name, False, dep.def_path))
                yield CheckFailed(message, hint=hint, file=file, line=line)

    @functools.cached_property
    def _tracked(self) -> dict[str, Any]:
        """All outputs of all pointers, by path."""
        with _reading():
            return {out.fs_path: out for out in self._repo.index.outs if out.hash_info}

    def _location(self, stage: Any, out: Any) -> tuple[str, int | None]:
        """Return the pointer of an output, and the line of its hash."""
        lock = _lock(stage)
        # A stage that dvc.lock does not know has its output in dvc.yaml only.
        for path in filter(None, (lock, stage.path)):
            known = (self.show(path), stage.name if lock else "", True, out.def_path)
            if known in self._lines:
                return known[0], self._lines[known]
        return self.show(stage.path), None

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        from dvc.exceptions import DvcException
        from dvc_objects.fs.errors import ConfigError

        try:
            yield
        except (DvcException, ConfigError, ImportError, OSError) as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> NotebookCiError:
        from dvc.config import ConfigError
        from dvc.exceptions import CheckoutError
        from dvc.lock import LockError
        from dvc.utils.serialize import ParseError
        from dvc.utils.strictyaml import YAMLValidationError
        from dvc_objects.fs.errors import ConfigError as SettingsError

        text = without_secrets(" ".join(str(error).split())).rstrip(".")
        explained: NotebookCiError = InputError(f"DVC says: {text}.")
        match error:
            case ConfigError() | SettingsError():
                file = self.show(Path(self._request.root, ".dvc", "config"))
                what, hint = text.removeprefix("config file error: "), NEWER.format(version=self.version)
                explained = InputError(f"DVC cannot use {quote(file)}: {what}.", hint=hint, file=file)
            case YAMLValidationError():
                explained = self._of_keys(error)
            case ParseError():
                explained.file = self.show(Path(error.path).absolute())
            case ImportError():
                explained.hint = SUPPORTED
            case LockError():
                hint = "Wait until it ends, or end it, and run this again."
                explained = SurroundingsError("Another DVC is running in this repository.", hint=hint)
            case CheckoutError():
                named = ", ".join(map(quote, error.target_infos[:MOST_LISTED]))
                explained = SurroundingsError(f"DVC could not write {named}.", hint=DISK)
            case OSError():
                explained = SurroundingsError(f"A file cannot be read or written: {text}.", hint=DISK)
            case _ if "unsaved files" in text:
                paths = sorted(str(error).splitlines()[1:])
                named = listed([quote(self.show(path)) for path in paths], MOST_LISTED)
                explained = CheckFailed(
                    f"Changed in the workspace and not saved: {named}. Nothing was overwritten.",
                    hint="Save the change with `dvc add` (or `dvc commit`), or discard it with `dvc checkout --force`.",
                    file=self.show(paths[0]) if paths else None,
                )
            case _ if "is not a git repository" in text:
                hint = "Check it out with actions/checkout, or run `dvc config core.no_scm true`."
                explained = InputError("This is not a git repository, which DVC requires.", hint=hint)
        return explained

    def _of_keys(self, error: Any) -> NotebookCiError:
        from dvc.utils.serialize import parse_yaml_for_update
        from dvc.utils.strictyaml import determine_linecol

        first = error.exc.errors[0]
        where = " -> ".join(map(str, first.path))
        line, _, _ = determine_linecol(parse_yaml_for_update(error.text, error.path), first.path)
        old = any(set(map(str, each.path)) & {"metric", "schema"} for each in error.exc.errors)
        file = self.show(Path(error.path).absolute())
        return InputError(
            f"{quote(file)} does not match DVC {self.version}: {first.error_message}{where and f' ({where})'}.",
            hint=OLDER if old else NEWER.format(version=self.version),
            file=file,
            line=line,
        )


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """Explain what DVC raises if it breaks down on a file that it reads. Those that `pointers` knows have their own."""
    try:
        yield
    except _BROKEN as error:
        what = without_secrets(f"{type(error).__name__}: {error}")
        raise InputError(f"DVC cannot read what is tracked here ({what}).", hint="Check `targets`.") from error


def _lock(stage: Any) -> str:
    """Return the path of the dvc.lock of a stage; empty for a .dvc file."""
    lock = getattr(stage.dvcfile, "_lockfile", None)
    return str(lock.path) if lock else ""


def _repro(stage: Any) -> str:
    # The address of a stage includes its dvc.yaml.
    return f"Run {command_line('dvc repro {}', stage.addressing)}, commit `dvc.lock`, and run `dvc push`."


def _without_hash(stage: Any, out: Any, shown: str, pointer: str) -> CheckFailed:
    if stage.is_import:
        update = command_line("dvc update {}", pointer)
        what, hint = "it was imported without its content", f"Run {update}, and commit it."
    elif stage.cmd:
        what, hint = f"`dvc.lock` does not know the outputs of the stage {quote(stage.name)}", _repro(stage)
    elif out.hash_info:
        what, hint = f"the kind of its hash is {out.hash_name}", f"Known: {', '.join(HASHES)}."
    else:
        add = command_line("dvc add {}", shown)
        what, hint = "it has no hash", f"Run {add}, commit {quote(pointer)}, and run `dvc push`."
    return CheckFailed(f"{quote(pointer)} has no content for {quote(shown)}: {what}.", hint=hint)
