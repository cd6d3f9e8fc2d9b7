"""The inputs that say which notebooks run, and in which order."""

from dataclasses import dataclass
from functools import partial

from notebook_ci.base.inputs import StageInputs, given
from notebook_ci.base.values import GLOBS, PATH, TEXT, YAML_MAP, YamlKind, choice
from notebook_ci.base.yaml12 import Values, as_lists

EXECUTE = "execute-notebook"
NEEDS = YamlKind(
    "YAML: `notebook: [notebooks]`, one per line",
    partial(as_lists, hint="Write `report.ipynb: [train.ipynb]`."),
    "YAML",
)


@dataclass(frozen=True, kw_only=True)
class SelectedNotebooks(StageInputs):
    """The inputs that other stages share with execute-notebook: the table of the latter has them for all."""

    notebooks: tuple[str, ...] = given(
        GLOBS,
        "Notebooks to execute: files, folders or globs (`**` matches any folders), one per line, relative to the "
        "workspace. Hidden folders and virtual environments are ignored. A line that matches nothing is an error. "
        "Notebooks of jupytext (`.py`, `.md`, `.Rmd`) are executed only if a line ends with their suffix.",
        default=("**/*.ipynb",),
        shown_default="`**/*.ipynb`",
        also_in=EXECUTE,
    )
    exclude: tuple[str, ...] = given(
        GLOBS, "Notebooks to leave out, in the same format as `notebooks`.", default=(), also_in=EXECUTE
    )


@dataclass(frozen=True, kw_only=True)
class NotebookInputs(SelectedNotebooks):
    """Those that plan-notebooks needs, too."""

    parameters: Values = given(
        YAML_MAP,
        "Parameters for the notebooks, as YAML 1.2. Each notebook gets those that its cell tagged `parameters` "
        "declares. One that no notebook declares is an error. The executed notebooks show them: never pass secrets.",
        default={},
        also_in=EXECUTE,
    )
    parameters_file: str = given(
        PATH, "YAML file of parameters. `parameters` overrides single values.", default="", also_in=EXECUTE
    )
    needs: dict[str, tuple[str, ...]] = given(
        NEEDS,
        "Which notebooks must pass before another one starts: `report.ipynb: [train.ipynb]`. Both sides can be "
        "globs. If a needed notebook fails, the one that needs it is skipped.",
        default={},
        also_in=EXECUTE,
    )
    execution_order: str = given(
        choice("auto", "sorted", "parallel"),
        "Which notebooks run one after the other. `auto`: the numbered notebooks of each folder (`01-`, `02_`), in "
        "order, even if one fails. `sorted`: all. `parallel`: none. `needs` always applies.",
        default="auto",
        tuning=True,
        also_in=EXECUTE,
    )
    base: str = given(
        TEXT,
        "Commit or branch that `changed-only` compares with: what changed since the last common commit counts.",
        default="",
        shown_default="the base branch of the pull request or merge queue; for a push to the default branch, the "
        "commit before it; for a push to another branch, and on a laptop, the default branch",
        tuning=True,
        also_in=EXECUTE,
    )
