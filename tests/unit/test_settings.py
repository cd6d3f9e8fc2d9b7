"""Settings of single notebooks: `for`, the notebook's own metadata, and failures that are allowed."""

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from notebook_ci.base.errors import CheckFailed, InputError
from notebook_ci.base.load_inputs import load
from notebook_ci.base.workspace import Workspace
from notebook_ci.execute_notebook import plan
from notebook_ci.execute_notebook.model import ExecuteInputs
from notebook_ci.execute_notebook.outcome import judge, problem
from notebook_ci.execute_notebook.plan import Execution, ExecutionPlan
from notebook_ci.execute_notebook.settings import settings
from notebook_ci.records.execute_notebook import Failure, FailureKind, NotebookResult

FUTURE, PAST = "until 2999-03-01: a library is broken", "until 2020-03-01: a library is broken"
PARAMETERS = {"cell_type": "code", "source": "a = 1", "metadata": {"tags": ["parameters"]}}


@dataclass
class Study:
    folder: Path

    def write(self, name: str, own: object = None) -> None:
        metadata = {} if own is None else {"notebook-ci": own}
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"nbformat": 4, "metadata": metadata, "cells": [PARAMETERS]}))

    def plan(self, toml: str = "", *flags: str) -> ExecutionPlan:
        (self.folder / "notebook-ci.toml").write_text(toml)
        return plan.make(*load(ExecuteInputs, "execute-notebook", flags, io.StringIO(), Workspace(self.folder, {})))

    def executions(self, toml: str = "", *flags: str) -> dict[str, Execution]:
        return {each.name: each for each in self.plan(toml, *flags).executions}

    def refused(self, toml: str, *flags: str) -> InputError:
        with pytest.raises(InputError) as caught:
            self.plan(toml, *flags)
        return caught.value


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(tmp_path)
    return Study(tmp_path)


def table(**values: object) -> str:
    lines = [f"{name.replace('_', '-')} = {json.dumps(value)}" for name, value in values.items()]
    return "\n".join(["[[execute-notebook.for]]", *lines, ""])


# --- Comparing with stored outputs


def test_how_a_notebook_is_compared(study: Study) -> None:
    study.write("a.ipynb")
    study.write("own.ipynb", {"compare": "strict"})
    study.write("x.ipynb")
    toml = table(notebooks="x.ipynb", compare="off", rtol="1e-3")
    planned = study.plan(toml, "--compare", "numbers", "--atol", "1e-12")
    found = {each.name: each.settings for each in planned.executions}
    assert {name: (each.compare, each.rtol, each.atol) for name, each in found.items()} == {
        "a.ipynb": ("numbers", 1e-6, 1e-12),
        "own.ipynb": ("strict", 1e-6, 1e-12),
        "x.ipynb": ("off", 1e-3, 1e-12),
    }
    assert "compare the outputs of 2 with the stored ones" in planned.lines()
    assert study.executions()["a.ipynb"].settings.compare == "off"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--parameters", "a: 2"), "`a.ipynb` gets parameters (a), and its stored outputs come from its own values"),
        (("--sweep", "[{a: 2}]"), "`a@a=2.ipynb` gets parameters (a), and its stored outputs come from its own values"),
        (("--notebooks", "b.py"), "`b.py` is a text file, which stores no outputs"),
    ],
)
def test_what_cannot_be_compared_is_refused(study: Study, flags: tuple[str, ...], said: str) -> None:
    study.write("a.ipynb")
    (study.folder / "b.py").write_text("# %%\n1\n")
    error = study.refused("", "--compare", "lax", *flags)
    assert error.message == f"{said}, so `compare` cannot compare them."
    assert error.hint.endswith("Set `compare` to `off` for it: see `for`.")
    study.plan(table(notebooks=["*.ipynb", "b.py"], compare="off"), "--compare", "lax", *flags)


def test_parameters_with_the_notebooks_own_values_do_not_hinder_a_comparison(study: Study) -> None:
    study.write("a.ipynb")
    study.plan("", "--compare", "numbers", "--parameters", "a: 1")
    for other in ("1.0", "true", "'1'", "[1]"):
        error = study.refused("", "--compare", "numbers", "--parameters", f"a: {other}")
        assert error.hint.startswith("Give it the constants that its cell tagged `parameters` has."), other


