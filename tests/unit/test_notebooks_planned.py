"""What plan-notebooks plans, without a comparison: order, runners and containers, outputs, and what it refuses."""

import json
from pathlib import Path

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.records.plan_notebooks import PlanNotebooksRecord
from notebook_ci.summary.of_run import render
from unit.planned import notebook, planned, said, write

GPU = {"runner": ["self-hosted", "gpu"], "container": "ghcr.io/acme/cuda:12"}


def all_planned(folder: Path, toml: str = "", *flags: str) -> PlanNotebooksRecord:
    write(folder, {"notebook-ci.toml": toml})
    return planned(folder, "--changed-only", "false", *flags)


def shards(record: PlanNotebooksRecord) -> dict[str, list[str]]:
    return {",".join(shard.notebooks): [*shard.runner, shard.container] for shard in record.shards}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    names = ("a.ipynb", "b.ipynb", "gpu/c.ipynb", "gpu/d.ipynb", "chain/02-y.ipynb", "chain/01-x.ipynb")
    write(tmp_path, dict.fromkeys(names, notebook("1")))
    return tmp_path


def test_the_outputs_are_a_matrix(study: Path) -> None:
    found = all_planned(study, "", "--shards", "3")
    assert json.loads(found.headline["matrix"]) == {
        "include": [
            {
                "shard": shard.name,
                "notebooks": "\n".join(shard.notebooks),
                "runner": ["ubuntu-latest"],
                "container": "",
            }
            for shard in found.shards
        ]
    }
    assert (found.headline["count"], found.headline["any"]) == ("6", "true")
    assert list(shards(found)) == ["chain/01-x.ipynb,chain/02-y.ipynb", "a.ipynb,gpu/c.ipynb", "b.ipynb,gpu/d.ipynb"]


def test_settings_of_execute_notebook_count_here_too(study: Path) -> None:
    toml = "[execute-notebook]\nexclude = ['gpu']\nexecution-order = 'parallel'\nretries = 2\n"
    needs = "[execute-notebook.needs]\n'a.ipynb' = ['b.ipynb']\n"
    found = all_planned(study, toml + needs)
    assert list(shards(found)) == ["b.ipynb,a.ipynb", "chain/01-x.ipynb", "chain/02-y.ipynb"]
    found = all_planned(study, f"{toml}{needs}[plan-notebooks]\nexclude = ['chain', 'a.ipynb']\n")
    assert list(shards(found)) == ["b.ipynb", "gpu/c.ipynb", "gpu/d.ipynb"]


def test_runners_and_containers(study: Path) -> None:
    write(study, {"b.ipynb": notebook("1", own={"runner": "macos-latest", "retries": 1})})
    toml = (
        "[plan-notebooks]\nrunner = 'ubuntu-24.04'\n"
        "[[plan-notebooks.for]]\nnotebooks = 'gpu/*.ipynb'\nrunner = ['self-hosted', 'gpu']\n"
        "[[plan-notebooks.for]]\nnotebooks = ['gpu/d.ipynb', 'none.ipynb']\ncontainer = 'cuda:12'\n"
    )
    found = all_planned(study, toml)
    assert shards(found) == {
        "chain/01-x.ipynb,chain/02-y.ipynb,a.ipynb": ["ubuntu-24.04", ""],
        "b.ipynb": ["macos-latest", ""],
        "gpu/c.ipynb": ["self-hosted", "gpu", ""],
        "gpu/d.ipynb": ["self-hosted", "gpu", "cuda:12"],
    }
    [notice] = said(found)
    assert notice.startswith("notice: `for` lists `none.ipynb`, which matches no notebook. Did you mean ")
    found = all_planned(
        study, f"{toml}[[plan-notebooks.for]]\nnotebooks = 'b.ipynb'\nrunner = 'ubuntu-24.04'\n", "--shards=3"
    )
    assert shards(found)["chain/01-x.ipynb,chain/02-y.ipynb,a.ipynb,b.ipynb"] == ["ubuntu-24.04", ""]


IMAGE = "gcr.io/deeplearning-platform-release/tf2-gpu.2-11:m120"
SAVED = {"kernel": "python3", "name": "tf2-gpu.2-11.m120", "type": "gcloud", "uri": IMAGE}
RECORDED = "[plan-notebooks]\nrecorded-containers = true\ncontainer = 'python:3.12'\n"
NONE_FOR_C = "[[plan-notebooks.for]]\nnotebooks = 'gpu/c.ipynb'\ncontainer = ''\n"


