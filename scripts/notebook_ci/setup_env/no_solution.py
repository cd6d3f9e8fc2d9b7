"""Explains why no versions fit, from the sentences of uv's resolver (0.13)."""

import re
import sys
from collections.abc import Iterator, Sequence

from notebook_ci.base import requirements_file
from notebook_ci.base.errors import InputError, NotebookCiError, SurroundingsError
from notebook_ci.base.locks import Lock
from notebook_ci.base.texts import quote

_PREMISES = re.compile(r"\b[Bb]ecause (.+?),? we can conclude")
_REASON = re.compile(
    r"(?P<unknown>\S+) was not found in the (?!cache$).+|there (?:is|are) no versions? of (?P<version>\S+)|"
    r"(?P<wheels>\S+) has no wheels .+|(?P<metadata>\S+) has (?:invalid|inconsistent) metadata|"
    r"only (?:the following versions of \S+ are available: )?(?P<only>.+?)(?: (?:is|are) available)?"
)
_OF_LOCK = re.compile(r"`(\S+)[^`]*` can't be installed because it doesn't have a source distribution or wheel")
_TAGS = re.compile(r"^hint: .*`(\S+)` \(v(\S+)\).* the following [\w ]+: (`[^;\n]+`)", re.MULTILINE)
_FIRST_INDEX = re.compile(r"^hint: `(\S+)` was found on (\S+), but not at the requested version", re.MULTILINE)
_SYSTEMS = {"win": "win32", "macosx": "darwin", "linux": "linux", "manylinux": "linux"}  # values of `sys_platform`
_OWN_INDEX = "If you use your own index, check that it has the package."


class ContradictionError(InputError):
    """What a list requires does not fit together."""


def explain(output: str, lock: Lock, python: str) -> NotebookCiError | None:
    """Return which packages do not exist or fit together; None if that is not what uv says.

    `python` is the version of the environment's Python; empty if it is not known.
    """
    here = f"Python {'.'.join(python.split('.')[:2])}" if python else "this Python"
    if (found := _OF_LOCK.search(output)) and (tags := _tags(found[1], output)):
        error = _other_wheels(found[1], tags, here, listed=found[1])
        error.hint += " Then create the lock again."
        return located(error, [found[1]], lock)
    flat = " ".join(output.split()).replace("your project depends on", "you require")
    flat = re.sub(r"\{[^}]*\}|all versions of (?=\S+ depend )", "", flat)  # without markers
    flat = re.sub(r" depend on | requires (?=Python )", " depends on ", flat).replace(" Python ", " Python")
    premises = [each for clause in _PREMISES.findall(flat) for each in clause.split(" and ")]
    required = [each.removeprefix("you require ") for each in premises if re.match(r"you require |\S+$", each)]
    needs = [(by, need) for by, verb, need in (each.partition(" depends on ") for each in premises) if verb]
    reasons = list(filter(None, map(_REASON.fullmatch, premises)))
    is_unknown = any(found["unknown"] for found in reasons)
    if len(required) > 1 and (needs or len(set(map(name_of, required))) == 1) and not is_unknown:
        return _contradiction(required, needs, lock)
    for what, need in needs:
        if need.startswith("Python"):
            message = f"{quote(what)} needs {need}, but this environment has {here}."
            hint = f"Set `python-version`, or require another version of {quote(name_of(what))}."
            return located(InputError(message, hint=hint), [what, *required], lock)
    if reasons:
        error, what = _unavailable(reasons[0], required, needs, output, here)
        return located(error, [what, *(by for by, _ in needs), *required], lock)
    return None


def located(error: NotebookCiError, packages: Sequence[str], lock: Lock) -> NotebookCiError:
    """Add the line of the first of these packages that the files of the lock list."""
    line = next((line for each in packages for line in lines_of(_pattern(each), lock)), None)
    error.file, error.line = line[1:] if line else (lock.name, None)
    return error


def lines_of(pattern: str, lock: Lock) -> Iterator[tuple[re.Match[str], str, int]]:
    """Yield the lines in the lock's files that begin with `pattern`, maybe quoted; their files and numbers."""
    for path in lock.files():
        for line in requirements_file.lines(path):
            if found := re.match(rf"[\s\"'-]*{pattern}", line.text, re.IGNORECASE):
                yield found, lock.shown(path), line.number


def name_of(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement.removeprefix("one of: "))[0]


def same(one: str, other: str) -> bool:
    return name_of(one) == name_of(other)


def _pattern(requirement: str) -> str:
    """Return the pattern of a name that uv writes in its normal form (PEP 503), whatever the file has."""
    return r"[-_.]+".join(map(re.escape, name_of(requirement).split("-"))) + r"(?![\w.-])"


