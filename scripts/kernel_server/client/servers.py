"""Manages the kernel servers: the first one, and those that have imported modules for several notebooks."""

import contextlib
import json
import os
import re
import signal
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kernel_server.client import imports
from kernel_server.client.forking import KernelServer, NotForkedError, listening
from kernel_server.client.sharing import Group, Modules, Wish, reasons, shared, useful
from notebook_ci.notebooks.document import Document

READ_BYTES = 65536
IMPORT_SECONDS = 20.0


@dataclass(eq=False)
class _Branch:
    group: Group  # its notebooks
    modules: Modules
    parent: "_Branch | None"  # the server that it was forked from
    server: KernelServer
    listener: socket.socket  # kept open here, so that clients still wait when another server replaces this one
    connection: socket.socket  # the server reports on it, and ends when it is closed
    pid: int = 0  # 0: not known yet
    imports: str = ""  # the current import
    is_ready: bool = False  # it has imported everything
    is_failed: bool = False  # replaced by a server that has imported nothing
    text: bytes = field(default=b"", repr=False)  # the beginning of a line from the server
    began: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Limits:
    memory: float  # bytes, for all of them together
    seconds: float  # for the imports of one


class Servers:
    """Gives each notebook the server that has done most of the notebook's own imports.

    `first` has only imported ipykernel (None: kernels are started). `documents` are the notebooks; None: one that needs
    no kernel of ours. `modules` are imported for all notebooks; None: each notebook's own first imports.
    """

    def __init__(
        self,
        first: KernelServer | None,
        folder: Path,
        documents: Sequence[Document | None],
        modules: Sequence[str] | None,
        limits: Limits,
    ) -> None:
        self._first = first
        self._documents = documents
        self._folder = folder
        self._limits = limits
        self._named = modules
        self._wishes = _wishes(documents if first else (), modules)
        self._refused: dict[Group, dict[str, str]] = {}
        self._paths: dict[int, Modules] = {}
        self._branches: list[_Branch] = []
        self._used: dict[int, _Branch] = {}
        self._count = 0
        for group in {wish.group for wish in self._wishes.values()}:
            self._plan(group)

    # --- Called by the conductor

    def server_for(self, index: int) -> KernelServer | None:
        """Return the server that forks the kernel of a task, given by its index; None: the kernel is started."""
        self._used.pop(index, None)
        if not self._first or self._documents[index] is None:
            return None
        branch = self._branch_for(index)
        if branch is None:
            return self._first
        self._used[index] = branch
        return branch.server

    @property
    def are_of_use(self) -> bool:
        return self._first is not None

    @property
    def refusals(self) -> dict[str, str]:
        """Modules that may not be imported in advance, and why."""
        return {name: why for refused in self._refused.values() for name, why in refused.items()}

    def ended(self, index: int, *, has_imports: bool) -> tuple[Modules, dict[str, str]]:
        """Note that a notebook has ended: servers that no other notebook needs end too.

        `has_imports` says whether its kernel had the imports of its server. Returns which modules were imported in
        advance, and which of the notebook's were not, with the reason.
        """
        wish, used = self._wishes.pop(index, None), self._used.pop(index, None)
        modules = used.modules if used and has_imports else ()
        if not wish:
            return modules, {}
        why = reasons(wish, self._paths.pop(index), modules, self._refused.get(wish.group, {}))
        for branch in [each for each in reversed(self._branches) if each.group == wish.group]:
            if not self._is_needed(branch):
                self._end(branch)
        return modules, {**wish.later, **why}

    def refused(self, index: int) -> None:
        """Note that the server of a notebook did not fork. Without one of its own, kernels are started from now on."""
        branch = self._used.get(index)
        if branch is None:
            self._first = None
        elif not branch.is_failed:
            self._replace(branch)

    def connections(self) -> list[socket.socket]:
        return [branch.connection for branch in self._branches if not branch.is_failed]

    def hear(self, connection: socket.socket) -> None:
        branch = next(each for each in self._branches if each.connection is connection)
        try:
            data = connection.recv(READ_BYTES)
        except OSError:
            data = b""
        if not data and (branch.is_ready or (branch.parent and branch.parent.is_failed)):  # it ends with its parent
            self._replace(branch)
        elif not data:
            self._fail(branch, "its import ended the server")
        branch.text += data
        *lines, branch.text = branch.text.split(b"\n")
        for line in lines:
            self._take(branch, json.loads(line))

    def look(self) -> None:
        """Stop imports that take too long: kernels wait for them."""
        for branch in self._branches:
            is_late = time.monotonic() - branch.began > min(self._limits.seconds, IMPORT_SECONDS)
            if is_late and not (branch.is_ready or branch.is_failed):
                self._fail(branch, "its import takes too long")

    def close(self) -> None:
        for branch in list(self._branches):
            self._end(branch)

    # --- Growing

    def _paths_of(self, group: Group) -> list[Modules]:
        return [self._paths[index] for index, wish in self._wishes.items() if wish.group == group]

    def _plan(self, group: Group) -> None:
        """Decide again what is imported for the notebooks of a group."""
        wishes = {index: wish for index, wish in self._wishes.items() if wish.group == group}
        refused = self._refused.get(group, {})
        if self._named is None:
            self._paths |= shared(wishes, refused)
        else:
            self._paths |= dict.fromkeys(wishes, tuple(name for name in self._named if name not in refused))

    def _branch_for(self, index: int) -> _Branch | None:
        """Return the server that has done most of a notebook's imports, and no others. Start a better one if useful."""
        if index not in self._paths:
            return None
        group, path = self._wishes[index].group, self._paths[index]
        fitting = [
            branch
            for branch in self._branches
            if branch.group == group and not branch.is_failed and _begins(path, branch.modules)
        ]
        best = max(fitting, key=lambda branch: len(branch.modules), default=None)
        done = len(best.modules) if best else 0
        paths = Counter(self._paths_of(group))
        candidates = useful(paths) if self._named is None else set(paths)
        better = [each for each in candidates if _begins(path, each) and len(each) > done]
        if not better or (best and not best.is_ready) or self._bytes() > self._limits.memory:
            return best
        return self._grow(group, min(better, key=len), best) or best

    def _grow(self, group: Group, modules: Modules, parent: _Branch | None) -> _Branch | None:
        source = parent.server if parent else self._first
        if source is None:
            return None
        self._count += 1
        address = self._folder / f"server-{self._count}"
        known = len(parent.modules) if parent else 0
        try:
            listener = listening(address)
        except NotForkedError:
            return None
        try:
            connection = source.grow(modules[known:], group, listener)
        except NotForkedError:
            listener.close()
            return None
        branch = _Branch(group, modules, parent, KernelServer(address), listener, connection)
        self._branches.append(branch)
        return branch

    def _take(self, branch: _Branch, message: Mapping[str, str | int]) -> None:
        match message:
            case {"server": int(pid)}:
                branch.pid = pid
            case {"imports": str(name)}:
                branch.imports = name
            case {"failed": str(why)} | {"refused": str(why)}:
                self._fail(branch, why)
            case {"imported": int()}:
                branch.is_ready, branch.imports = True, ""
                if self._bytes() > self._limits.memory:
                    self._fail(branch, "it takes more memory than `preload-max-memory`")

    def _fail(self, branch: _Branch, why: str) -> None:
        """Leave the imports of a server to the notebooks."""
        if branch.is_failed:
            return
        known = len(branch.parent.modules) if branch.parent else 0
        names = [branch.imports] if branch.imports else branch.modules[known:]
        self._refused.setdefault(branch.group, {}).update(dict.fromkeys(names, why))
        self._replace(branch)
        self._plan(branch.group)

    def _replace(self, branch: _Branch) -> None:
        """Let a server without imports serve those who wait for this one."""
        self._end_process(branch)
        branch.is_ready, branch.is_failed, branch.text = False, True, b""
        try:
            if self._first:
                branch.connection = self._first.grow([], branch.group, branch.listener)
                return
        except NotForkedError:
            pass
        branch.listener.close()  # clients no longer wait for it

    def _is_needed(self, branch: _Branch) -> bool:
        """Return whether a server is used, or may be."""
        if branch in self._used.values() or any(each.parent is branch for each in self._branches):
            return True
        paths = self._paths_of(branch.group)
        return not branch.is_failed and any(_begins(path, branch.modules) for path in paths)

    def _end(self, branch: _Branch) -> None:
        self._branches.remove(branch)
        self._end_process(branch)
        branch.listener.close()

    def _end_process(self, branch: _Branch) -> None:
        with contextlib.suppress(OSError):  # closing is not enough: workers forked since then have it open too
            branch.connection.shutdown(socket.SHUT_RDWR)
        branch.connection.close()
        if branch.pid and not branch.is_ready:  # it may hang in an import
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(branch.pid, signal.SIGKILL)
        branch.pid = 0

    def _bytes(self) -> int:
        """Return the memory of these servers, each page divided among those that share it."""
        return sum(proportional_bytes(branch.pid) for branch in self._branches if branch.pid)


def _begins(path: Modules, modules: Modules) -> bool:
    return path[: len(modules)] == modules


def proportional_bytes(pid: int) -> int:
    """Return the memory of a process (PSS: each page divided among those that share it); 0 if it has ended."""
    try:
        shown = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"^Pss: +(\d+) kB$", shown, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _wishes(documents: Sequence[Document | None], modules: Sequence[str] | None) -> dict[int, Wish]:
    """Return, per index, what is imported for a notebook."""
    wishes: dict[int, Wish] = {}
    names: dict[Path, frozenset[str]] = {}
    for index, document in enumerate(documents):
        if document is None:
            continue
        folder = document.path.resolve().parent
        if modules is not None:
            wishes[index] = Wish(Group(str(folder)), tuple(modules))
            continue
        if folder not in names:
            names[folder] = frozenset(path.name.partition(".")[0] for path in folder.iterdir())
        found = imports.of(document)
        wishes[index] = Wish(Group(str(folder), found.inline), found.first, names[folder], found.later)
    return wishes
