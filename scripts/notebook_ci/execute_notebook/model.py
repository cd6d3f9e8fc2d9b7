"""What execute-notebook takes and gives."""

from dataclasses import dataclass

from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import given
from notebook_ci.base.values import (
    ATOL,
    BOOLEAN,
    DETERMINISM,
    LINES,
    PATH,
    PRELOAD,
    RETRIES,
    RTOL,
    SECONDS,
    SIZE,
    WORKERS,
    choice,
)
from notebook_ci.base.yaml12 import Values
from notebook_ci.execute_notebook.secret_parameters import VARIABLES
from notebook_ci.execute_notebook.settings import COMPARE, FOR, HIDE, KEEP, ON_CELL_ERROR, SHELL_ERRORS, TOLERANCES
from notebook_ci.execute_notebook.sweep import SETS
from notebook_ci.notebooks.inputs import NotebookInputs
from notebook_ci.notebooks.settings import NotebookRule

OFF, REDACT, FAIL = "off", "redact", "fail"  # of `on-secret`
OUTPUTS = {
    "executed": "Number of notebooks that were executed, including failed ones.",
    "failed": "Number of notebooks that failed.",
    "allowed-failures": "Number of notebooks that failed, and that `allow-failure` allows to fail.",
    "flaky": "Number of notebooks that passed only when they were executed again: see `retries`.",
    "output-dir": "Folder of the executed notebooks.",
}