def _tags(what: str, output: str) -> str:
    """Return the tags of the wheels of a package or of a version of it, as uv lists them; empty if it does not."""
    return next((tags for name, version, tags in _TAGS.findall(output) if what in {name, f"{name}=={version}"}), "")


def _unavailable(
    found: re.Match[str], required: Sequence[str], needs: Sequence[tuple[str, str]], output: str, here: str
) -> tuple[NotebookCiError, str]:
    """Return the error for a package that the index does not have as required, and that requirement."""
    kind = str(found.lastgroup)
    named = (each for each in (*required, *(need for _, need in needs)) if same(each, found[kind]))
    what = next(named, found[kind])
    by = next((f", which {quote(by)} needs" for by, need in needs if same(need, what)), "")
    error = SurroundingsError(
        f"The package index has no {quote(what)} for {here} on this platform"
        f"{f', only {quote(found[kind])}' if kind == 'only' else ''}{by}.",
        hint=f"Check name and version. {_OWN_INDEX}",
    )
    if kind == "unknown":
        error.message = f"The package index has no package {quote(found[kind])}{by}."
        error.hint = f"Check the name. {_OWN_INDEX} `pip freeze` also lists packages of the system: remove these lines."
    elif kind == "wheels" and (tags := _tags(found[kind], output)):
        return _other_wheels(found[kind], tags, here, listed=what if what in required else ""), what
    elif kind == "metadata":
        error.message = f"The resolver does not accept the metadata of {quote(found[kind])}{by}."
        error.hint = f"Require another version of {quote(name_of(what))}."
    elif build := re.search(r"\+[\w.]+$", found[kind]):
        error.hint = f"Only its own index has the build `{build[0]}`: remove that part, or add the index "
        error.hint += "(`--extra-index-url`)."
    elif url := dict(_FIRST_INDEX.findall(output)).get(name_of(what)):
        error.message = f"The first index with {quote(name_of(what))}, {quote(url)}, has no {quote(what)}{by}."
        error.hint = "If you trust all your indexes alike, set the variable `UV_INDEX_STRATEGY=unsafe-best-match`."
    return error, what


def _other_wheels(what: str, shown: str, here: str, *, listed: str) -> NotebookCiError:
    """Return the error for a package whose wheels have the tags `shown`. `listed` is its line; empty: it has none."""
    other, tags = f"require another version of {quote(name_of(what))}.", re.findall(r"`(\w+)`", shown)
    systems = {_SYSTEMS.get(re.split(r"[_\d]", tag)[0], "") for tag in tags}
    pythons = [f"3.{found[1]}" for tag in tags if (found := re.fullmatch(r"cp3(\d+)m?", tag))]
    hint = other.capitalize()
    if listed and len(systems) == 1 and (system := systems.pop()) and system != sys.platform:
        hint = f"Write `{listed}; sys_platform == '{system}'`, or remove the line."
    elif len(pythons) == len(tags):
        shown, hint = f"Python {', '.join(pythons)}", f'Set `python-version` to "{pythons[-1]}", or {other}'
    return InputError(f"{quote(what)} has wheels only for {shown}, not for {here} on this platform.", hint=hint)


def _contradiction(required: Sequence[str], needs: Sequence[tuple[str, str]], lock: Lock) -> NotebookCiError:
    found = {name: lines_of(_pattern(name), lock) for name in map(name_of, required)}
    lines = [next(found[name_of(each)], None) for each in required]
    changeable = [
        f"{quote(each)}{f' ({at[1]}:{at[2]})' if at else ''}" for each, at in zip(required, lines, strict=True)
    ]
    others = [each for each in required if not any(same(each, by) for by, _ in needs)]
    why = f"it requires {' and '.join(required)}"
    if needs:  # of several versions of a package, the first
        first = {(re.split("[<>=!~]", by)[0], name_of(need)): (by, need) for by, need in reversed(needs)}
        alternatives = ((by, need.removeprefix("one of: ").split()) for by, need in reversed(first.values()))
        why = " and ".join(f"{quote(by)} needs {' or '.join(map(quote, each))}" for by, each in alternatives)
        why += f", but {' and '.join(map(quote, others))} is required" if others else ""
    error = ContradictionError(
        f"{quote(lock.name)} contradicts itself: {why}.", hint=f"Change {' or '.join(changeable)}."
    )
    at = lines[required.index(others[-1]) if others else -1]
    error.file, error.line = at[1:] if at else (lock.name, None)
    return error
