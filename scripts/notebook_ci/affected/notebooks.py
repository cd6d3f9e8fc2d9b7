"""Which notebooks a change affects, and why. In doubt, all."""

import contextlib
import json
import posixpath
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

from notebook_ci.affected import changes
from notebook_ci.affected.changes import Changes
from notebook_ci.affected.files import Files, Text
from notebook_ci.affected.pipelines import COMPARED, Pipelines
from notebook_ci.base.context import Context
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import parse_toml, read_text
from notebook_ci.base.inputs import CONFIG
from notebook_ci.base.texts import quote
from notebook_ci.base.workspace import Workspace
from notebook_ci.notebooks.document import Document
from notebook_ci.notebooks.inputs import EXECUTE, NotebookInputs
from notebook_ci.notebooks.selection import SUFFIX

MOST_CHANGES = 1000  # with more, to find out what each affects takes longer than it saves
_PACKAGES = (
    r"(?:pyproject\.toml|setup\.(?:py|cfg)|Pipfile|(?:[^/]*requirements?[^/]*|constraints[^/]*)\.(?:txt|in)|"
    r"requirements/.*|(?:conda|environment|pixi|pylock)[^/]*\.(?:ya?ml|toml))"
)
# By default, these may affect every notebook: settings, the environment, the workflow, suites, what DVC knows.
_FOR_ALL = re.compile(
    rf"(?:.*/)?(?:{re.escape(CONFIG)}|{_PACKAGES}|\.python-version|[^/]*\.lock|\.gitattributes|\.env[^/]*|matplotlibrc|"
    r"(?:suites?|expectations|gx|great_expectations)/.*|dvc\.yaml|\.dvc/.*|\.github/(?:workflows|actions)/.*)",
    re.IGNORECASE,
)
# What these name, is used before the notebooks.
_NAMES_FOR_ALL = re.compile(rf"(?:.*/)?(?:\.github/(?:workflows|actions)/.*\.ya?ml|{_PACKAGES})", re.IGNORECASE)
_TEST = re.compile(r"(?:.*/)?(?:tests?/.*|test_[^/]*|[^/]*_test|conftest)\.py")
# These affect no notebook, unless one names them.
_FOR_NONE = re.compile(
    r"[^/]*\.(?:md|rst)|(?:.*/)?README\.(?:md|rst|txt)|(?:LICEN[CS]E|COPYING|NOTICE|AUTHORS|CITATION|CODEOWNERS)[^/]*|"
    r"\.gitignore|\.editorconfig|\.pre-commit-config\.yaml|"
    r"\.github/(?:CODEOWNERS|[^/]*\.(?:md|ya?ml)|[A-Z_]*TEMPLATE/.*)|"
    r"docs?/(?:.*/)?[^/]*\.(?:md|rst|png|jpe?g|gif|svg|pdf)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Candidates:
    """The notebooks that could run."""

    documents: Mapping[str, Document | None]  # by path, each after those that it needs; None: it cannot be read
    needs: Mapping[str, Collection[str]]
    chains: Sequence[Sequence[str]]  # notebooks that run one after the other


@dataclass(frozen=True)
class Selection:
    reasons: Mapping[str, str]  # per notebook that runs, why
    base: str = ""  # the commit that was compared with; empty: all run


def select(candidates: Candidates, inputs: NotebookInputs, context: Context, given: str = "") -> Selection:
    """Return the notebooks that changes affect, and those that must run with them: see `_completed`.

    `given` are more parameters of this run. Says in `context` why they run. Raises InputError if `base` does not exist.
    """
    changed = changes.find(inputs.base, context)
    if changed.why_all:
        report = context.warning if changed.is_doubt else context.notice
        report(f"All notebooks run: {changed.why_all}.{f' {changes.HINT}' if changed.is_doubt else ''}")
        return Selection(dict.fromkeys(candidates.documents, f"all run: {changed.why_all}"))
    text = f"{_given(inputs, context.cwd)}\n{given}"
    found = _affected(candidates, changed, inputs.config or CONFIG, text, context)
    before = {path: set(others) for path, others in candidates.needs.items()}
    for one, other in (pair for chain in candidates.chains for pair in pairwise(chain)):
        before.setdefault(other, set()).add(one)
    reasons = _completed(found, list(candidates.documents), before)
    for path, reason in reasons.items():
        context.console.progress(f"{path}: {reason}")
    return Selection(reasons, changed.base)


def _affected(
    candidates: Candidates, changed: Changes, config: str, given: str, workspace: Workspace
) -> dict[str, str]:
    """Return the notebooks that the changes affect themselves, with the reason."""
    documents, cwd = candidates.documents, workspace.cwd
    paths = sorted(changed.paths)
    if len(paths) > MOST_CHANGES:
        return dict.fromkeys(documents, f"{len(paths):,} files changed")
    known = {*changed.tracked, *paths}
    pipelines = Pipelines(known, changed, workspace)
    files = Files(workspace, known, documents, pipelines.stages, given)
    effects = {cause: each for path in paths for cause, each in pipelines.effects(path).items()}
    different = sorted({*paths}.union(*effects.values()))
    own = {folder for path in documents for folder in PurePosixPath(path).parents}
    for_all = {path for path in changed.tracked if _FOR_ALL.fullmatch(path)}
    for_all -= _foreign(for_all, (), own, cwd)
    foreign = _foreign(different, map(files.text, for_all), own, cwd)
    early = Text(_table(config, "setup-env", cwd)).words
    early |= {word for path in for_all if _NAMES_FOR_ALL.fullmatch(path) for word in files.text(path).words}
    tested = _tested({path for path in paths if path.endswith(SUFFIX)} - documents.keys(), changed.tracked, files)
    general = [
        path
        for path in paths
        if path == posixpath.normpath(config)
        or path in tested
        or (path not in foreign and _is_general(path, effects, early, cwd))
    ]
    if general:
        return dict.fromkeys(documents, f"{quote(general[0])} changed, which may affect all")
    judge = _Effects(candidates, files, foreign, cwd)
    judge.judge_untracked(known)
    for each in different:
        judge.judge(each)
    unknown = [
        cause for cause, each in effects.items() if judge.explained.isdisjoint(each) and not judge.is_harmless(cause)
    ]
    if unknown:
        return dict.fromkeys(documents, f"{quote(unknown[0])} changed, and no notebook names it: any may use it")
    return judge.reasons


def _is_general(path: str, effects: Collection[str], early: Collection[str], cwd: Path) -> bool:
    """Return whether a file may affect all notebooks, also because it is used before them: its name is in `early`.

    What is in a folder that git does not list, a submodule or what a link leads to, can be used without its name.
    """
    is_other = path.endswith(SUFFIX) or bool(_FOR_NONE.fullmatch(_below(path)))  # may be what a workflow ignores
    is_named = not is_other and PurePosixPath(path).name in early
    return is_named or (path in effects and (bool(_FOR_ALL.fullmatch(_below(path))) or (cwd / path).is_dir()))


def _tested(notebooks: Collection[str], tracked: Iterable[str], files: Files) -> set[str]:
    """Return those notebooks whose names a test has: it may import them."""
    used = set().union(*(files.used(path) for path in tracked if notebooks and _TEST.fullmatch(path)))
    words = {word for path in used for word in files.text(path).words}
    return {path for path in notebooks if PurePosixPath(path).stem in words}


def _completed(found: Mapping[str, str], paths: Sequence[str], before: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Add the notebooks that come after an affected one, and those before these: they produce what these read.

    `before` are the notebooks that one needs, or that come before it in a numbered chain. `paths` are in that order.
    """
    reasons = dict(found)
    for path in paths:
        if path not in reasons and (first := sorted(reasons.keys() & before.get(path, ()))):
            reasons[path] = f"comes after {quote(first[0])}, which runs"
    for path in reversed(paths):
        if path in reasons:
            for each in before.get(path, ()):
                reasons.setdefault(each, f"comes before {quote(path)}, which runs")
    return {path: reasons[path] for path in paths if path in reasons}


class _Effects:
    """Judges changed files, one after the other."""

    def __init__(self, candidates: Candidates, files: Files, foreign: Collection[str], cwd: Path) -> None:
        documents = candidates.documents
        self._cwd = cwd
        self._foreign = foreign
        self._chained = {path for chain in candidates.chains for path in chain}
        self._files = files
        self._used = {path: files.used(path) for path in documents}
        self._all_used = set().union(*self._used.values())
        self._composed = {
            path: set[str]().union(*(files.text(each).composed for each in used)) for path, used in self._used.items()
        }
        finding = {path for path in self._all_used if files.text(path).finds_files}
        self._finding = [path for path, used in self._used.items() if not used.isdisjoint(finding)]
        self.reasons = {path: "it cannot be read" for path, content in documents.items() if content is None}
        self.explained: set[str] = set()  # what changed, if it is known which notebooks it affects

    def judge_untracked(self, known: Collection[str]) -> None:
        """Judge the files that git does not know: whether they changed cannot be told."""
        unknown = {each for each in self._all_used - set(known) if (self._cwd / each).is_file()}
        for path, used in self._used.items():
            if found := sorted(used & unknown):
                self.reasons.setdefault(path, f"{quote(found[0])} is not tracked by git")

    def judge(self, changed: str) -> None:
        names = [*_other_names(changed, self._cwd), *self._files.links_to(changed)]
        files = self._files
        naming = {
            path for path in self._all_used if files.text(path).names(changed, names) or files.depends(path, changed)
        }
        for path, used in self._used.items():
            if why := self._reason(path, used, changed, naming):
                self.reasons.setdefault(path, why)
                self.explained.add(changed)
        for path in self._finding if not self._is_of_no_use(changed) else ():
            self.reasons.setdefault(path, f"finds files by itself, and {quote(changed)} changed")
        data = PurePosixPath(changed.removesuffix(".dvc"))
        for path, composed in self._composed.items():  # for files that are elsewhere, it names a folder
            if data.suffix in composed and data.parent in PurePosixPath(path).parents:
                self.reasons.setdefault(path, f"composes names of files, and {quote(changed)} changed")

    def _reason(self, path: str, used: set[str], changed: str, naming: set[str]) -> str:
        if path == changed:
            return "it changed"
        if changed in used:
            return f"uses {quote(changed)}, which changed"
        if self._files.depends(changed, path):
            return f"may be executed by {quote(changed)}, which changed"
        if not naming.isdisjoint(used):
            return f"names {quote(changed)} or its folder, and that changed"
        is_gone = changed.endswith(SUFFIX) and not (self._cwd / changed).exists()
        if is_gone and path in self._chained and PurePosixPath(path).parent == PurePosixPath(changed).parent:
            return f"is one of several numbered notebooks, and {quote(changed)} was deleted"
        return ""

    def is_harmless(self, changed: str) -> bool:
        """Return whether a change affects only notebooks that name the file."""
        return changed.endswith(SUFFIX) or self._is_of_no_use(changed)

    def _is_of_no_use(self, changed: str) -> bool:
        """Return whether not even code that finds files by itself is expected to use a file."""
        return changed in self._foreign or bool(_FOR_NONE.fullmatch(_below(changed)))


def _foreign(paths: Iterable[str], general: Iterable[Text], own: Collection[PurePosixPath], cwd: Path) -> set[str]:
    """Return the files of other projects: in folders with their own config file, which no `general` text names.

    Folders of notebooks that could run, `own`, are no other projects.
    """
    found, texts = set(), list(general)
    for path in paths:
        folders = [each for each in PurePosixPath(path).parents if set(each.parts) - {".."}]
        projects = [each.name for each in folders if each not in own and (cwd / each / CONFIG).is_file()]
        if any(not any(name in text.words for text in texts) for name in projects):
            found.add(path)
    return found


def _below(path: str) -> str:
    """Return a path relative to the folder that it shares with the workspace."""
    return re.sub(r"^(\.\./)+", "", path)


def _other_names(changed: str, cwd: Path) -> list[str]:
    """Return what notebooks may call a changed file: data, for a pointer of DVC; a module that is gone."""
    pure = PurePosixPath(changed)
    if pure.suffix == ".dvc":
        return [pure.stem]
    if pure.name in COMPARED:
        return ["dvc"]  # the command, or its API
    if pure.suffix in {".py", ".ipynb"} and not (cwd / changed).exists():
        return [pure.parent.name if pure.stem == "__init__" else pure.stem]
    return []


def _table(config: str, stage: str, cwd: Path, *names: str) -> str:
    """Return what the config file says of a stage, as JSON: all inputs, or those with these names."""
    with contextlib.suppress(InputError):  # it does not exist
        table = parse_toml(read_text(cwd / config, config), config).get(stage, {})
        return json.dumps([table.get(name) for name in names or table], default=str)
    return ""


def _given(inputs: NotebookInputs, cwd: Path) -> str:
    """Return the text that the parameters of notebooks come from: it may name data. The file itself is named, too."""
    sweep = _table(inputs.config or CONFIG, EXECUTE, cwd, "sweep")
    texts = [inputs.parameters_file, json.dumps(inputs.parameters), sweep]
    with contextlib.suppress(InputError):
        texts.append(read_text(cwd / inputs.parameters_file, inputs.parameters_file))
    return "\n".join(texts)
