"""What DVC makes from what: the stages of `dvc.yaml`, and what a change of a pointer changes besides."""

import functools
import json
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from notebook_ci.affected.changes import Changes
from notebook_ci.base import git, yaml12
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import exists, read_text
from notebook_ci.base.workspace import Workspace
from notebook_ci.dvc.pointers import LOCK, PIPELINE, parse

COMPARED = {PIPELINE, LOCK}  # stage by stage
_json = functools.partial(json.dumps, ensure_ascii=False)
_NO_SUCH_FILE = re.compile(r"does not exist in|exists on disk, but not in")


@dataclass
class DvcStage:
    text: str = ""  # all that is said of it
    outs: set[str] = field(default_factory=set)  # relative to the workspace
    deps: set[str] = field(default_factory=set)

    def may_be_used_by(self, notebook: str) -> bool:
        """Return whether it has the name of a notebook, or a template as an output, which any may name."""
        return notebook in self.text or any("${" in out for out in self.outs)


class Pipelines:
    """The stages of each `dvc.yaml`, as they are and as they were, by their address: `dvc.yaml:train`."""

    def __init__(self, paths: Iterable[str], changed: Changes, workspace: Workspace) -> None:
        self._changed = changed
        self._workspace = workspace
        self.stages: dict[str, DvcStage] = {}
        self._are_known = True
        for path in sorted(path for path in paths if posixpath.basename(path) == PIPELINE):
            try:
                for text in dict.fromkeys(self._texts(path)):
                    self._add(path, text)
            except InputError:  # what cannot be read is left to dvc-pull
                self._are_known = False

    def effects(self, path: str) -> dict[str, set[str]]:
        """Return what the change of a file changes, by its cause: the file, or each stage in it that differs.

        The file has an empty set if that cannot be told: then no notebook explains its change, and all run.
        """
        name = posixpath.basename(path)
        if name not in COMPARED and not name.endswith(".dvc"):
            return {path: {path}}
        try:
            texts = self._texts(path)
            if name not in COMPARED:
                entries = (entry for text in texts for entry in parse(text, path))
                return {path: {path, *(entry.in_workspace for entry in entries if entry.is_output)}}
            (now, rest), (before, rest_before) = (_stages(text, path) for text in texts)
        except InputError:
            return {path: set()}
        different = {each for each in {**now, **before} if now.get(each) != before.get(each)}
        keys = {posixpath.join(posixpath.dirname(path), f"{PIPELINE}:{each}") for each in different}
        if not self._are_known or rest != rest_before or not keys <= self.stages.keys():
            return {path: set()}
        return {key: self._with_later(key) for key in keys}

    def _with_later(self, key: str) -> set[str]:
        """Return a stage, all that depend on it at any depth, and their outputs."""
        found, pending = {key}, [key]
        while pending:
            new = self._next(pending.pop()) - found
            found |= new
            pending += new
        return found.union(*(self.stages[each].outs for each in found))

    @functools.cache  # noqa: B019 - there is one object per run
    def _next(self, key: str) -> set[str]:
        """Return the stages that depend on an output of a stage, a folder that has one, or a file in one."""
        outs = self.stages[key].outs
        return {
            each
            for each, stage in self.stages.items()
            if any(is_in(dep, out) or is_in(out, dep) for dep in stage.deps for out in outs)
        }

    def _add(self, path: str, text: str) -> None:
        self._are_known &= "${" not in text  # a template
        stages, rest = _stages(text, path)
        for name, body in stages.items():
            stage = self.stages.setdefault(f"{path}:{name}", DvcStage())
            # Where `params` without a file, and values of templates, are.
            others = f" params.yaml {rest}" if "params" in body or "${" in body else ""
            stage.text += f"{body}{others}".replace(r"\n", "\n")
        for entry in parse(text, path):
            stage = self.stages[f"{path}:{entry.stage}"]
            (stage.outs if entry.is_output else stage.deps).add(entry.in_workspace)

    def _texts(self, path: str) -> tuple[str, str]:
        """Return what a file says now, and said before; empty if it does not exist. Raises InputError."""
        file = self._workspace.cwd / path
        now = before = read_text(file, path) if exists(file) else ""
        if path in self._changed.paths:
            done = git.run(self._workspace, "show", f"{self._changed.base}:./{path}")
            if done.returncode and not _NO_SUCH_FILE.search(done.output):
                raise InputError(f"git cannot show `{path}`.")
            before = done.stdout
        return now, before


def is_in(path: str, folder: str) -> bool:
    """Return whether a path is that of a folder, or of something in it."""
    return folder == "." or f"{path}/".startswith(f"{folder}/")


def _stages(text: str, path: str) -> tuple[dict[str, str], str]:
    """Return what a `dvc.yaml` or `dvc.lock` says of each stage, and the rest, as JSON. Raises InputError."""
    content = yaml12.mapping(text, origin=path)
    stages = yaml12.as_map(content.pop("stages", None), path)
    return {name: _json(body) for name, body in stages.items()}, _json(content)
