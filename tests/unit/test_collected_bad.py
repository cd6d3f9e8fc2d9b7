"""collect-runs refuses what is not of its workflow run, and what a notebook may have forged."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from notebook_ci.base.errors import Problem
from notebook_ci.records.execute_notebook import ExecuteRecord
from notebook_ci.records.plan_notebooks import Shard
from unit.shard_runs import SOURCE, TWO, Artifacts, good, passed, shard


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path)


def rewritten(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | fields), encoding="utf-8")


def of_shard(**fields: object) -> Callable[[Artifacts], None]:
    """Change the record of execute-notebook of shard 2."""
    return lambda artifacts: rewritten(artifacts.folder / "shard-2-attempt-1" / "execute-notebook-2.json", **fields)


def of_plan(**fields: object) -> Callable[[Artifacts], None]:
    return lambda artifacts: rewritten(artifacts.folder / "plan-attempt-1" / "plan-notebooks.json", **fields)


def with_shards(*shards: Shard) -> Callable[[Artifacts], None]:
    return of_plan(shards=[vars(each) for each in shards])


def without(name: str) -> Callable[[Artifacts], None]:
    def remove(artifacts: Artifacts) -> None:
        (artifacts.folder / name).rename(artifacts.temp / name)

    return remove


def link_to_shard(artifacts: Artifacts) -> None:
    without("shard-2-attempt-1")(artifacts)
    (artifacts.folder / "shard-2-attempt-1").symlink_to(artifacts.temp / "shard-2-attempt-1")


def forged_for_another_shard(artifacts: Artifacts) -> None:
    """Shard 2 also has records as those of shard 1, in an attempt that would win."""
    source = SOURCE | {"attempt": "9"}
    record = ExecuteRecord(stage="execute-notebook", slug="1", source=source, notebooks=[passed("a.ipynb")])
    artifacts.write("shard-2-attempt-1", record)


def second_plan(artifacts: Artifacts) -> None:
    artifacts.plan(*TWO)


def second_execution(artifacts: Artifacts) -> None:
    record = ExecuteRecord(stage="execute-notebook", slug="2", source=SOURCE, notebooks=[passed("c.ipynb")])
    artifacts.write("shard-2-attempt-1", record)


def plan_in_a_shard(artifacts: Artifacts) -> None:
    plan = artifacts.folder / "plan-attempt-1" / "plan-notebooks.json"
    (artifacts.folder / "shard-2-attempt-1" / plan.name).write_bytes(plan.read_bytes())


def result(path: str, name: str = "", **values: object) -> list[object]:
    return [{"path": path, "name": name or path, "status": "passed", **values}]


DAMAGED = "The plan in `plan-attempt-1` is damaged: its shards do not have different names, and each notebook once."
RECORD = "`execute-notebook-2.json` in `shard-2-attempt-1`"
NOT_GIVEN = f"{RECORD} has a result of {{}}, which the plan did not give to this shard."
REFUSED: dict[str, tuple[Callable[[Artifacts], object], str]] = {
    "no plan": (without("plan-attempt-1"), "The plan's artifact `plan-attempt-1` is missing."),
    "an empty plan folder": (
        lambda artifacts: (artifacts.folder / "plan-attempt-1" / "plan-notebooks.json").unlink(),
        "`plan-attempt-1` has no record of plan-notebooks.",
    ),
    "two plans": (second_plan, "`plan-attempt-1` has 2 records of plan-notebooks."),
    "a plan of another commit": (
        of_plan(source=SOURCE | {"commit": "abc"}),
        "The plan is of another commit: `abc`, not `c0ffee`.",
    ),
    "a plan of another run": (of_plan(source=SOURCE | {"run": "6"}), "The plan is of another run: `6`, not `7`."),
    "a plan of another project": (
        of_plan(source=SOURCE | {"directory": "b"}),
        "The plan is of another directory: `b`, not `none`.",
    ),
    "a shard of another project": (
        of_shard(source=SOURCE | {"directory": "b"}),
        f"{RECORD} is of another directory: `b`, not `none`.",
    ),
    "two plans of one workflow run": (
        lambda artifacts: (artifacts.folder / "b-plan-attempt-1").mkdir(),
        "The artifacts are of different plans: `plan`, `b-plan`.",
    ),
    "a plan of another version": (
        of_plan(notebook_ci="0.0.1"),
        "The plan is of another version of notebook-ci: `0.0.1`, not ",
    ),
    "a shard without notebooks": (
        with_shards(TWO[0], shard("2")),
        DAMAGED,
    ),
    "two shards of one name": (
        with_shards(TWO[0], shard("1", "c.ipynb")),
        DAMAGED,
    ),
    "a notebook in two shards": (
        with_shards(TWO[0], shard("2", "b.ipynb", "c.ipynb")),
        DAMAGED,
    ),
    "a notebook in no shard": (
        of_plan(reasons={"a.ipynb": "", "b.ipynb": "", "c.ipynb": "", "d.ipynb": ""}),
        DAMAGED,
    ),
    "an unplanned shard": (with_shards(TWO[0], shard("3", "c.ipynb")), "The plan has no such shard: "),
    "an unknown artifact": (
        lambda artifacts: (artifacts.folder / "coverage").mkdir(),
        "`coverage` in `{folder}` is not the name of a shard's artifact.",
    ),
    "records in one folder": (
        lambda artifacts: (artifacts.folder / "setup-env-1.json").write_text("{}"),
        "`setup-env-1.json` in `{folder}` is not the name of a shard's artifact.",
    ),
    "a hostile name": (
        lambda artifacts: (artifacts.folder / "shard-1-attempt-1\n::error::x").mkdir(),
        "`shard-1-attempt-1\\n::error::x` in `{folder}` is not the name of a shard's artifact.",
    ),
    "a file as an artifact": (
        lambda artifacts: (artifacts.folder / "shard-2-attempt-2").write_text(""),
        "`shard-2-attempt-2` in `{folder}` is not a folder.",
    ),
    "a link as an artifact": (link_to_shard, "`shard-2-attempt-1` in `{folder}` is not a folder."),
    "a doubled shard": (
        second_execution,
        (
            "The shard `2` is doubled: `execute-notebook-2-2.json` in `shard-2-attempt-1` is a second record of "
            "execute-notebook."
        ),
    ),
    "records of another shard": (
        forged_for_another_shard,
        "`execute-notebook-1.json` in `shard-2-attempt-1` is not a record of the shard `2`.",
    ),
    "the slug of another shard": (of_shard(slug="1"), f"{RECORD} is not a record of the shard `2`."),
    "a plan in a shard": (
        plan_in_a_shard,
        "`plan-notebooks.json` in `shard-2-attempt-1` is not a record of the shard `2`.",
    ),
    "a stage of another version": (of_shard(stage="publish"), f"{RECORD} is not a record of the shard `2`."),
    "a shard of another commit": (
        of_shard(source=SOURCE | {"commit": "abc"}),
        f"{RECORD} is of another commit: `abc`, not `c0ffee`.",
    ),
    "a shard of another repository": (
        of_shard(source=SOURCE | {"repository": "x/y"}),
        f"{RECORD} is of another repository: `x/y`, not `acme/penguins`.",
    ),
    "a shard of another run": (of_shard(source={}), f"{RECORD} is of another repository: `none`, not `acme/penguins`."),
    "a shard of another attempt": (
        of_shard(source=SOURCE | {"attempt": "3"}),
        f"{RECORD} is of another attempt: `3`, not `1`.",
    ),
    "a shard of another version": (
        of_shard(notebook_ci="0.0.1"),
        f"{RECORD} is of another version of notebook-ci: `0.0.1`, not ",
    ),
    "another schema": (
        of_shard(schema="notebook-ci/record/0"),
        "{folder}/shard-2-attempt-1/execute-notebook-2.json was written by another version of notebook-ci",
    ),
    "no JSON": (
        lambda artifacts: (artifacts.folder / "shard-2-attempt-1" / "x.json").write_text("{"),
        "{folder}/shard-2-attempt-1/x.json is not a notebook-ci record",
    ),
    "a result of another shard": (of_shard(notebooks=result("a.ipynb")), NOT_GIVEN.format("`a.ipynb`")),
    "a result outside the workspace": (of_shard(notebooks=result("../c.ipynb")), NOT_GIVEN.format("`../c.ipynb`")),
    "an execution of another notebook": (
        of_shard(notebooks=result("c.ipynb", "a@1.ipynb")),
        NOT_GIVEN.format("`a@1.ipynb`"),
    ),
    "two results of one notebook": (
        of_shard(notebooks=[*result("c.ipynb"), *result("c.ipynb", status="failed")]),
        f"{RECORD} has 2 results of `c.ipynb`.",
    ),
    "an endless duration": (of_shard(duration="inf"), f"{RECORD} has an invalid duration."),
    "a duration that is no number": (of_shard(notebooks=result("c.ipynb", duration="nan")), f"{RECORD} has an invalid"),
    "a duration below zero": (of_shard(notebooks=result("c.ipynb", duration=-1)), f"{RECORD} has an invalid duration."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_of_this_run_is_refused(artifacts: Artifacts, name: str) -> None:
    change, message = REFUSED[name]
    good(artifacts)
    change(artifacts)
    done = artifacts.collect()
    assert len(done.commands) == 1
    said = done.commands[0].removeprefix("::error::").replace("%0A", "\\n")
    assert said.startswith(message.replace("{folder}", str(artifacts.folder))), said
    assert said.endswith((".", "`")), "a hint"
    assert (done.code, done.outputs["status"]) == (2, "error")
    assert not [path for path in done.files if path.startswith("execute-notebook-2")], "it was merged"


def test_without_artifacts_nothing_is_green(artifacts: Artifacts) -> None:
    done = artifacts.collect()
    assert done.code == 2
    assert done.commands[0].startswith(f"::error::No artifacts were found: the folder `{artifacts.folder}` is empty.")
    done = artifacts.collect(runs="nowhere", slug="2")
    assert done.code == 2
    assert "nowhere` cannot be read (No such file or directory). Upload each run directory" in done.commands[0]


@pytest.mark.parametrize("name", ["penguin", "penguins-", "penguins-2", "penguins-shard-1", "plan"])
def test_results_of_another_plan_do_not_count(artifacts: Artifacts, name: str) -> None:
    good(artifacts)
    for path in list(artifacts.folder.iterdir()):
        path.rename(path.with_name(f"penguins-{path.name}"))
    done = artifacts.collect(artifact=name)
    assert done.code == 2
    assert done.commands[0].startswith(f"::error::The plan's artifact `{name}-plan-attempt-1` is missing. Upload each ")
    (artifacts.folder / "docs").mkdir()
    (artifacts.folder / "other-plan-attempt-1").write_text("")
    assert artifacts.collect(artifact="penguins", slug="2").code == 0
    (artifacts.folder / "penguins-shard-2-attempt-2").write_text("")
    assert "is not a folder" in artifacts.collect(artifact="penguins", slug="3").commands[0]


def test_a_shard_of_another_plan_does_not_stand_for_a_missing_one(artifacts: Artifacts) -> None:
    good(artifacts)
    for path in list(artifacts.folder.iterdir()):
        of = "penguins-2" if path.name.startswith("shard-2") else "penguins"
        path.rename(path.with_name(f"{of}-{path.name}"))
    done = artifacts.collect(artifact="penguins")
    assert done.code == 3
    assert done.commands[0].startswith("::error::The shard `2` has no run directory")


def test_a_plan_that_failed_is_not_an_empty_one(artifacts: Artifacts) -> None:
    artifacts.plan(status="error", problems=[Problem(severity="error", message="`main` was not fetched.")])
    done = artifacts.collect(shards_result="skipped")
    assert done.code == 3
    assert done.commands == ["::error::plan-notebooks failed, so no shard ran. `main` was not fetched. See its job."]


@pytest.mark.parametrize("has_shards", [True, False], ids=["plan", "forged"])
def test_a_single_artifact_has_no_folder_of_its_own(artifacts: Artifacts, *, has_shards: bool) -> None:
    """It is the plan, so every shard is missing. A shard may have forged one that asks for no shard."""
    path = artifacts.plan(*(TWO if has_shards else ()))
    (path / "plan-notebooks.json").rename(artifacts.folder / "plan-notebooks.json")
    path.rmdir()
    done = artifacts.collect(shards_result="failure" if has_shards else "success")
    assert done.code == (3 if has_shards else 2)
    said = "The shard `1` has no run directory: " if has_shards else "The plan's artifact `plan-attempt-1` is missing."
    assert done.commands[0].startswith(f"::error::{said}")


def test_on_github_the_result_of_the_jobs_must_be_given(artifacts: Artifacts) -> None:
    """A notebook may have forged a good record of its shard, which then could not write its own."""
    good(artifacts)
    done = artifacts.collect(shards_result="")
    assert done.code == 2
    assert done.commands == ["::error::`shards-result` is not set. Set it to `${{ needs.shards.result }}`."]
    assert artifacts.collect(shards_result="", environ={"GITHUB_ACTIONS": ""}, run_dir="other").code == 0


def test_on_a_laptop_the_folder_must_be_named(artifacts: Artifacts) -> None:
    done = artifacts.collect(environ={"RUNNER_TEMP": ""}, run_dir=str(artifacts.temp / "notebook-ci"))
    assert done.code == 2
    assert done.commands[0].startswith("::error::`runs` is not set.")


def test_a_run_is_collected_once(artifacts: Artifacts) -> None:
    good(artifacts)
    assert artifacts.collect().code == 0
    done = artifacts.collect()
    assert done.code == 2
    assert done.commands[0].startswith(f"::error::The run directory `{done.run.path}` already has `plan-notebooks`.")


def test_a_stage_without_the_slug_of_its_shard_is_no_suspect(artifacts: Artifacts) -> None:
    good(artifacts)
    artifacts.write("shard-2-attempt-1", ExecuteRecord(stage="execute-notebook", source=SOURCE))
    done = artifacts.collect()
    assert done.code == 2
    assert done.commands[0].endswith(
        "Set `slug` of all actions in the job to the name of its shard: `${{ matrix.shard }}`."
    )


# What is copied


def test_links_and_pipes_are_not_copied(artifacts: Artifacts) -> None:
    good(artifacts)
    (artifacts.temp / "secret").write_text("x")
    files = artifacts.folder / "shard-2-attempt-1" / "execute-notebook-2"
    (files / "link").symlink_to(artifacts.temp / "secret")
    (files / "folder").symlink_to(artifacts.temp)
    (files.parent / "dvc-pull-2.json").symlink_to(files.parent / "setup-env-2.json")
    done = artifacts.collect()
    assert done.code == 0
    assert done.commands == [
        (
            "::warning::Not copied from `shard-2-attempt-1`, because only files up to 1 GiB are: "
            "`execute-notebook-2/folder`, `execute-notebook-2/link`."
        )
    ]
    assert not any("link" in name or "secret" in name or "dvc-pull" in name for name in done.files)


def test_a_link_instead_of_the_folder_of_a_stage_is_not_followed(artifacts: Artifacts) -> None:
    good(artifacts)
    (artifacts.folder / "shard-2-attempt-1" / "setup-env-2").symlink_to(artifacts.temp)
    done = artifacts.collect()
    assert done.code == 0
    assert "are: `setup-env-2`." in done.commands[0]


@pytest.mark.parametrize("output", ["/etc/passwd", "execute-notebook-2/../../x", "execute-notebook-1/a.ipynb", "."])
def test_outputs_elsewhere_are_not_named(artifacts: Artifacts, output: str) -> None:
    good(artifacts)
    of_shard(notebooks=result("c.ipynb", output=output, html="execute-notebook-2/c.html"))(artifacts)
    found = artifacts.collect().record.notebooks[-1]
    assert (found.output, found.html) == ("", "execute-notebook-2/c.html")


def test_durations_of_other_notebooks_are_kept(artifacts: Artifacts) -> None:
    good(artifacts)
    file = artifacts.temp / "notebook-ci-durations" / "durations.json"
    file.parent.mkdir()
    file.write_text('{"x.ipynb": 4.0, "a.ipynb": 9.0}')
    assert artifacts.collect().code == 0
    assert json.loads(file.read_text()) == {"a.ipynb": 1.5, "b.ipynb": 1.5, "c.ipynb": 1.5, "x.ipynb": 4.0}
