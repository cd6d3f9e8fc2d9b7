import os
import re
from pathlib import Path

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.base.texts import quote
from notebook_ci.base.workspace import Workspace
from notebook_ci.notebooks.selection import everything, matching, select
from notebook_ci.records.run_directory import RunDirectory

FILES = (
    "a.ipynb",
    "b.ipynb",
    "notes.txt",
    "notebooks/01-clean.ipynb",
    "notebooks/02-train.ipynb",
    "notebooks/deep/er/03.ipynb",
    "notebooks/.ipynb_checkpoints/01-clean-checkpoint.ipynb",
    "notebooks/.hidden.ipynb",
    ".hidden/x.ipynb",
    ".hidden/.more/y.ipynb",
    "env/pyvenv.cfg",
    "env/lib/site-packages/tool/tool.ipynb",
    "drafts/[old] plan.ipynb",
    "drafts/o plan.ipynb",
    "drafts/new*.ipynb",
    "drafts/newer.ipynb",
    "drafts/naïve 日本.ipynb",
)
SHOWN = [
    "a.ipynb",
    "b.ipynb",
    "drafts/[old] plan.ipynb",
    "drafts/naïve 日本.ipynb",
    "drafts/new*.ipynb",
    "drafts/newer.ipynb",
    "drafts/o plan.ipynb",
    "notebooks/01-clean.ipynb",
    "notebooks/02-train.ipynb",
    "notebooks/deep/er/03.ipynb",
]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    root = tmp_path / "workspace"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def refused(patterns: list[str], exclude: list[str], workspace: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        select(patterns, exclude, workspace)
    return caught.value


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("**/*.ipynb", SHOWN),
        ("**", SHOWN),
        (".", SHOWN),
        ("./**/*.ipynb", SHOWN),
        ("*.ipynb", ["a.ipynb", "b.ipynb"]),
        ("notebooks", SHOWN[-3:]),
        ("notebooks/", SHOWN[-3:]),
        ("notebooks/**", SHOWN[-3:]),
        ("notebooks/**/*.ipynb", SHOWN[-3:]),
        ("notebooks/*", SHOWN[-3:-1]),
        ("notebooks/0[1-9]-*.ipynb", SHOWN[-3:-1]),
        ("notebooks/0?-train.ipynb", [SHOWN[-2]]),
        ("notebooks/../a.ipynb", ["a.ipynb"]),
        ("drafts/../notebooks/*.ipynb", SHOWN[-3:-1]),
        ("**/er/*.ipynb", SHOWN[-1:]),
        ("**/**/03.ipynb", SHOWN[-1:]),
        ("*/**/*.ipynb", SHOWN[2:]),
        ("**/deep/**/*.ipynb", SHOWN[-1:]),
        ("**.ipynb", ["a.ipynb", "b.ipynb"]),
        ("a.ipynb", ["a.ipynb"]),
        # a name that is there is no glob
        ("drafts/[old] plan.ipynb", ["drafts/[old] plan.ipynb"]),
        ("drafts/new*.ipynb", ["drafts/new*.ipynb"]),
        ("drafts/[[]old] plan.ipynb", ["drafts/[old] plan.ipynb"]),
        ("drafts/[old] p*.ipynb", ["drafts/o plan.ipynb"]),
        ("drafts/naïve*", ["drafts/naïve 日本.ipynb"]),
        # what is hidden must be named
        (".hidden", [".hidden/x.ipynb"]),
        (".hidden/*.ipynb", [".hidden/x.ipynb"]),
        (".*/*.ipynb", [".hidden/x.ipynb"]),
        (".hidden/.more/y.ipynb", [".hidden/.more/y.ipynb"]),
        ("**/.more/*.ipynb", None),
        ("notebooks/.hidden.ipynb", ["notebooks/.hidden.ipynb"]),
        ("env/lib/site-packages/tool/tool.ipynb", ["env/lib/site-packages/tool/tool.ipynb"]),
        ("env/lib/**/*.ipynb", ["env/lib/site-packages/tool/tool.ipynb"]),
    ],
)
def test_what_a_pattern_means(workspace: Path, pattern: str, found: list[str] | None) -> None:
    if found is None:
        assert "No notebook matches" in refused([pattern], [], workspace).message
    else:
        assert select([pattern], [], workspace) == found


def test_absolute_patterns_work_within_the_workspace(workspace: Path) -> None:
    assert select([str(workspace / "a.ipynb")], [], workspace) == ["a.ipynb"]
    assert select([str(workspace / "n*" / "*.ipynb")], [], workspace) == SHOWN[-3:-1]
    assert select([str(workspace)], [], workspace) == SHOWN


