"""What DVC tracks, read from its files: paths, hashes, remotes, and the line of each."""

from pathlib import Path

import pytest

from notebook_ci.base.errors import NotebookCiError
from notebook_ci.base.workspace import Workspace
from notebook_ci.dvc.pointers import Entry, Pointers, read
from notebook_ci.dvc_pull.model import DvcPullInputs
from notebook_ci.dvc_pull.run import PullPlan, cache, plan

A, B = "a" * 32, "b" * 32
FLOW = "outs: [{md5: %s, path: x}]\n"


def pointers(root: Path, **files: str) -> Pointers:
    (root / ".dvc").mkdir(exist_ok=True)
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return read(root, root)


def outs(found: Pointers) -> list[tuple[str, str, int | None, str]]:
    return [(out.file, out.path, out.line, out.hash) for out in found.outs]


def errors(found: Pointers) -> list[tuple[str | None, int | None]]:
    return [(error.file, error.line) for error in found.wrong]


def test_a_file_a_folder_and_their_remotes(tmp_path: Path) -> None:
    text = f"outs:\n- md5: {A}\n  size: 8\n  hash: md5\n  path: x\n- path: y\n  remote: cold\n  md5: {B}.dir\n"
    found = pointers(tmp_path, x_dvc=text)
    assert found.entries == [
        Entry(file="x.dvc", is_output=True, path="x", line=2, hash=A),
        Entry(file="x.dvc", is_output=True, path="y", line=8, hash=f"{B}.dir", remote="cold"),
    ]


@pytest.mark.parametrize(
    ("text", "path", "line", "hashed"),
    [
        pytest.param(f"outs:\n- md5: {A}\n  path: x\n", "x", 2, A, id="DVC 2: without `hash`"),
        pytest.param(f"wdir: ..\nouts:\n- md5: {A}\n  path: x\n", "x", 3, A, id="another folder"),
        pytest.param("outs:\n- path: x\n", "x", 2, "", id="no hash"),
        pytest.param("outs:\n- path: x\n  md5:\n", "x", 2, "", id="empty hash"),
        pytest.param(FLOW % A, "x", 1, A, id="in one line"),
        pytest.param(f"outs:\n- md5:\n    {A}\n  path: x\n", "x", 3, A, id="on the next line"),
        pytest.param(f"meta: &m {{md5: {A}}}\nouts:\n- <<: *m\n  path: x\n", "x", 3, A, id="merged in"),
        pytest.param(f"# {A}\nouts:\n- path: {A}\n  md5: {A}\n", A, 4, A, id="the hash elsewhere"),
        pytest.param(
            f"outs:\n- size: 8\n  path: x\n  files:\n  - {{relpath: a, md5: {A}, cloud: {{s: {{version_id: v}}}}}}\n",
            "x",
            3,
            "",
            id="a folder with versions",
        ),
        pytest.param(
            f"outs:\n- path: x\n  cloud:\n    s: {{etag: e, version_id: v}}\n  md5: {A}\n",
            "x",
            5,
            A,
            id="a file with versions",
        ),
    ],
)
def test_shapes_of_an_output(tmp_path: Path, text: str, path: str, line: int, hashed: str) -> None:
    found = pointers(tmp_path, x_dvc=text)
    assert outs(found) == [("x.dvc", path, line, hashed)]
    assert errors(found) == []


def test_imports(tmp_path: Path) -> None:
    repo = "deps:\n- path: data\n  repo: {url: https://host/r, rev_lock: abc}\n"
    address = "deps:\n- path: s3://bucket/y\n  etag: 0-1\n"
    out = f"outs:\n- md5: {A}\n  path: data\n"
    found = pointers(tmp_path, x_dvc=repo + out, y_dvc=address + out)
    assert outs(found) == [("x.dvc", "data", 5, A), ("y.dvc", "data", 5, A)]
    assert [(each.file, each.path, each.line) for each in found.entries if not each.is_output] == [
        ("x.dvc", "data", 2),
        ("y.dvc", "s3://bucket/y", 2),
    ]


