"""Which files of a workspace a notebook uses, as far as the texts say: modules, and what they name, at any depth."""

import functools
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from pathlib import Path, PurePosixPath

from notebook_ci.affected.pipelines import DvcStage, is_in
from notebook_ci.base.errors import NotebookCiError
from notebook_ci.base.files import read_bytes
from notebook_ci.base.workspace import Workspace
from notebook_ci.notebooks import document as reading
from notebook_ci.notebooks import parameters, text_notebooks
from notebook_ci.notebooks.document import Document
from notebook_ci.notebooks.needed import LocalModules
from notebook_ci.notebooks.parameters import has_python_body

MOST_BYTES = 2**20
GIVEN = ":parameters"
_CODE = (".py", ".ipynb")
# What other files may say of the files that they use. A notebook that names one of these uses what that names, too.
_TEXTS = (*_CODE, ".r", ".jl", ".sql", ".sh", ".mk", ".yaml", ".yml", ".json", ".toml", ".ini", ".cfg", ".env", ".txt")
_MAKE, _MAKEFILES = ":make", {"makefile", "gnumakefile"}  # the command, which does not name its file
# What code calls to find files or modules whose names it does not say.
_FINDING = frozenset(
    "glob rglob iglob listdir scandir iterdir walk files import_module __import__ run_path run_module exec "  # noqa: SIM905 - as literals, they take 27 lines
    "spec_from_file_location entry_points run_line_magic magic execute_notebook NotebookClient ExecutePreprocessor "
    "load_all readdir walkdir".split()
)
# These take linear time: a text may have a million characters without a break.
_WORD = re.compile(r"[\w.-]+")
_CALLED = re.compile(r"\b(\w++)\s*+(?:\(|as\b)")  # also by another name: `import glob as g`
_QUOTE = re.compile(r"[\"'\\]")
_BETWEEN_WORDS = re.compile(r"[\s()\[\],=\"'\\!;&|<>`]+")
_BETWEEN_PATHS = re.compile(r"[\s()\[\],=]+")
_UNFOLLOWED = (
    re.compile(r"%run\s+(?:-\w+\s+)*(?!\S*\.(?:py|ipynb)\b)"),
    re.compile(r"-m(?<=[\s\"']-m)[\s\"',]+(?!(?:pip|ipykernel)\b)[^\W\d]"),
    re.compile(r"\n[ \t]*[%!].*import\b"),
)
# What a shell runs: names of folders are not in quotes of their own.
_SHELL = re.compile(
    r"^.*?(?:^[ \t]*(?:!|%+(?:cd|sx|system)\b)|=[ \t]*!|\b(?:system|[pP]open|run|call|check_\w+|getoutput)\().*",
    re.MULTILINE,
)
_FINDERS = {"import_ipynb", "nbimporter", "dvc", "dvc.api", "dvc.repo"}  # DVC runs and reads what `dvc.yaml` names
# `f"{x}.csv"`, `"x-%d.csv"`, `"*.csv"`, `x + ".csv"`
_COMPOSED = re.compile(r"[\"'}*?%](?:(?<![\"'])[\w-]*+)?(\.\w+)")


class Text:
    """What a text may say of files. `known` are the names of all files and folders.

    In `bare`, which is a part of it, any word may be the name of a folder, as a value in YAML.
    """

    def __init__(self, text: str, known: Collection[str] = (), bare: str = "") -> None:
        self.text = text
        self.words = {word.rstrip(".-") for word in set(_WORD.findall(text))}
        self.finds_files = (
            not _FINDING.isdisjoint(_CALLED.findall(text))
            or not _FINDERS.isdisjoint(self.words)
            or any(pattern.search(f"\n{text}") for pattern in _UNFOLLOWED)
        )
        self.composed = set(_COMPOSED.findall(text))  # suffixes of files whose names it does not say
        tokens = _BETWEEN_PATHS.split(_QUOTE.sub("/", text))
        paths = [token.split("/") for token in tokens if "/" in token]
        # Folders with files that it does not name: `"data"`, f"data/{name}.csv", but not "data/raw.csv".
        self.folders = {one for parts in paths for one, other in pairwise(parts) if other not in known} - {"", ".."}
        bare_words = _BETWEEN_WORDS.split("\n".join([bare, *_SHELL.findall(text)]))
        self.folders.update(bare_words)
        self.runs_make = "make" in bare_words

    def names(self, path: str, others: Iterable[str] = ()) -> bool:
        """Return whether the text has the name of a file, or one of the `others`; for data, or that of its folder."""
        *folders, name = path.split("/")
        if name in self.text or any(each in self.text for each in others):
            return True
        # A folder of code is named to import from it, and imports in the workspace are known.
        is_known = name.endswith(_CODE) and not path.startswith("../")
        return not is_known and not self.folders.isdisjoint(folders)