def test_several_patterns_give_each_notebook_once_and_sorted(workspace: Path) -> None:
    assert select(["notebooks/02*.ipynb", "b.ipynb", "*.ipynb", "./b.ipynb"], [], workspace) == [
        "a.ipynb",
        "b.ipynb",
        "notebooks/02-train.ipynb",
    ]


@pytest.mark.parametrize("exclude", ["drafts", "drafts/*.ipynb", "**/drafts/**", "drafts/**/*.ipynb"])
def test_what_is_excluded_is_left_out(workspace: Path, exclude: str) -> None:
    remaining = [path for path in SHOWN if not path.startswith("drafts")]
    assert select(["**/*.ipynb"], [exclude, "none/**"], workspace) == remaining


def test_only_the_pattern_that_matches_nothing_is_named(workspace: Path) -> None:
    error = refused(["*.ipynb", "notebook/*.ipynb"], [], workspace)
    assert error.message == f"No notebook matches `notebook/*.ipynb` in `{workspace}`."
    assert error.hint.startswith(
        "Did you mean `drafts/**/*.ipynb` (5 notebooks) or `notebooks/**/*.ipynb` (3 notebooks) or "
        "`*.ipynb` (2 notebooks)? Correct `notebooks`"
    )


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("01-clean.ipynb", "Did you mean `notebooks/01-clean.ipynb`?"),
        ("notebook/01-clean.ipynb", "Did you mean `notebooks/01-clean.ipynb`?"),
        ("reports", "Did you mean `drafts/**/*.ipynb` (5 notebooks)"),
    ],
)
def test_a_name_that_matches_nothing_may_be_misspelt(workspace: Path, pattern: str, said: str) -> None:
    assert refused([pattern], [], workspace).hint.startswith(said)


def test_a_folder_without_notebooks_is_said_to_have_none(tmp_path: Path) -> None:
    assert refused(["**/*.ipynb"], [], tmp_path).hint.startswith("There are no notebooks. ")


@pytest.mark.parametrize("pattern", ["none.ipynb", "none", "none/**", "*.txt", "[", "x" * 300, "*" + "x" * 5000])
def test_a_pattern_that_matches_nothing_is_an_error(workspace: Path, pattern: str) -> None:
    assert quote(pattern) in refused([pattern], [], workspace).message


def test_a_pattern_with_a_nul_character_is_an_error(workspace: Path) -> None:
    assert "`a\\x00*`" in refused(["a\0*"], [], workspace).message


def test_everything_excluded_is_an_error(workspace: Path) -> None:
    error = refused(["*.ipynb"], ["*.ipynb"], workspace)
    assert "`exclude` matches all notebooks" in error.message
    assert "exclude" in error.hint


def test_a_file_that_is_no_notebook_is_an_error(workspace: Path) -> None:
    error = refused(["notes.txt"], [], workspace)
    assert error.message == "`notes.txt` is not a notebook."
    assert ".ipynb" in error.hint


@pytest.mark.parametrize(
    "pattern", ["../outside.ipynb", "..", "../*.ipynb", "notebooks/../../outside.ipynb", "ABSOLUTE"]
)
def test_a_notebook_outside_the_workspace_is_an_error(workspace: Path, pattern: str) -> None:
    outside = workspace.parent / "outside.ipynb"
    outside.touch()
    pattern = pattern.replace("ABSOLUTE", str(outside))
    error = refused([pattern], [], workspace)
    assert error.message == f"{quote(pattern)} is outside the workspace `{workspace}`."
    assert "relative to it" in error.hint


def test_folders_of_outputs_are_not_looked_at(workspace: Path) -> None:
    never = [workspace / "notebooks", workspace / "drafts" / ".." / "drafts", workspace / "none"]
    assert select(["**/*.ipynb"], [], workspace, never) == ["a.ipynb", "b.ipynb"]
    expected = r"`notebooks` matches only outputs: `notebooks/01-clean.ipynb` is in"
    with pytest.raises(InputError, match=expected) as caught:
        select(["notebooks"], [], workspace, never)
    assert "outputs" in caught.value.hint


def test_a_link_into_a_folder_of_outputs_is_not_looked_at(workspace: Path) -> None:
    (workspace / "link").symlink_to(workspace / "drafts")
    with pytest.raises(InputError, match="matches only outputs"):
        select(["link/*.ipynb"], [], workspace, [workspace / "drafts"])


def test_links_that_lead_upwards_show_nothing_twice(workspace: Path) -> None:
    for name in ("one", "two", "three"):  # each alone would do it forty times, together without end
        (workspace / "notebooks" / name).symlink_to(workspace)
    assert select(["**/*.ipynb"], [], workspace) == SHOWN