def test_a_misspelt_policy_is_refused(study: Study) -> None:
    study.write("a.ipynb")
    assert study.refused("", "--compare", "ignored").message == "`--compare` does not accept `ignored`."
    assert "ignored" in study.refused(table(notebooks="a.ipynb", compare="ignored")).message


@pytest.mark.parametrize("wrong", ["2", "-1", '"low"', "[0.1]", "{rtol = 0.1}", "true"])
def test_a_wrong_tolerance_of_a_name_is_refused(study: Study, wrong: str) -> None:
    study.write("a.ipynb")
    error = study.refused(f"[execute-notebook.tolerances]\nprice = {wrong}\n")
    assert error.message.startswith("`price` in `tolerances` in `[execute-notebook]` does not accept `")
    assert error.hint == "Use a number from 0 to 1, such as `1e-6`."


def test_copies_with_new_outputs_need_a_comparison_with_stored_ones(study: Study) -> None:
    study.write("a.ipynb")
    assert study.refused("", "--update", "true").message == "`update` is set, but `compare` is `off` for all notebooks."
    study.plan(table(notebooks="a.ipynb", compare="strict"), "--update", "true")
    study.plan("", "--update", "true", "--determinism", "2")
    error = study.refused("", "--update", "true", "--baseline", "old", "--compare", "strict")
    assert error.message == "`update` and `baseline` cannot be combined."
    study.write("updated/a.ipynb")
    error = study.refused("", "--update", "true", "--compare", "strict")
    assert error.message.startswith("The workspace has notebooks in `updated`")


# --- Which settings a notebook has


def test_rules_win_over_metadata_which_win_over_inputs(study: Study) -> None:
    study.write("a.ipynb")
    study.write("own.ipynb", {"cell-timeout": 20, "shell-errors": "ignore"})
    study.write("slow/own.ipynb", {"cell-timeout": 30, "notebook-timeout": 40})
    toml = table(notebooks="slow/*.ipynb", cell_timeout=500) + table(notebooks=["slow/**"], shell_errors="fail")
    found = study.executions(toml, "--cell-timeout", "10")
    shown = {
        name: (own.cell_timeout, own.notebook_timeout, own.shell_errors, sorted(own.own))
        for name, own in ((name, each.settings) for name, each in found.items())
    }
    assert shown == {
        "a.ipynb": (10, None, "warn", []),
        "own.ipynb": (20, None, "ignore", ["cell-timeout", "shell-errors"]),
        "slow/own.ipynb": (500, 40, "fail", ["notebook-timeout"]),
    }
    result = found["slow/own.ipynb"].result()
    assert result.settings == {"cell-timeout": 500, "notebook-timeout": 40, "shell-errors": "fail"}
    assert result.own_settings == ["notebook-timeout"]


def test_the_last_rule_that_matches_wins_and_may_name_an_execution_of_a_sweep(study: Study) -> None:
    study.write("a.ipynb")
    toml = table(notebooks="*.ipynb", cell_timeout=1, shell_errors="fail") + table(
        notebooks="a@a=2.ipynb", cell_timeout=2
    )
    found = study.executions(toml, "--sweep", "[{a: 1}, {a: 2}]")
    assert {name: (each.settings.cell_timeout, each.settings.shell_errors) for name, each in found.items()} == {
        "a@a=1.ipynb": (1, "fail"),
        "a@a=2.ipynb": (2, "fail"),
    }


def test_a_name_is_not_read_as_a_glob_if_a_notebook_has_it(study: Study) -> None:
    study.write("a[1].ipynb")
    study.write("a1.ipynb")
    found = study.executions(table(notebooks="a[1].ipynb", allow_failure=FUTURE))
    assert {name: each.settings.may_fail for name, each in found.items()} == {"a1.ipynb": False, "a[1].ipynb": True}


def test_rules_as_an_input_of_a_step(study: Study) -> None:
    study.write("a.ipynb")
    found = study.executions("", "--for", "- {notebooks: '*.ipynb', retries: 2, on-cell-error: continue}")
    own = found["a.ipynb"].settings
    assert (own.retries, own.on_cell_error) == (2, "continue")