def test_a_container_that_the_notebook_records_is_used_if_asked(study: Path) -> None:
    write(study, {path: notebook("1", environment=SAVED) for path in ("a.ipynb", "gpu/c.ipynb")})
    write(study, {"b.ipynb": notebook("1", environment=SAVED, own={"container": "cuda:12"})})
    write(study, {"gpu/d.ipynb": notebook("1", environment=SAVED | {"type": "conda"})})
    containers = {path: each[-1] for path, each in shards(all_planned(study)).items()}
    assert set(containers.values()) == {"", "cuda:12"}
    found = all_planned(study, RECORDED + NONE_FOR_C)
    assert {path: each[-1] for path, each in shards(found).items()} == {
        "chain/01-x.ipynb,chain/02-y.ipynb,gpu/d.ipynb": "python:3.12",
        "a.ipynb": IMAGE,
        "b.ipynb": "cuda:12",
        "gpu/c.ipynb": "",
    }
    assert said(found) == ["notice: These run in the image that their metadata record: `a.ipynb`."]


@pytest.mark.parametrize("uri", ["https://gcr.io/x", "gcr.io/X/y", "-v", "x y", "gcr.io/a//b", "a:m1:m2", "a@sha256:0"])
def test_a_recorded_image_is_a_valid_name(study: Path, uri: str) -> None:
    write(study, {"b.ipynb": notebook("1", environment=SAVED | {"uri": uri})})
    assert said(all_planned(study)) == []
    with pytest.raises(InputError) as refused:
        all_planned(study, RECORDED)
    message = "`container` of `environment` in its metadata does not accept "
    assert refused.value.message.startswith(message)
    assert refused.value.file == "b.ipynb"
    all_planned(study, f"{RECORDED}[[plan-notebooks.for]]\nnotebooks = 'b.ipynb'\ncontainer = ''\n")


@pytest.mark.parametrize("environment", ["conda", {"type": "gcloud"}, {"type": "gcloud", "uri": 5}, {"uri": IMAGE}])
def test_without_a_recorded_image_the_input_counts(study: Path, environment: object) -> None:
    write(study, {"b.ipynb": notebook("1", environment=environment)})
    found = all_planned(study, RECORDED)
    assert {each[-1] for each in shards(found).values()} == {"python:3.12"}
    assert said(found) == []


def test_the_longest_notebook_comes_first(study: Path) -> None:
    write(
        study,
        {
            ".notebook-ci/durations.json": json.dumps(
                {"gpu/d.ipynb": 300.0, "a.ipynb": "NaN", "b.ipynb": -1, "gone.ipynb": 1e300}
            )
        },
    )
    found = all_planned(study, "", "--shards", "2")
    assert [(shard.notebooks[0], shard.seconds) for shard in found.shards] == [
        ("chain/01-x.ipynb", 900.0),
        ("a.ipynb", 900.0),
    ]


