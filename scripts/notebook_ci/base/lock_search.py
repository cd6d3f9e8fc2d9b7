"""Searches a workspace for the file that says what to install."""

import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from notebook_ci.base import conda
from notebook_ci.base.conda import this_platform
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import exists, parse_toml, read_text
from notebook_ci.base.inputs import CONFIG
from notebook_ci.base.project import table
from notebook_ci.base.texts import listed, quote

MOST_NAMED = 10
SEVERAL_HINT = "Set `requirements` to one of them."
PROJECTS_HINT = f"{SEVERAL_HINT} If each folder is a project, set `working-directory`."
DEPTH = 3  # of the folders that `searched` names: `team/projects/a`
# Folders where other tools look for such files, searched if the root has none.
FOLDERS = ("binder", ".binder", "requirements", ".devcontainer")
# What is in these is not for the notebooks: never chosen, only named.
_ASIDE = re.compile(r"examples?|tests?|docs?|benchmarks?|tutorials?|templates?|vendor|third[-_]?party", re.IGNORECASE)
_UNSEARCHED = re.compile(r"\..*|_.*|v?env\d*|virtualenv|node_modules|site-packages|build|dist", re.IGNORECASE)
_OF_ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")
USUAL = "requirements.txt"
_LOCKS = (
    "uv.lock", "pylock.toml", "poetry.lock", "pdm.lock", "Pipfile.lock", "conda-lock.yml", "pixi.lock",
    f"conda-{this_platform()}.lock",
)  # fmt: skip
_NAMES = (*_LOCKS, USUAL, "pyproject.toml", "setup.py")
OF_PROJECTS = (CONFIG, *_LOCKS, USUAL)
# `requirements-gpu.txt`, but also `requirement.txt`, `Requirements.txt`, `reqs.txt`, `pip-requirements.txt` ...
_SPELLINGS = re.compile(
    r"(?:[\w.]+[-_.])?(?:requir(?:e)?ments?|reqs?|dependencies|deps|pip[-_]?freeze)(?:[-_.]?[\w.-]*)?"
    r"\.(?:txt|in|lock|pip)",
    re.IGNORECASE,
)
_OF_CONDA = re.compile(r"(?:environment|conda)\.ya?ml")
_SPELLINGS_OF_CONDA = re.compile(r"(?:conda[-_.]?)?env(?:ironment)?(?:[-_.][\w.-]+)?\.ya?ml", re.IGNORECASE)
# Parts of the names of lists for other package managers: on PyPI, strangers may own such names. Constraints install
# nothing.
_NEVER = re.compile(
    r"(?:^|[-_.])(?:apt|apk|brew|conda|deb|dnf|yum|ubuntu|system|sys|os|r|npm|node|constraints?)(?=[-_.])",
    re.IGNORECASE,
)
_COMPLETING = (
    r"dev|devel|develop|development|docs?|documentation|sphinx|tests?|testing|pytest|lint|linting|typing|mypy|style|"
    r"build|publish|release|optional|extras?|benchmarks?"
)
# Lists that complete another one.
_SECONDARY = re.compile(rf"(?:^|[-_.])(?:{_COMPLETING})(?=[-_.])", re.IGNORECASE)
# Names in a folder `requirements`, which may contain anything else, too.
_WORD = rf"(?:{_COMPLETING}|base|main|prod|production|common|core|default|runtime|app|all|local|notebooks?|[cg]pu)"
_IN_FOLDER = re.compile(rf"{_WORD}(?:[-_.]{_WORD})*\.(?:txt|in)", re.IGNORECASE)


@dataclass(frozen=True)
class Choice:
    path: Path
    why: str  # the reason, for the end of a sentence
    is_usual: bool  # a person expects it, unless there are others
    others: Sequence[Path]  # files that also say what to install


@dataclass(frozen=True)
class _Rank:
    files: Sequence[Path]
    why: str
    is_usual: bool = True
    is_ambiguous: bool = False  # several of these exclude each other


def search(cwd: Path, unlocked: Iterable[str]) -> Choice | None:
    """Return the file to install from; None if there is none.

    `unlocked` are names of files that need a lock: they win over a project and over odd names, so that they are
    refused, not ignored. Raises InputError if several files could be meant.
    """
    unlocked = tuple(unlocked)
    root = _ranks(cwd, unlocked)
    near = [_ranks(cwd / folder, unlocked) for folder in FOLDERS if not (cwd / folder).is_symlink()]
    if _strong([root]):
        return _choice(cwd, [root], near)
    why = "because no file in the root of the workspace says what to install"
    if found := _strong(near) or _strong([_ranks(folder, unlocked) for folder in _sub_folders(cwd)]):
        return _choice(cwd, found, [root, *near], why)
    found = [ranks for ranks in (root, *near) if ranks[-1].files]
    return _choice(cwd, found, []) if found else None


def _strong(folders: Iterable[Sequence[_Rank]]) -> list[Sequence[_Rank]]:
    """Return the ranks of the folders that have more than lists that complete another one."""
    return [ranks for ranks in folders if any(rank.files for rank in ranks[:-1])]


def aside(cwd: Path) -> list[str]:
    """Return the files that were not used because of their folder, such as `examples/requirements.txt`."""
    folders = [each for each in _folders(cwd) if _ASIDE.fullmatch(each.name)]
    found = [path for folder in folders for rank in _ranks(folder, ()) for path in rank.files]
    return [path.relative_to(cwd).as_posix() for path in found]