def test_own_settings_are_never_silent(study: Study) -> None:
    study.write("a.ipynb", {"allow-failure": FUTURE, "cell-timeout": 5})
    planned = study.plan()
    [notice] = planned.problems
    assert notice.message == "Settings from the notebooks' own metadata: a.ipynb (`allow-failure`, `cell-timeout`)."
    assert f"allow a.ipynb to fail {FUTURE}" in planned.lines()


def test_a_rule_can_forbid_a_notebook_to_allow_its_own_failure(study: Study) -> None:
    study.write("a.ipynb", {"allow-failure": FUTURE})
    assert study.executions()["a.ipynb"].settings.may_fail
    own = study.executions(table(notebooks="**/*.ipynb", allow_failure="never"))["a.ipynb"]
    assert not own.settings.may_fail
    assert own.settings.own == set()
    assert own.result().settings == {"allow-failure": "never"}


def test_a_rule_without_notebooks_is_named(study: Study) -> None:
    study.write("a.ipynb")
    study.write("b/b.ipynb")
    toml = table(notebooks=["b/*.ipynb", "c/*.ipynb"], cell_timeout=3)
    [notice] = study.plan(toml, "--notebooks", "a.ipynb").problems
    assert (notice.severity, notice.message) == ("notice", "`for` lists `c/*.ipynb`, which matches no notebook.")
    assert notice.hint == "Did you mean `*.ipynb` (1 notebook) or `b/**/*.ipynb` (1 notebook)?"


# --- What is refused


@pytest.mark.parametrize(
    ("toml", "line", "words"),
    [
        (table(notebooks="*.ipynb", cell_timeout=0), 1, "`cell-timeout` of `for` in `[execute-notebook]` does not"),
        (table(notebooks="*.ipynb", allow_failure="yes"), 1, "does not accept `yes`"),
        (table(notebooks="*.ipynb", allow_failure="until 2027-02-30: x"), 1, "does not accept `until 2027-02-30: x`"),
        (table(notebooks="*.ipynb", allow_failure="until 2027-02-03"), 1, "does not accept `until 2027-02-03`"),
        (table(notebooks="*.ipynb", allow_failure=f"{FUTURE}\x1b[2J"), 1, "does not accept"),
        (table(notebooks="*.ipynb", retries=11), 1, "`retries` of `for` in `[execute-notebook]` does not accept `11`"),
        (table(notebooks="*.ipynb", rtol=1), 1, "`rtol` of `for` in `[execute-notebook]` does not accept `1`"),
        (table(notebooks="*.ipynb", compare="all"), 1, "does not accept `all`"),
        (table(notebooks="*.ipynb", cell_time=3), 1, "has an unknown key `cell-time`"),
        (table(notebooks="*.ipynb"), 1, "without notebooks or without settings"),
        (table(cell_timeout=3), 1, "without notebooks or without settings"),
        ("[execute-notebook]\nfor = ['*.ipynb']", 2, "has `*.ipynb`, which is not a map"),
    ],
)
def test_a_wrong_rule_is_refused(study: Study, toml: str, line: int | None, words: str) -> None:
    study.write("a.ipynb")
    error = study.refused(toml)
    assert words in error.message
    assert error.hint
    assert error.line == line


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (
            {"cell-timeout": "long"},
            "`cell-timeout` of `notebook-ci` in the notebook's metadata does not accept `long`.",
        ),
        ({"allow-failure": True}, "does not accept `true`"),
        ({"allow_failure": FUTURE}, "has an unknown key `allow_failure`"),
        ({"notebooks": "*.ipynb"}, "has an unknown key `notebooks`"),
        (["cell-timeout"], "which is not a map"),
    ],
)
def test_a_notebook_with_wrong_settings_fails_alone(study: Study, own: object, words: str) -> None:
    study.write("a.ipynb", own)
    study.write("b.ipynb")
    found = study.executions()
    content = found["a.ipynb"].content
    assert isinstance(content, CheckFailed)
    assert words in content.message
    assert content.file == "a.ipynb"
    assert found["b.ipynb"].document