@pytest.mark.parametrize(
    ("toml", "flags", "message"),
    [
        ("", ["--shards", "0"], "`--shards` does not accept `0`."),
        ("", ["--shards", "257"], "`--shards` does not accept `257`."),
        ("", ["--shards", "many"], "`--shards` does not accept `many`."),
        ("", ["--changed-only", "maybe"], "`--changed-only` does not accept `maybe`."),
        ("", ["--notebooks", "none/*.ipynb"], "No notebook matches `none/*.ipynb` in "),
        ("", ["--exclude", "**"], "`exclude` matches all notebooks."),
        ("", ["--container", "two words"], "`--container` does not accept `two words`."),
        ("", ["--container", "-v"], "The command line was not understood: "),
        ("[plan-notebooks]\nrunner = 5", [], "`runner` in `[plan-notebooks]` does not accept `5`."),
        ("[plan-notebooks]\nrunner = [['gpu']]", [], '`runner` in `[plan-notebooks]` does not accept `[["gpu"]]`.'),
        ("[plan-notebooks]\nrunner = ['a', '']", [], '`runner` in `[plan-notebooks]` does not accept `["a", ""]`.'),
        ("[plan-notebooks]\nshards = 1.5", [], "`shards` in `[plan-notebooks]` does not accept `1.5`."),
        ("[plan-notebooks]\nretries = 1", [], "`[plan-notebooks]` has an unknown key `retries`."),
        (
            "[execute-notebook]\nexecution-order = 'x'",
            [],
            "`execution-order` in `[execute-notebook]` does not accept `x`.",
        ),
        ("[[plan-notebooks.for]]\nrunner = 'gpu'", [], '`for` in `[plan-notebooks]` has `{"runner": "gpu"}`, without '),
        ("[[plan-notebooks.for]]\nnotebooks = 'a*'", [], '`for` in `[plan-notebooks]` has `{"notebooks": "a*"}`, w'),
        (
            "[[plan-notebooks.for]]\nnotebooks = 'a*'\nretries = 1",
            [],
            "`for` in `[plan-notebooks]` has an unknown key `retries`.",
        ),
        (
            "[[plan-notebooks.for]]\nnotebooks = 'a*'\nrunner = {}",
            [],
            "`runner` of `for` in `[plan-notebooks]` does not accept `{}`.",
        ),
        (
            "[[plan-notebooks.for]]\nnotebooks = 'chain/01-*'\nrunner = 'gpu'",
            [],
            "`chain/01-x.ipynb` and `chain/02-y.ipynb` must run in one job, one after the other, but have different ",
        ),
        (
            "[[plan-notebooks.for]]\nnotebooks = 'a.ipynb'\nrunner = 'gpu'",
            ["--shards", "1"],
            "`shards` is 1, but the notebooks need 2 kinds of jobs: `gpu`, `ubuntu-latest`.",
        ),
        (
            "[execute-notebook.needs]\n'a.ipynb' = 'b.ipynb'\n'b.ipynb' = 'a.ipynb'",
            [],
            "Notebooks need each other in a circle: ",
        ),
        ("[execute-notebook.needs]\n'a.ipynb' = 'x.ipynb'", [], "`needs` lists `x.ipynb`, which matches no notebook."),
    ],
)
def test_what_is_wrong_is_refused(study: Path, toml: str, flags: list[str], message: str) -> None:
    with pytest.raises(InputError) as refused:
        all_planned(study, toml, *flags)
    assert refused.value.message.startswith(message)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"runner": {"label": "gpu"}}, "`runner` of `notebook-ci` in the notebook's metadata does not accept "),
        ({"runner": []}, "`runner` of `notebook-ci` in the notebook's metadata does not accept `[]`."),
        ({"runner": "a\tb"}, "`runner` of `notebook-ci` in the notebook's metadata does not accept `a\\tb`."),
        ({"container": "$(x)"}, "`container` of `notebook-ci` in the notebook's metadata does not accept `$(x)`."),
    ],
)
def test_wrong_metadata_are_refused(study: Path, own: object, message: str) -> None:
    write(study, {"b.ipynb": notebook("1", own=own)})
    with pytest.raises(InputError) as refused:
        all_planned(study)
    assert refused.value.message.startswith(message)
    assert refused.value.file == "b.ipynb"


@pytest.mark.parametrize("own", [None, 5, [], {"retries": "x"}])
def test_other_metadata_are_left_to_execute_notebook(study: Path, own: object) -> None:
    write(study, {"b.ipynb": notebook("1", own=own)})
    assert all_planned(study).headline["count"] == "6"


@pytest.mark.parametrize("name", [" a.ipynb", "a\nb.ipynb"])
def test_a_name_that_no_list_can_have_is_refused(study: Path, name: str) -> None:
    write(study, {name: notebook("1")})
    with pytest.raises(InputError, match="begins or ends with a space, or has a line break"):
        all_planned(study)


def test_the_summary_says_what_runs_where_and_why(study: Path) -> None:
    write(study, {".notebook-ci/durations.json": json.dumps({"a.ipynb": 90.0})})
    record = all_planned(study, "", "--shards", "2", "--notebooks", "a.ipynb", "gpu/c.ipynb")
    record.unaffected = ["b.ipynb"]
    record.duration = 0.25
    assert render([record]) == GOLDEN


GOLDEN = """\
### ✅ plan-notebooks: 2 notebooks in 2 shards, 1 not affected in 0.2 s

<details><summary>Details of plan-notebooks</summary>

| shard | notebooks | expected   | runner        | container |
| ----- | --------- | ---------- | ------------- | --------- |
| 1     | 1         | 1 min 30 s | ubuntu-latest |           |
| 2     | 1         | 1 min 30 s | ubuntu-latest |           |

<details><summary>Why these notebooks run</summary>

| notebook      | because                            |
| ------------- | ---------------------------------- |
| `a.ipynb`     | all run: `changed-only` is `false` |
| `gpu/c.ipynb` | all run: `changed-only` is `false` |

</details>

<details><summary>Not affected</summary>

| notebook  |
| --------- |
| `b.ipynb` |

</details>

</details>
""".replace("1 min 30 s", "1\N{NO-BREAK SPACE}min\N{NO-BREAK SPACE}30\N{NO-BREAK SPACE}s")