def searched(cwd: Path, names: Collection[str], what: str) -> str:
    """Say which folder was searched in vain, and which sub-folders have files or folders of these names."""
    found: list[str] = []
    for path, folders, files in os.walk(cwd):
        below = Path(path).relative_to(cwd)
        has_one = below.parts and not {*folders, *files}.isdisjoint(names)
        if has_one:
            found.append(quote(below.as_posix()))
        is_end = has_one or len(below.parts) == DEPTH
        folders[:] = [] if is_end else sorted(name for name in folders if not _UNSEARCHED.fullmatch(name))
    have = "has" if len(found) == 1 else "have"
    others = f" {listed(found, MOST_NAMED)} {have} {what}: set `working-directory`." if found else ""
    return f"Searched: `{cwd}`.{others}"


def _choice(cwd: Path, folders: Sequence[Sequence[_Rank]], around: Sequence[Sequence[_Rank]], why: str = "") -> Choice:
    """Return the choice from the ranks of one folder. Raises InputError for several folders, or an ambiguous rank."""
    best = [next(rank for rank in ranks if rank.files) for ranks in folders]
    candidates = [path for rank in best for path in (rank.files if rank.is_ambiguous else rank.files[:1])]
    if len(candidates) > 1:
        names = [quote(path.relative_to(cwd).as_posix()) for path in candidates]
        message = f"Several files could say what to install: {listed(names, MOST_NAMED)}."
        raise InputError(message, hint=PROJECTS_HINT if len(folders) > 1 else SEVERAL_HINT)
    path, rank = candidates[0], best[0]
    everywhere = [each for ranks in (*folders, *around) for rank in ranks for each in rank.files]
    others = [each for each in dict.fromkeys(everywhere) if each != path]
    return Choice(path, why or rank.why, rank.is_usual and not why, others)


def _ranks(folder: Path, unlocked: Sequence[str]) -> list[_Rank]:
    """Return what a folder has, the strongest first; the last rank must not win over a file of another folder."""
    paths = [path for path in _files(folder) if not _is_source(path)]
    named = {name: [path for path in paths if path.name == name] for name in _NAMES}
    lists = [path for path in paths if _is_list(path) and path.name != USUAL]
    secondary = [path for path in lists if _SECONDARY.search(path.name)]
    pattern = "*.txt" if folder.name == "requirements" else "requirements*.txt"
    main = [path for path in lists if path not in secondary and fnmatch(path.name, pattern)]
    of_conda = [path for path in paths if _OF_CONDA.fullmatch(path.name)]
    odd = [path for path in lists if path not in (*secondary, *main, *of_conda)]
    project = list(filter(_may_be_project, named["pyproject.toml"])) or named["setup.py"]
    others = [path for path in paths if path.name in unlocked]
    return [
        *(_Rank(named[name], "which fixes all versions") for name in _LOCKS),
        _Rank(list(filter(_includes_usual, of_conda)), f"which includes `{USUAL}`"),
        _Rank(named[USUAL], "the usual file of pip"),
        _Rank(main, "the only main requirements file", is_ambiguous=True),
        _Rank(of_conda, "the environment of conda", is_ambiguous=True),
        _Rank(others, ""),
        _Rank(project, "which lists the dependencies of the project"),
        _Rank(odd, "the only file with such a name", is_usual=False, is_ambiguous=True),
        _Rank(secondary, "the only file that says what to install", is_usual=False, is_ambiguous=True),
    ]


def _is_list(path: Path) -> bool:
    in_folder = path.parent.name == "requirements" and _IN_FOLDER.fullmatch(path.name)
    is_spelling = bool(in_folder or _SPELLINGS.fullmatch(path.name)) and not _NEVER.search(path.name)
    return is_spelling or bool(_SPELLINGS_OF_CONDA.fullmatch(path.name))


def _is_source(path: Path) -> bool:
    """Whether a file was compiled to another one, as pip-tools does."""
    return path.suffix == ".in" and any(path.with_suffix(suffix).is_file() for suffix in (".txt", ".lock"))


def _may_be_project(path: Path) -> bool:
    """Whether a `pyproject.toml` says what to install, or is broken; many have only settings of linters."""
    try:
        content: dict[str, Any] = parse_toml(read_text(path, path.name), path.name)
    except InputError:
        return True
    return "project" in content or "poetry" in table(content, "tool")


def _includes_usual(of_conda: Path) -> bool:
    try:
        return any(line.included == of_conda.with_name(USUAL) for line in conda.read(of_conda, of_conda.name).pip)
    except InputError:
        return False


def _sub_folders(cwd: Path) -> list[Path]:
    return [each for each in _folders(cwd) if not _ASIDE.fullmatch(each.name) and each.name not in FOLDERS]


def _folders(cwd: Path) -> list[Path]:
    """Return the folders in the workspace that people write into: not hidden ones, environments, or links."""
    return [
        path
        for path in sorted(cwd.iterdir())
        if path.is_dir()
        and not path.is_symlink()
        and not _UNSEARCHED.fullmatch(path.name)
        and not any(exists(path / name) for name in _OF_ENVIRONMENTS)
    ]


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:
        return []  # it does not exist, or may not be read