def test_what_cannot_fail_must_not_need_what_may_fail(study: Study) -> None:
    """Else it would be skipped, and the run would pass."""
    study.write("a.ipynb", {"allow-failure": FUTURE})
    study.write("b.ipynb")
    error = study.refused("", "--needs", "b.ipynb: a.ipynb")
    assert error.message == "`b.ipynb` needs `a.ipynb`, which `allow-failure` allows to fail."
    study.plan(table(notebooks="b.ipynb", allow_failure=FUTURE), "--needs", "b.ipynb: a.ipynb")
    study.plan(table(notebooks="a.ipynb", allow_failure=PAST), "--needs", "b.ipynb: a.ipynb")


def test_a_reason_without_quotes_is_not_yaml(study: Study) -> None:
    study.write("a.ipynb")
    error = study.refused("", "--for", "- notebooks: a.ipynb\n  allow-failure: until 2027-03-01: why")
    assert "is not valid YAML (line 2)" in error.message
    assert error.hint
    assert "Put text that contains `: ` in quotes." in error.hint


# --- What becomes of a failure


def judged(kind: FailureKind | None, allowed: str, *, is_own: bool = False) -> NotebookResult:
    rules = settings({}, (), {"notebook-ci": {"allow-failure": allowed}})
    failure = Failure(kind=kind, title="Error in cell 3", message="no", hint="Mend it.") if kind else None
    result = NotebookResult(path="a.ipynb", name="a.ipynb", status="failed" if failure else "passed", failure=failure)
    result.settings = {"allow-failure": allowed}
    result.own_settings = ["allow-failure"] if is_own else []
    judge(result, rules)
    return result


def test_an_allowed_failure_is_a_warning_that_says_so() -> None:
    result = judged("cell-error", FUTURE)
    assert result.status == "allowed"
    [failure] = result.failures
    found = problem(result, failure)
    assert (found.severity, found.title) == ("warning", "Error in cell 3")
    assert found.hint == f"Mend it. Allowed by `allow-failure` in `for`: {FUTURE}."
    result = judged("cell-error", FUTURE, is_own=True)
    assert "Allowed by `allow-failure` in the notebook's own metadata" in problem(result, result.failures[0]).hint


@pytest.mark.parametrize("allowed", [FUTURE, PAST])
def test_an_allowed_failure_that_passes_fails(allowed: str) -> None:
    result = judged(None, allowed)
    [failure] = result.failures
    assert (result.status, failure.kind) == ("failed", "unexpected-pass")
    found = problem(result, failure)
    assert (found.severity, found.hint) == ("error", "Remove `allow-failure`.")
    assert found.message == f"The notebook passed, contrary to `allow-failure` in `for`: {allowed}."


def test_past_its_date_a_failure_is_not_allowed() -> None:
    result = judged("cell-error", PAST)
    assert result.status == "failed"
    [failure] = result.failures
    assert problem(result, failure).severity == "error"
    assert failure.hint == f"Mend it. No longer allowed by `allow-failure` in `for`: {PAST}."


@pytest.mark.parametrize("kind", ["kernel-not-started", "surroundings", "cancelled"])
def test_failures_that_are_not_the_notebooks_own_are_never_allowed(kind: FailureKind) -> None:
    assert judged(kind, FUTURE).status == "failed"


@pytest.mark.parametrize("kind", ["invalid-notebook", "kernel-died", "cell-timeout", "changed-output"])
def test_other_failures_are_allowed(kind: FailureKind) -> None:
    assert judged(kind, FUTURE).status == "allowed"


def test_without_it_nothing_changes() -> None:
    assert judged("cell-error", "never").status == "failed"
    assert judged(None, "never").status == "passed"


def test_the_last_day_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings({}, (), {"notebook-ci": {"allow-failure": FUTURE}})
    for day, may_fail in ((1, True), (2, False)):
        monkeypatch.setattr(
            "notebook_ci.execute_notebook.settings.now", lambda day=day: datetime(2999, 3, day, 23, 59, tzinfo=UTC)
        )
        assert own.may_fail is may_fail