@dataclass(frozen=True, kw_only=True)
class ExecuteInputs(NotebookInputs):
    """Execute Jupyter notebooks with parameters, and annotate the line that failed."""

    changed_only: bool = given(
        BOOLEAN,
        "Execute only the notebooks that a change affects, and those that must run with them. In doubt, all: see the "
        "README of plan-notebooks.",
        default=False,
        tuning=True,
    )
    secret_parameters: dict[str, str] = given(
        VARIABLES,
        "Parameters whose values are secrets: `parameter: VARIABLE`, one per line. The value of the variable reaches "
        "the kernel, and is shown as `***` everywhere else.",
        default={},
        tuning=True,
    )
    sweep: dict[str, Values] = given(
        SETS,
        "Sets of parameters. A notebook is executed once per set that contains a parameter it declares. A set "
        "overrides `parameters`. Executions are named after the set or its values: `train@a=0.1.ipynb`.",
        default={},
    )
    for_: tuple[NotebookRule, ...] = given(
        FOR,
        "Settings of single notebooks: their `cell-timeout`, `notebook-timeout`, `on-cell-error`, `shell-errors`, "
        "`retries`, `compare`, `rtol`, `atol` and `allow-failure`. `notebooks` are globs. If several match, the last "
        "one wins. See below.",
        default=(),
        tuning=True,
    )
    on_cell_error: str = given(
        ON_CELL_ERROR,
        "What happens after a cell failed. `stop`: its notebook ends. `continue`: the next cells run, too, and all "
        "that fail are annotated. The notebook fails in both cases.",
        default="stop",
        tuning=True,
    )
    retries: int = given(
        RETRIES,
        "How often a notebook that failed is executed again, each time in a new kernel. If it passes then, a warning "
        "says that it is flaky.",
        default=0,
        tuning=True,
    )
    workers: int | None = given(
        WORKERS,
        "How many notebooks run at the same time.",
        default=None,
        shown_default="`auto`: one per available CPU, plus one while notebooks take under a second",
        tuning=True,
    )
    python: str = given(
        PATH,
        "Python interpreter for the kernels. It must have ipykernel. Notebooks in other languages use the kernel that "
        "they name, if Jupyter finds it in this environment, the user's home or the system.",
        default="",
        shown_default="the one that setup-env created in this run (on a laptop, also in an earlier run), else "
        "`VIRTUAL_ENV`, `pythonLocation`, `python` on `PATH`",
    )
    output_dir: str = given(
        PATH,
        "Folder for the executed notebooks, with the same subfolders as the originals.",
        default="",
        shown_default="a folder in the run directory",
    )
    cell_timeout: float | None = given(
        SECONDS,
        "Seconds a cell may run. A cell that takes longer is interrupted, and its notebook fails.",
        default=None,
    )
    notebook_timeout: float | None = given(
        SECONDS, "Seconds a notebook may run, from the start of its kernel.", default=None
    )
    check_imports: str = given(
        choice("warn", "fail", "off"),
        "What happens if the notebooks, or the local modules they import, import something that is not installed. "
        "`warn`: a warning at each line. `fail`: nothing is executed. `off`: nothing.",
        default="warn",
        tuning=True,
    )
    shell_errors: str = given(
        SHELL_ERRORS,
        "What happens if a shell command in a notebook (`!command`, `x = !command`, `%pip`) fails. `warn`: a warning "
        "names the cell and the command. `fail`: the cell fails. `ignore`: nothing.",
        default="warn",
    )
    compare: str = given(
        COMPARE,
        "Whether a notebook fails if its outputs differ from those that are stored in its file. `numbers`: numbers may "
        "differ by `rtol` and `atol`. `strict`: they must be equal. `lax`: as `numbers`, but only in cells tagged "
        "`compare-output`. `warn`: as `numbers`, but a difference is only a warning. `off`: outputs are not "
        "compared. See below.",
        default="off",
        tuning=True,
    )
    baseline: str = given(
        PATH,
        "With `compare`: executed notebooks of an earlier run, such as the last one of the base branch, to compare "
        "with instead of the outputs stored in the files. A folder that has them in the same subfolders as the "
        "originals, or a run directory. A notebook that it lacks is not compared, and a notice names it. See below.",
        default="",
        shown_default="the stored outputs",
        tuning=True,
    )
    update: bool = given(
        BOOLEAN,
        "With `compare`: also write a copy of each notebook's file whose outputs differ, with the new ones, ready to "
        "commit: in the folder `updated` of the stage's files. With `determinism`, cells whose outputs differ between "
        "runs get the tag `compare-ignore` there. Nothing else in it changes.",
        default=False,
        tuning=True,
    )
    compare_keep: tuple[str, ...] = given(
        KEEP,
        "With `compare`: what counts as a change, although it differs in each run and is hidden otherwise. See below.",
        default=(),
        tuning=True,
    )
    compare_hide: tuple[str, ...] = given(
        HIDE,
        "With `compare`: what does not count as a change, although it can be a result. See below.",
        default=(),
        tuning=True,
    )
    rtol: float = given(
        RTOL,
        "With `compare`: how much a number may differ, relative to the stored one. Whole numbers must be equal.",
        default=1e-6,
        tuning=True,
    )
    atol: float = given(
        ATOL,
        "With `compare`: how much a number may differ in addition to `rtol`. For results that are 0 except for "
        "rounding errors.",
        default=0.0,
        shown_default="`0`",
        tuning=True,
    )
    tolerances: dict[str, float] = given(
        TOLERANCES,
        "With `compare`: other values of `rtol` for numbers with a name: in the column or under the key of this name, "
        "or directly after it in a text (`price: 4.5`, `price = 4.5`).",
        default={},
        tuning=True,
    )
    determinism: int = given(
        DETERMINISM,
        "How often each notebook runs, to find outputs that differ between runs. The runs have different hash seeds, "
        "numbers of threads and time zones, and their kernels are started, not forked. A warning names each cell whose "
        "outputs differ, and the likely cause. See below.",
        default=0,
        shown_default="`off`",
        tuning=True,
    )
    kernel_start: str = given(
        choice("auto", "fork", "spawn"),
        "How kernels are started. `fork`: forked from a process that has imported ipykernel, which is much faster "
        "(Linux only); if that fails, a normal kernel is started. `spawn`: each as a new process. `auto`: `fork` on "
        "Linux, `spawn` elsewhere.",
        default="auto",
        tuning=True,
    )
    preload: tuple[str, ...] | None = given(
        PRELOAD,
        "Modules to import once, before the kernels of several notebooks are forked. `auto`: what at least two "
        "notebooks of a folder import at the top, for these notebooks only, and only if it makes no difference to "
        "them. Module names: for all notebooks. A notebook that forgets one of these imports still passes if it needs "
        "only its side effect, such as a loaded submodule.",
        default=None,
        shown_default="`auto`",
        tuning=True,
    )
    preload_max_memory: int | None = given(
        SIZE,
        "Memory that preloaded imports may use, in addition to the notebooks' own.",
        default=None,
        shown_default="a quarter of the memory",
        tuning=True,
    )
    max_output: int = given(
        SIZE,
        "How much of a notebook's outputs is kept. Longer text keeps its beginning and its end. Other outputs that do "
        "not fit are left out. A notice in the notebook marks each gap.",
        default=25_000_000,
        shown_default="`25 MB`",
        tuning=True,
    )
    log_outputs: bool = given(
        BOOLEAN,
        "Also show in the log what cells print, while they run: up to `max-output` per notebook. Credentials "
        "are hidden.",
        default=False,
        tuning=True,
    )
    on_secret: str = given(
        choice(REDACT, FAIL, OFF),
        "What happens if an executed notebook contains a secret: a credential of the step's variables, or what has the "
        "format of a token. `redact`: it is replaced by `***`, and a warning names the cell and the kind. `fail`: the "
        "notebook fails, too. `off`: notebooks and pages are saved as they are.",
        default=REDACT,
        tuning=True,
    )
    pass_env: tuple[str, ...] = given(
        LINES,
        "More variables to pass to the kernels although they look like credentials: names or globs such as `TEAM_*`, "
        "one per line. Those that notebooks often read data, models or packages with (`AWS_*`, `HF_*` ...) always "
        "pass, unless `!NAME` withholds them: the last match counts. A notice names what is withheld.",
        default=(),
        tuning=True,
    )
    html: bool = given(
        BOOLEAN,
        "Also write each executed notebook as an HTML page. The page runs no scripts and loads nothing.",
        default=False,
    )

    def check(self) -> None:
        """See `StageInputs.check`."""
        if self.update and self.baseline:
            hint = "Leave out `update`: the outputs of a baseline are not stored in the notebooks' files."
            raise InputError("`update` and `baseline` cannot be combined.", hint=hint)
