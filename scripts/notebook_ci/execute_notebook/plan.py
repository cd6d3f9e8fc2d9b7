"""Plans which notebooks are executed, with which parameters, in which order, and where the outputs go. Runs nothing."""

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from notebook_ci.base import yaml12
from notebook_ci.base.errors import CheckFailed, InputError, NotebookCiError, Problem
from notebook_ci.base.files import exists, read_text
from notebook_ci.base.masking import HIDDEN, is_rare
from notebook_ci.base.plan import Plan
from notebook_ci.base.texts import did_you_mean, listed, quote
from notebook_ci.base.workspace import Workspace
from notebook_ci.base.yaml12 import Values
from notebook_ci.execute_notebook import secret_parameters
from notebook_ci.execute_notebook.baseline import Baseline, NoBaselineError
from notebook_ci.execute_notebook.model import ExecuteInputs
from notebook_ci.execute_notebook.settings import OF_INPUTS, Settings, settings
from notebook_ci.notebooks import document, order, parameters
from notebook_ci.notebooks.document import Document, UnreadError
from notebook_ci.notebooks.selection import (
    SUFFIX,
    SUFFIXES,
    everything,
    expand,
    matching,
    meant,
    select,
    without_others,
)
from notebook_ci.records.execute_notebook import ALLOW, NotebookResult
from notebook_ci.records.run_directory import RunDirectory

if TYPE_CHECKING:  # a plan needs only the standard library
    from jupyter_client.kernelspec import KernelSpec

MOST_LISTED = 10
UPDATED = "updated"  # the folder of the copies that `update` writes
HOW_TO_TAG = (
    "No notebook assigns a name in a cell tagged `parameters`. Tag the cell that holds the defaults: in JupyterLab, "
    "the gear icon on the right; in VS Code, `Mark Cell as Parameters` in the cell's menu."
)


@dataclass(frozen=True)
class Execution:
    """One execution: a notebook, once or with one set of a sweep."""

    path: str  # relative to the workspace
    name: str  # of the execution
    content: Document | NotebookCiError  # the error: why it cannot be executed
    declared: tuple[str, ...] = ()  # names of the notebook's parameters
    parameters: Values = field(default_factory=dict)  # the declared ones that are set; secrets as `***`
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)  # those of the parameters
    settings: Settings = field(default_factory=Settings)
    baseline: Document | None = None  # of an earlier run; None: its outputs are compared with the stored ones
    kernel: "KernelSpec" = None  # None: not chosen yet, or it cannot be executed

    @property
    def document(self) -> Document | None:
        return self.content if isinstance(self.content, Document) else None

    @property
    def output(self) -> str:
        """The executed notebook, relative to the output folder."""
        return str(PurePosixPath(self.name).with_suffix(SUFFIX))

    @property
    def is_ipykernel(self) -> bool:
        """Whether its kernel is ipykernel of the notebooks' Python, not one of another language."""
        return self.kernel is not None and not self.kernel.resource_dir

    def result(self) -> NotebookResult:
        """Return its result before it has begun."""
        given, own = dict(self.settings.given), sorted(self.settings.own)
        return NotebookResult(path=self.path, name=self.name, settings=given, own_settings=own)