PIPELINE = """\
stages:
  split:
    cmd: split
    wdir: sub
    deps: [raw.csv, "gs://bucket/z"]
    outs:
    - a.csv
    - b.csv: {remote: cold, persist: true}
    metrics:
    - m.json:
        cache: false
    plots:
    - p.csv: [{x: a}]
  each:
    foreach: [1, 2]
    do:
      cmd: each ${item}
      outs:
      - ${item}.csv:
          remote: warm
"""


def test_stages(tmp_path: Path) -> None:
    lock = f"schema: '2.0'\nstages:\n  split:\n    cmd: split\n    deps:\n    - path: raw.csv\n      md5: {A}\n"
    lock += f"    outs:\n    - path: a.csv\n      hash: md5\n      md5: {A}\n"
    found = pointers(tmp_path, dvc_yaml=PIPELINE, sub__dvc_lock=lock)
    written = [(each.stage, each.is_output, each.path, each.line, each.remote) for each in found.entries[:7]]
    assert written == [
        ("split", True, "a.csv", 7, ""),
        ("split", True, "b.csv", 8, "cold"),
        ("split", True, "m.json", 10, ""),
        ("split", True, "p.csv", 13, ""),
        ("split", False, "raw.csv", 5, ""),
        ("split", False, "gs://bucket/z", 5, ""),
        ("each", True, "${item}.csv", 19, "warm"),
    ]
    assert found.entries[7:] == [
        Entry(file="sub/dvc.lock", stage="split", is_output=True, path="a.csv", line=11, hash=A),
        Entry(file="sub/dvc.lock", stage="split", is_output=False, path="raw.csv", line=7, hash=A),
    ]


def test_two_outputs_with_the_same_content(tmp_path: Path) -> None:
    stage = "  {0}:\n    cmd: echo\n    outs:\n    - path: {0}.csv\n      hash: md5\n      md5: {1}\n      size: 8\n"
    lock = "schema: '2.0'\nstages:\n" + stage.format("aaa", A) + stage.format("zzz", A)
    assert outs(pointers(tmp_path, dvc_lock=lock)) == [("dvc.lock", "aaa.csv", 8, A), ("dvc.lock", "zzz.csv", 15, A)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[]",
        "outs: x\n",
        "outs: {a: b}\n",
        "outs: [1, [x], null]\n",
        "stages: [x]\n",
        "stages: {x: y}\n",
        "stages: {x: {outs: {}}}\n",
        "stages: {x: {do: [], outs: [{}]}}\n",
    ],
)
def test_what_is_not_as_expected_is_left_to_dvc(tmp_path: Path, text: str) -> None:
    found = pointers(tmp_path, x_dvc=text, dvc_yaml=text, dvc_lock=text)
    assert errors(found) == []
    assert [out for out in outs(found) if out[1]] == []


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        (FLOW % "12", "`12` is not a valid MD5.", 1),
        (FLOW % A.upper(), f"`{A.upper()}` is not a valid MD5.", 1),
        (FLOW % f"{A}.txt", f"`{A}.txt` is not a valid MD5.", 1),
        ("outs:\n- path: x\n  md5: ../../key\n", "`../../key` is not a valid MD5.", 3),
        ("outs:\n- path: x\n  md5: [a]\n", "is not a valid MD5.", 3),
        (f'outs:\n- md5: {A}\n  path: "a\\0b"\n', "is not a valid path.", 2),
        (
            f"outs:\n- path: x\n  files: [{{relpath: ../y, md5: {A}}}]\n",
            "the file list of `x` is wrong: entry 1 has `../y`, which is not a path in the folder.",
            2,
        ),
        ("outs:\n- path: x\n  files: {}\n", "the file list of `x` is wrong: entry 1 is not in a list.", 2),
        ("outs:\n- md5: [a\n  path: x\n", "is not valid YAML: ", 3),
        ("outs: []\nouts: []\n", "is not valid YAML: ", 2),
        ("<<<<<<< HEAD\nouts: []\n=======\n", "is not valid YAML: ", 2),
        ("[" * 1000, "is nested too deeply.", None),
    ],
)
def test_what_is_wrong(tmp_path: Path, text: str, message: str, line: int | None) -> None:
    found = pointers(tmp_path, x_dvc=text, y_dvc=FLOW % A)
    assert errors(found) == [("x.dvc", line)]
    (error,) = found.wrong
    assert error.message.startswith("`x.dvc`")
    assert message in error.message
    assert error.hint
    assert outs(found)[-1:] == [("y.dvc", "x", 1, A)]