class Files:
    """The files of a repository. A stage of `dvc.yaml` counts as a file that has its text, and is named as its outputs.

    `paths` are all files, relative to the working directory, `documents` the notebooks that were read, `given` the text
    that their parameters come from.
    """

    def __init__(
        self,
        workspace: Workspace,
        paths: Collection[str],
        documents: Mapping[str, Document | None],
        stages: Mapping[str, DvcStage],
        given: str,
    ) -> None:
        cwd = workspace.cwd
        self._cwd = cwd.resolve()
        self._documents = dict(documents)
        self._modules = LocalModules(workspace.repository)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        self._stages = {**stages, GIVEN: DvcStage(given)}
        # Where links lead, and their names.
        links = (path for path in paths if os.path.islink(f"{cwd}/{path}"))  # noqa: PTH114 - a `Path` per file takes longer
        self._links = [(self._relative((self._cwd / link).resolve()), link) for link in links]
        self._known = {part.removesuffix(".dvc") for path in paths for part in path.split("/")}
        for path in sorted(paths):
            name = path.rpartition("/")[2]
            if name.lower().endswith(_TEXTS):
                self._by_name[_WORD.findall(name)[-1]].append(path)  # `my query.sql` is two words
            if name.lower() in _MAKEFILES:
                self._by_name[_MAKE].append(path)
        self._by_folder: dict[str, list[str]] = defaultdict(list)
        for key, out in ((key, out) for key, stage in stages.items() for out in stage.outs):
            *folders, name = out.split("/")
            self._known.add(name)
            for each in (name, *self.links_to(out)):
                self._by_name[(_WORD.findall(each) or [each])[-1]].append(key)
            for folder in folders:
                self._by_folder[folder].append(key)

    def used(self, path: str) -> set[str]:
        """Return the files that a notebook uses, at any depth, and itself."""
        found, pending = {path}, [path]
        while pending:
            new = self._directly_used(pending.pop()) - found
            found |= new
            pending += new
        return found

    def links_to(self, path: str) -> list[str]:
        """Return the names of links to a file, or to a folder that it is in."""
        return [PurePosixPath(link).name for target, link in self._links if f"{path}/".startswith(f"{target}/")]

    def depends(self, stage: str, path: str) -> bool:
        """Return whether a stage says that it depends on a file, on its folder, or on any with its suffix."""
        if stage not in self._stages:
            return False
        is_named = any(is_in(path, dep) for dep in self._stages[stage].deps)
        return is_named or PurePosixPath(path).suffix in self.text(stage).composed

    def _relative(self, path: Path) -> str:
        return Path(os.path.relpath(path, self._cwd)).as_posix()

    @functools.cache  # noqa: B019 - there is one object per run
    def text(self, path: str) -> Text:
        """Return the text of a file, of a notebook its cells; empty if it cannot be read."""
        if path in self._stages:
            return Text(text := self._stages[path].text, self._known, bare=text)
        if document := self.document(path):
            bare = "\n".join(cell.source for cell in document.cells if not has_python_body(cell.source))
            found = Text("\n".join(cell.source for cell in document.cells), self._known, bare)
            found.finds_files |= "import" in bare  # `%%ipytest` runs Python, too
            return found
        try:
            content = read_bytes(self._cwd / path, path, most=MOST_BYTES)
        except NotebookCiError:
            return Text("")
        text = content.decode(errors="replace")
        found = Text(text, self._known, bare="" if path.endswith(_CODE) else text)
        found.finds_files |= len(content) == MOST_BYTES  # nobody knows what the rest says
        return found

    def document(self, path: str) -> Document | None:
        if path not in self._documents and PurePosixPath(path).suffix == ".ipynb":
            try:
                self._documents[path] = reading.read(self._cwd / path, text_notebooks.code_only)
            except NotebookCiError:
                self._documents[path] = None
        return self._documents.get(path)

    @functools.cache  # noqa: B019 - there is one object per run
    def _directly_used(self, path: str) -> set[str]:
        text = self.text(path)
        named = {other for word in text.words for other in self._by_name.get(word, ())}
        named |= {key for folder in text.folders for key in self._by_folder.get(folder, ())}
        named |= set(self._by_name[_MAKE]) if text.runs_make else set()
        if path in self._stages:
            return named
        file, content = self._cwd / path, self.document(path)
        if content:
            named |= {key for key, stage in self._stages.items() if stage.may_be_used_by(file.name) and key != GIVEN}
            named |= {GIVEN} if parameters.tagged(content) else set()
        modules = self._modules.imported(content or file, file)
        return named | {self._relative(each) for each in (*modules, *([file.resolve()] if file.is_symlink() else []))}