@dataclass(frozen=True, kw_only=True)
class ExecutionPlan(Plan):
    executions: tuple[Execution, ...]  # sorted; each comes after those that it needs
    needs: Mapping[str, Collection[str]]  # per notebook, those that must pass first
    chains: Sequence[Sequence[str]]  # notebooks that run one after the other
    parameters: Values  # all that are given
    output_dir: Path | None  # None: in the run directory
    changed_only: bool
    determinism: int  # how often each runs; 0: once
    missing: str  # the parameters file that dvc-pull has yet to bring; empty: none

    def lines(self) -> Iterator[str]:
        names = [each.name for each in self.executions]
        which = "what a change affects of " if self.changed_only else ""
        yield f"execute {which}{len(names)} notebook{'s' if len(names) > 1 else ''}: {listed(names, MOST_LISTED)}"
        if used := sorted({name for execution in self.executions for name in execution.parameters}):
            yield f"set parameters: {listed(used, MOST_LISTED)}"
        if compared := [each for each in self.executions if each.settings.compare != "off"]:
            which = "those in the baseline" if compared[0].baseline else "the stored ones"
            yield f"compare the outputs of {len(compared)} with {which}"
        if self.determinism:
            yield f"run each {self.determinism} times, to find outputs that differ"
        if self.missing:
            yield f"not known before dvc-pull: the parameters in {self.missing}"
        if unread := [each.path for each in self.executions if isinstance(each.content, UnreadError)]:
            yield f"not known before jupytext is installed: cells and parameters of {listed(unread, MOST_LISTED)}"
        for execution in self.executions:
            if isinstance(execution.content, NotebookCiError) and execution.path not in unread:
                yield f"fail {execution.path}: {execution.content.message}"
            if execution.settings.allow_failure:
                does = "allow" if execution.settings.may_fail else "no longer allow"
                yield f"{does} {execution.name} to fail {execution.settings.given[ALLOW]}"


@dataclass(frozen=True)
class _Given:
    """The parameters of a run."""

    values: Values  # secrets as `***`
    swept: Values  # of a sweep, of each the last value
    secrets: Mapping[str, str]
    missing: str  # the file that dvc-pull has yet to bring; empty: none


def make(inputs: ExecuteInputs, workspace: Workspace) -> ExecutionPlan:
    cwd, output_dir = workspace.cwd, _output_dir(inputs.output_dir, workspace.cwd)
    baseline = Baseline(inputs.baseline, inputs.slug, workspace) if inputs.baseline else None
    outputs = [RunDirectory.location(inputs.run_dir, workspace)]
    outputs += [folder for folder in (output_dir, baseline and baseline.folder) if folder]
    all_notebooks = functools.cache(lambda: sorted(everything(cwd, outputs)))  # searched only on demand
    chosen, others = without_others(select(inputs.notebooks, inputs.exclude, cwd, outputs), inputs.notebooks, cwd)
    needs, unmet = order.needed(inputs.needs, chosen, all_notebooks)
    paths = order.ordered(chosen, needs)
    given = _given(inputs, workspace)
    executions = tuple(_executions(paths, given.values, inputs.sweep, given.secrets))
    names = [name for each in executions for name in (each.path, each.name)]
    matched = {glob: matching(glob, names) for rule in inputs.for_ for glob in rule.notebooks}
    executions = tuple(_with_settings(inputs, each, matched) for each in executions)
    _refuse_needed_failures(executions, needs)
    _refuse_without_comparison(inputs, executions)
    not_compared: list[Problem] = []
    if baseline:
        executions, not_compared = _with_baselines(executions, baseline, all_notebooks)
    else:
        _refuse_comparisons(executions)
    _refuse_clashes(executions, cwd, output_dir)
    notices = [*unmet, *_of_parameters(inputs, given, executions, all_notebooks), *_of_notebooks(executions, others)]
    return ExecutionPlan(
        executions=executions,
        needs=needs,
        chains=order.chains(paths, inputs.execution_order),
        parameters=given.values,
        output_dir=output_dir,
        changed_only=inputs.changed_only,
        determinism=inputs.determinism,
        missing=given.missing,
        problems=(
            *_second_cells(executions),
            *_without_code(executions),
            *not_compared,
            *(Problem(severity="notice", message=message) for message in notices),
            *_useless(inputs, matched, cwd, all_notebooks),
        ),
    )


def _output_dir(name: str, cwd: Path) -> Path | None:
    """Raise InputError if it contains the notebooks: a later run would find outputs as notebooks."""
    folder = cwd / name if name else None
    if folder and cwd.resolve().is_relative_to(folder.resolve()):
        message = f"`output-dir` is {quote(str(folder))}, which contains the notebooks."
        raise InputError(message, hint="Set `output-dir` to a folder of its own.")
    return folder