def test_a_dependency_may_have_any_hash(tmp_path: Path) -> None:
    assert errors(pointers(tmp_path, x_dvc="deps:\n- path: https://h/x\n  md5: 0x\nouts: []\n")) == []


def test_where_pointers_are_searched(tmp_path: Path) -> None:
    found = pointers(
        tmp_path,
        x_dvc=FLOW % A,
        sub__deep__y_dvc=FLOW % A,
        other__z_dvc="outs: [",
        other___dvc__config="",
        _git__z_dvc="outs: [",
        _dvc__z_dvc="outs: [",
        **{"_notebook-ci__venv__z_dvc": "outs: ["},
    )
    assert [file for file, *_ in outs(found)] == ["x.dvc", "sub/deep/y.dvc"]
    assert errors(found) == []


@pytest.mark.parametrize("pattern", ["tests", "/tests/", "*.dvc", "tests/*.dvc"])
def test_a_broken_pointer_that_dvc_may_ignore_is_no_error_yet(tmp_path: Path, pattern: str) -> None:
    assert errors(pointers(tmp_path, tests__x_dvc="outs: [")) == [("tests/x.dvc", 1)]
    found = pointers(tmp_path, _dvcignore=f"# ours\n\n{pattern}\n")
    assert errors(found) == []
    assert [error.file for error in found.perhaps_ignored] == ["tests/x.dvc"]


def planned(root: Path, **inputs: str) -> PullPlan:
    made = plan(DvcPullInputs(**inputs), Workspace(root, {}))  # type: ignore[arg-type] # all are texts
    assert isinstance(made, PullPlan)
    return made


CONFIG = "[core]\nremote = main\n['remote \"main\"']\nurl = s3://b/x\n['remote \"cold\"']\nurl = s3://b/cold\n"


def test_a_plan_names_the_remotes_of_pointers(tmp_path: Path) -> None:
    pointers(tmp_path, _dvc__config=CONFIG, x_dvc=f"outs:\n- md5: {A}\n  path: x\n  remote: cold\n")
    assert [remote.name for remote in planned(tmp_path).remotes] == ["main", "cold"]
    assert [remote.name for remote in planned(tmp_path, remote="main").remotes] == ["main"]


def test_a_plan_refuses_all_broken_pointers(tmp_path: Path) -> None:
    unsupported = f"deps: [{{path: hdfs://host/x}}]\n{FLOW % A}"
    pointers(tmp_path, a_dvc=FLOW % "1", b_dvc="outs: [", c_dvc=unsupported)
    with pytest.raises(NotebookCiError) as raised:
        planned(tmp_path)
    assert [error.file for error in (*raised.value.others, raised.value)] == ["a.dvc", "b.dvc", "c.dvc"]


def key(root: Path) -> str:
    inputs, workspace = DvcPullInputs(), Workspace(root, {})
    return cache(inputs, planned(root), workspace, None)["key"]  # type: ignore[arg-type] # it reports nothing


def test_the_key_of_the_cache_follows_the_content(tmp_path: Path) -> None:
    pointers(tmp_path, _dvc__config=CONFIG, x_dvc=FLOW % A)
    first = key(tmp_path)
    pointers(tmp_path, x_dvc=f"# the same\n{FLOW % A}")
    assert key(tmp_path) == first
    pointers(tmp_path, x_dvc=FLOW % B)
    assert key(tmp_path) != first