def test_a_link_to_a_folder_is_followed_where_it_is_named(workspace: Path) -> None:
    (workspace / "link").symlink_to(workspace / ".hidden")
    assert select(["**/*.ipynb"], [], workspace) == SHOWN
    assert select(["link/*.ipynb"], [], workspace) == ["link/x.ipynb"]
    assert select(["link"], [], workspace) == ["link/x.ipynb"]


def test_a_link_to_a_notebook_is_one_and_so_is_a_dead_link(workspace: Path) -> None:
    """What it should lead to is missing: whoever reads it says so."""
    (workspace / "c.ipynb").symlink_to("a.ipynb")
    (workspace / "d.ipynb").symlink_to("none.ipynb")
    (workspace / "e.ipynb").symlink_to("e.ipynb")
    assert select(["*.ipynb"], [], workspace) == ["a.ipynb", "b.ipynb", "c.ipynb", "d.ipynb", "e.ipynb"]
    assert select(["d.ipynb"], [], workspace) == ["d.ipynb"]


@pytest.mark.parametrize("patterns", [["**/*.ipynb"], ["c.ipynb"], ["a.ipynb", "drafts/link/c.ipynb"]])
def test_a_link_out_of_the_workspace_is_refused_as_its_path_would_be(workspace: Path, patterns: list[str]) -> None:
    elsewhere = workspace.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "c.ipynb").touch()
    (workspace / "c.ipynb").symlink_to(elsewhere / "c.ipynb")
    (workspace / "drafts" / "link").symlink_to("../../elsewhere")
    error = refused(patterns, [], workspace)
    assert re.match(r"`\S*c.ipynb` is a link to a file outside the workspace", error.message)
    assert "exclude" in error.hint
    assert "is outside the workspace" in refused(["../elsewhere/c.ipynb"], [], workspace).message
    assert select(["**/*.ipynb"], ["c.ipynb"], workspace) == SHOWN
    assert list(everything(workspace, [])).count("c.ipynb") == 0


def test_the_workspace_may_be_a_link(workspace: Path) -> None:
    (workspace.parent / "link").symlink_to(workspace)
    assert select(["**/*.ipynb"], [], workspace.parent / "link") == SHOWN


def test_a_folder_with_the_name_of_a_notebook_is_a_folder(workspace: Path) -> None:
    (workspace / "dir.ipynb").mkdir()
    (workspace / "dir.ipynb" / "x.ipynb").touch()
    assert select(["*.ipynb"], [], workspace) == ["a.ipynb", "b.ipynb"]
    assert select(["dir.ipynb"], [], workspace) == ["dir.ipynb/x.ipynb"]


@pytest.mark.parametrize("name", ["a\nb.ipynb", " c .ipynb", "-rf.ipynb", "$(id).ipynb", "'\".ipynb"])
def test_odd_names_are_found(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert select(["*.ipynb"], [], tmp_path) == [name]
    assert select([name], [], tmp_path) == [name]


def test_a_name_that_is_no_text_is_found(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.ipynb")).touch()
    assert select(["**/*.ipynb"], [], tmp_path) == ["\udcff.ipynb"]


def test_a_workspace_that_is_a_virtual_environment_itself_is_looked_at(tmp_path: Path) -> None:
    for name in ("pyvenv.cfg", "a.ipynb"):
        (tmp_path / name).touch()
    assert select(["**/*.ipynb"], [], tmp_path) == ["a.ipynb"]


def test_what_lies_in_a_run_directory_is_no_notebook_to_execute(tmp_path: Path) -> None:
    RunDirectory.open("run", Workspace(tmp_path, {}))
    for name in ("a.ipynb", "run/execute-notebook/a.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert select(["**/*.ipynb"], [], tmp_path) == ["a.ipynb"]
    assert list(everything(tmp_path, [])) == ["a.ipynb"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a.ipynb", ["a.ipynb"]),
        ("x[1].ipynb", ["x[1].ipynb"]),  # a path that is there is not read as a glob
        ("x?.ipynb", ["x1.ipynb"]),
        ("sub/*.ipynb", ["sub/a.ipynb"]),
        ("**/a.ipynb", ["a.ipynb", "sub/a.ipynb", "sub/deep/a.ipynb"]),
        ("sub/**", ["sub/a.ipynb", "sub/deep/a.ipynb"]),
        ("*", ["a.ipynb", "x1.ipynb", "x[1].ipynb"]),
        ("sub", []),
        ("b.ipynb", []),
    ],
)
def test_paths_that_match(pattern: str, found: list[str]) -> None:
    paths = ["a.ipynb", "x1.ipynb", "x[1].ipynb", "sub/a.ipynb", "sub/deep/a.ipynb"]
    assert matching(pattern, paths) == found