def _given(inputs: ExecuteInputs, workspace: Workspace) -> _Given:
    file, cwd = inputs.parameters_file, workspace.cwd
    is_late = workspace.awaits_data and not exists(cwd / file)
    values = ({} if is_late else _parameters_file(file, cwd)) | inputs.parameters
    swept = {name: value for values in inputs.sweep.values() for name, value in values.items()}
    secrets = secret_parameters.values(inputs.secret_parameters, values | swept, workspace.environ)
    return _Given(values | dict.fromkeys(secrets, HIDDEN), swept, secrets, file if is_late else "")


def _of_parameters(
    inputs: ExecuteInputs, given: _Given, executions: Sequence[Execution], all_notebooks: Callable[[], Sequence[str]]
) -> Iterator[str]:
    """Yield notices about parameters. Raises InputError for one that no notebook declares."""
    for name, secret in given.secrets.items():
        if not is_rare(secret):
            yield f"The secret of {quote(name)} is too short or too common to be hidden in outputs. Do not print it."
    # A table in `notebook-ci.toml` is for every run, like the parameters file; text is given for this run only.
    texts: dict[str, Collection[str]] = {
        "parameters": inputs.parameters,
        "sweep": given.swept,
        "secret-parameters": given.secrets,
    }
    for_this_run = {name for text, values in texts.items() if text in inputs.texts for name in values}
    for name in _idle(given.values | given.swept, executions, all_notebooks):
        if name in for_this_run:
            yield f"No notebook of this run declares the parameter {quote(name)}."


def _of_notebooks(executions: Sequence[Execution], others: Sequence[str]) -> Iterator[str]:
    """Yield notices about notebooks. `others` are files that are no notebooks."""
    if others:
        left_out = listed(others, MOST_LISTED)
        yield f"Not executed, because they have no header of Jupyter and no cell markers: {left_out}."
    with_own = {each.path: sorted(each.settings.own) for each in executions if each.settings.own}
    if own_settings := [f"{path} ({', '.join(map(quote, names))})" for path, names in with_own.items()]:
        yield f"Settings from the notebooks' own metadata: {listed(own_settings, MOST_LISTED)}."


def _useless(
    inputs: ExecuteInputs,
    matched: Mapping[str, Collection[str]],
    cwd: Path,
    all_notebooks: Callable[[], Sequence[str]],
) -> Iterator[Problem]:
    useless = [("exclude", each) for each in inputs.exclude if not expand(each, cwd, SUFFIXES)]
    useless += [("for", glob) for glob in matched if not matched[glob] and not matching(glob, all_notebooks())]
    for where, each in useless:
        message = f"`{where}` lists {quote(each)}, which matches no notebook."
        yield Problem(severity="notice", message=message, hint=meant(each, all_notebooks()))


def _with_settings(inputs: ExecuteInputs, execution: Execution, matched: Mapping[str, Collection[str]]) -> Execution:
    common = {name: getattr(inputs, name.replace("-", "_")) for name in OF_INPUTS}
    metadata = execution.document.metadata if execution.document else {}
    names = {execution.path, execution.name}
    rules = [rule for rule in inputs.for_ if any(not names.isdisjoint(matched[glob]) for glob in rule.notebooks)]
    try:
        return dataclasses.replace(execution, settings=settings(common, rules, metadata))
    except InputError as error:
        content = CheckFailed(error.message, hint=error.hint, file=execution.path)
        return dataclasses.replace(execution, content=content, settings=settings(common, rules, {}))


def _refuse_needed_failures(executions: Sequence[Execution], needs: Mapping[str, Collection[str]]) -> None:
    """Refuse a notebook that may fail if others, which may not, need it: they would be skipped, and the run pass."""
    may_fail = {each.path for each in executions if each.settings.may_fail}
    for each in executions:
        if not each.settings.may_fail and (needed := sorted(may_fail.intersection(needs.get(each.path, ())))):
            raise InputError(
                f"`{each.path}` needs `{needed[0]}`, which `allow-failure` allows to fail.",
                hint=f"Remove one of them from `needs`, or allow `{each.path}` to fail, too.",
            )


def _refuse_without_comparison(inputs: ExecuteInputs, executions: Sequence[Execution]) -> None:
    """Refuse inputs that are about comparing, if nothing is compared."""
    given = "baseline" if inputs.baseline else "update" if inputs.update and not inputs.determinism else ""
    chosen = [inputs.compare, *(each.settings.compare for each in executions)]
    if given and set(chosen) == {"off"} and not any("compare" in rule.settings for rule in inputs.for_):
        what = f"`{given}` is set, but `compare` is `off` for all notebooks."
        raise InputError(what, hint="Set `compare`, such as `compare: numbers`.")
    if inputs.update and any(each.output.startswith(f"{UPDATED}/") for each in executions):
        what = f"The workspace has notebooks in `{UPDATED}`, a folder that `update` would write its copies to."
        raise InputError(what, hint="Rename the folder, or leave out `update`.")


def _with_baselines(
    executions: Sequence[Execution], baseline: Baseline, all_notebooks: Callable[[], Sequence[str]]
) -> tuple[tuple[Execution, ...], list[Problem]]:
    """Return the executions with their baselines. One that has none is not compared, and a problem names it.

    Raises InputError if no notebook has one: another folder is meant.
    """
    compared = [each.name for each in executions if each.settings.compare != "off"]
    if not any(map(baseline.has, compared)) and not any(map(baseline.has, all_notebooks())):
        raise baseline.without(compared or all_notebooks())
    found: list[Execution] = []
    problems: list[Problem] = []
    for each in executions:
        changes: dict[str, Any] = {}
        if each.settings.compare != "off" and each.document:
            try:
                changes = {"baseline": baseline.read(each.name, each.parameters)}
            except NoBaselineError as error:
                changes = {"settings": dataclasses.replace(each.settings, compare="off")}
                problems.append(Problem(severity=error.severity, message=str(error), file=each.path))
        found.append(dataclasses.replace(each, **changes))
    return tuple(found), problems


def _refuse_comparisons(executions: Sequence[Execution]) -> None:
    """Refuse to compare outputs with stored ones that do not exist, or that other parameters led to."""
    for each in executions:
        if each.settings.compare == "off":
            continue
        why, hint = "", "Set `compare` to `off` for it: see `for`."
        if PurePosixPath(each.path).suffix != SUFFIX:
            why = f"`{each.path}` is a text file, which stores no outputs"
        elif others := _unlike_own(each):
            why = f"`{each.name}` gets parameters ({listed(others, MOST_LISTED)}), and its stored"
            why += " outputs come from its own values"
            hint = f"Give it the constants that its cell tagged `parameters` has. Or: {hint}"
        if why:
            raise InputError(f"{why}, so `compare` cannot compare them.", hint=hint)


def _unlike_own(execution: Execution) -> list[str]:
    """Return the parameters that may have other values than the notebook sets itself."""
    own = parameters.plain_values(execution.document) if execution.document else {}
    return [
        name
        for name, value in sorted(execution.parameters.items())
        # Not `!=`: `1`, `1.0` and `True` are equal.
        if name in execution.secrets or name not in own or repr(own[name]) != repr(value)
    ]


def _refuse_clashes(executions: Sequence[Execution], cwd: Path, output_dir: Path | None) -> None:
    """Refuse outputs that would overwrite each other, or their sources: a link in the folder can lead there."""
    [(name, times)] = Counter(each.output for each in executions).most_common(1)
    if times > 1:
        first, second, *_ = [each.path for each in executions if each.output == name]
        raise InputError(
            f"The executed copies of `{first}` and `{second}` would have the same name: {quote(name)}.",
            hint="If they are a pair of one notebook, exclude one of them. Else rename one, or the set in `sweep`.",
        )
    if output_dir is None:
        return
    for execution in executions:
        source, output = (cwd / execution.path).with_suffix(SUFFIX), output_dir / execution.output
        if output.parent.resolve() / output.name == source.parent.resolve() / source.name:
            raise InputError(
                f"`{source.relative_to(cwd).as_posix()}` would be overwritten by its executed copy.",
                hint="Set `output-dir` to another folder.",
            )


def _second_cells(executions: Sequence[Execution]) -> Iterator[Problem]:
    """Warn about cells tagged `parameters` after the first one: papermill does not set their names."""
    for path, content in {each.path: each.document for each in executions}.items():
        if content and len(cells := parameters.tagged(content)) > 1:
            yield Problem(
                severity="warning",
                message=f"{len(cells)} cells are tagged `{parameters.TAG}`; only the first, cell {cells[0].index + 1}, "
                "is used. Move all parameters into it.",
                file=path,
                line=content.line(cells[1].index),
            )


def _without_code(executions: Iterable[Execution]) -> Iterator[Problem]:
    """Warn about text notebooks that would pass because jupytext takes all of their text for Markdown."""
    for path, content in {each.path: each.document for each in executions}.items():
        if content and content.converted and not any(cell.kind == "code" for cell in content.cells):
            message = f"`{path}` has no code cells: nothing in it is executed."
            hint = "Begin them with ```` ```python ```` in Markdown, and with ```` ```{code-cell} ```` in MyST."
            yield Problem(severity="warning", message=message, hint=hint, file=path, line=1)


def _parameters_file(name: str, cwd: Path) -> Values:
    if not name:
        return {}
    text = read_text(cwd / name, name, hint="`parameters-file` is the path of a YAML file.")
    return yaml12.mapping(text, origin=name, file=name)


def _executions(
    paths: Iterable[str], given: Values, sets: Mapping[str, Values], secrets: Mapping[str, str]
) -> Iterator[Execution]:
    for path in paths:
        try:
            content = document.read(Path(path))
            names = parameters.declared(content)
        except NotebookCiError as error:
            yield Execution(path, path, error)
            continue
        swept = {label: values for label, values in sets.items() if not values.keys().isdisjoint(names)}
        for label, values in (swept or {"": {}}).items():
            name = f"{PurePosixPath(path).with_suffix('')}@{label}{PurePosixPath(path).suffix}" if label else path
            own = {name: value for name, value in {**given, **values}.items() if name in names}
            yield Execution(path, name, content, names, own, {each: secrets[each] for each in secrets if each in own})


def _idle(given: Values, executions: Sequence[Execution], all_notebooks: Callable[[], Sequence[str]]) -> list[str]:
    """Return the parameters that only notebooks declare which are not executed now: jobs share their parameters.

    Raises InputError for a parameter that no notebook declares: it is probably misspelt. If a notebook cannot be read,
    nothing is refused: it may declare the parameter.
    """
    declared = {name for execution in executions for name in execution.declared}
    unknown = [name for name in given if name not in declared]
    if not unknown or any(isinstance(each.content, NotebookCiError) for each in executions):
        return []
    elsewhere = {name for execution in _executions(all_notebooks(), {}, {}, {}) for name in execution.declared}
    if missing := [name for name in unknown if name not in elsewhere]:
        what = f"No notebook declares the parameter {quote(missing[0])}."
        raise InputError(what, hint=_how_to_declare(missing[0], declared, executions))
    return unknown


def _how_to_declare(unknown: str, declared: Collection[str], executions: Sequence[Execution]) -> str:
    if second := next(_second_cells(executions), None):
        return f"{second.file}: {second.message}"
    foreign = ""
    for execution in executions:
        if not execution.document:
            continue
        if tag := parameters.mistagged(execution.document):
            return (
                f"`{execution.path}` has a cell tagged {quote(tag)}; the tag must be `{parameters.TAG}` (lower case)."
            )
        if parameters.cannot_be_set(execution.document):
            language = quote(document.language(execution.document))
            foreign = f"`{execution.path}` has parameters in {language}, which papermill cannot set."
    meant = did_you_mean(declared, unknown)
    if foreign and not meant:
        return foreign
    if not declared:
        return HOW_TO_TAG
    names = listed([f"`{name}`" for name in sorted(declared)], MOST_LISTED)
    return f"{meant} Parameters are the names assigned in the cell tagged `parameters`: {names}."
