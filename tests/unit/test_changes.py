"""What a change is compared with: events of GitHub, shallow clones, laptops. All in clones of real repositories."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.records.plan_notebooks import PlanNotebooksRecord
from unit.planned import commit, git, notebook, planned, said, write

ON_MAIN = 60  # commits on main since the topic began: more than the first fetch brings
ZEROS, NONE = "0" * 40, "f" * 40
FETCH_ALL = " Set `fetch-depth: 0` in the step of `actions/checkout`, or `changed-only: false`."
Clone = Callable[..., Path]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose branch `topic` changes a.ipynb, while main has gone on, and last changed b.ipynb."""
    folder = tmp_path_factory.mktemp("origin")
    write(
        folder, {name: notebook("1") for name in ("a.ipynb", "b.ipynb", "c.ipynb")} | {".gitignore": ".notebook-ci\n"}
    )
    git(folder, "init", "--quiet")
    commit(folder)
    git(folder, "branch", "topic")
    for _ in range(ON_MAIN):
        git(folder, "commit", "--quiet", "--allow-empty", "--message", "x")
    write(folder, {"b.ipynb": notebook("2")})
    commit(folder)
    git(folder, "checkout", "--quiet", "topic")
    write(folder, {"a.ipynb": notebook("2")})
    commit(folder)
    git(folder, "checkout", "--quiet", "--detach", "main")
    git(folder, "merge", "--quiet", "--no-ff", "--message", "x", "topic")
    git(folder, "update-ref", "refs/pull/1/merge", "HEAD")
    git(folder, "checkout", "--quiet", "main")
    git(folder, "branch", "old", "main~1")
    git(folder, "tag", "v1", "main~1")
    git(folder, "checkout", "--quiet", "--orphan", "unrelated")
    commit(folder)
    git(folder, "checkout", "--quiet", "main")
    return folder


@pytest.fixture
def clone(origin: Path, tmp_path: Path) -> Clone:
    """Return a clone as actions/checkout makes it."""

    def cloned(ref: str, depth: int = 1) -> Path:
        folder = tmp_path / "clone"
        git(tmp_path, "init", "--quiet", str(folder))
        git(folder, "remote", "add", "origin", origin.as_uri())
        git(folder, "fetch", "--quiet", "--no-tags", *([f"--depth={depth}"] if depth else []), "origin", ref)
        git(folder, "checkout", "--quiet", "--detach", "FETCH_HEAD")
        return folder

    return cloned


@pytest.fixture
def on_event(tmp_path: Path) -> Callable[..., PlanNotebooksRecord]:
    def run(folder: Path, name: str, *flags: str, event: object = None, **variables: str) -> PlanNotebooksRecord:
        file = tmp_path / "event.json"
        file.write_text(event if isinstance(event, str) else json.dumps(event))
        on_github = {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(file)}
        environ = on_github | {f"GITHUB_{key.upper()}": value for key, value in variables.items()}
        return planned(folder, *flags, environ=environ)

    return run


def names(record: PlanNotebooksRecord) -> str:
    return "".join(path.removesuffix(".ipynb") for path in record.reasons)


def pushed(before: object, branch: str = "main", **others: Any) -> dict[str, Any]:
    return {
        "event": {"before": before, "repository": {"default_branch": "main"}},
        "ref": f"refs/heads/{branch}",
        **others,
    }


@pytest.mark.parametrize("depth", [1, 3, 55, 0])
@pytest.mark.parametrize("ref", ["refs/pull/1/merge", "topic"])
def test_a_pull_request_is_compared_with_its_base_branch(
    clone: Clone, on_event: Callable[..., PlanNotebooksRecord], ref: str, depth: int
) -> None:
    """Of the merge, or of the branch itself, however many commits were fetched before."""
    folder = clone(ref, depth)
    before = int(git(folder, "rev-list", "--count", "HEAD"))
    found = on_event(folder, "pull_request", base_ref="main")
    assert (names(found), said(found)) == ("a", [])
    assert git(folder, "cat-file", "-t", found.base) == "commit"
    assert int(git(folder, "rev-list", "--count", "HEAD")) >= before, "no history is cut"


def test_a_push_is_compared_with_the_commit_before_it(
    clone: Clone, on_event: Callable[..., PlanNotebooksRecord], origin: Path
) -> None:
    found = on_event(clone("main"), "push", **pushed(git(origin, "rev-parse", "main~2")))
    assert (names(found), said(found)) == ("b", [])


def test_a_forced_push_is_compared_with_what_was_there(
    clone: Clone, on_event: Callable[..., PlanNotebooksRecord], origin: Path
) -> None:
    """Even though it is not an ancestor."""
    found = on_event(clone("main"), "push", **pushed(git(origin, "rev-parse", "topic")))
    assert (names(found), said(found)) == ("ab", [])


def test_a_push_to_another_branch_is_compared_with_the_default_branch(
    clone: Clone, on_event: Callable[..., PlanNotebooksRecord]
) -> None:
    found = on_event(clone("topic"), "push", **pushed(ZEROS, "topic"))
    assert (names(found), said(found)) == ("a", [])


def test_a_merge_queue(clone: Clone, on_event: Callable[..., PlanNotebooksRecord], origin: Path) -> None:
    event = {"merge_group": {"base_sha": git(origin, "rev-parse", "main")}}
    found = on_event(clone("refs/pull/1/merge"), "merge_group", event=event)
    assert (names(found), said(found)) == ("a", [])


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("schedule", {}, "notice: All notebooks run: the event is `schedule`."),
        ("workflow_dispatch", {}, "notice: All notebooks run: the event is `workflow_dispatch`."),
        ("push", {"ref": "refs/tags/v1", "ref_type": "tag"}, "notice: All notebooks run: the event is `tag`."),
        ("push", pushed(ZEROS), "notice: All notebooks run: this is the first push."),
        ("pull_request", {}, "notice: All notebooks run: the event names no base branch."),
        ("pull_request", {"base_ref": ""}, "notice: All notebooks run: the event names no base branch."),
        ("push", pushed(None), "notice: All notebooks run: the event names no commit to compare with."),
        ("push", pushed("--upload-pack=x"), "notice: All notebooks run: the event names no commit to compare with."),
        ("push", pushed("main"), "notice: All notebooks run: the event names no commit to compare with."),
        ("push", {"event": "{", "ref": "refs/heads/main"}, "notice: All notebooks run: the event names no commit"),
        ("push", {"event": [], "ref": "refs/heads/main"}, "notice: All notebooks run: the event names no commit"),
        ("merge_group", {"event": {"merge_group": "x"}}, "notice: All notebooks run: the event names no commit"),
        ("push", pushed(NONE), f"warning: All notebooks run: `{NONE}` could not be fetched: "),
        ("pull_request", {"base_ref": "gone"}, "warning: All notebooks run: `gone` could not be fetched: "),
        ("pull_request", {"base_ref": "unrelated"}, "warning: All notebooks run: HEAD has no commit in common with "),
        (
            "pull_request_target",
            {"base_ref": "main"},
            "warning: All notebooks run: the commit that is checked out has no changes of its own.",
        ),
    ],
)
def test_all_notebooks_run_if_no_base_is_known(
    clone: Clone, on_event: Callable[..., PlanNotebooksRecord], name: str, values: dict[str, Any], message: str
) -> None:
    found = on_event(clone("main"), name, **values)
    assert (names(found), found.base) == ("abc", "")
    [problem] = said(found)
    assert problem.startswith(message)
    assert problem.endswith(FETCH_ALL) == problem.startswith("warning")


def test_a_base_that_cannot_be_fetched_is_not_needed_if_it_is_there(
    clone: Clone, on_event: Callable[..., PlanNotebooksRecord]
) -> None:
    folder = clone("topic", depth=0)
    git(folder, "fetch", "--quiet", "origin", "main:refs/remotes/origin/main")
    git(folder, "remote", "set-url", "origin", "https://user:secret@localhost:1/x?token=secret")
    found = on_event(folder, "pull_request", base_ref="main")
    assert (names(found), said(found)) == ("a", [])
    found = on_event(folder, "pull_request", base_ref="old")
    assert names(found) == "abc"
    [problem] = said(found)
    assert problem.startswith("warning: All notebooks run: `old` could not be fetched: ")
    assert "secret" not in problem


@pytest.mark.parametrize("base", ["old", "origin/old", "v1", "refs/heads/old"])
@pytest.mark.parametrize("ci", [{"GITHUB_ACTIONS": "true", "CI": "true"}, {"CI": "true"}], ids=["GitHub", "other"])
def test_a_base_that_is_given_is_fetched(clone: Clone, base: str, ci: dict[str, str]) -> None:
    found = planned(clone("main"), "--base", base, environ=ci)
    assert (names(found), said(found)) == ("b", [])


def test_a_commit_that_is_given_is_fetched(clone: Clone, origin: Path) -> None:
    found = planned(clone("main"), "--base", git(origin, "rev-parse", "main~2"), environ={"CI": "true"})
    assert (names(found), said(found)) == ("b", [])


@pytest.mark.parametrize("base", ["gone", NONE, "a:b", "--upload-pack=touch x", "a b", "main..topic", ":/x", "@{99}"])
@pytest.mark.parametrize("environ", [{}, {"CI": "true"}], ids=["laptop", "CI"])
def test_a_base_that_does_not_exist(clone: Clone, base: str, environ: dict[str, str]) -> None:
    with pytest.raises(InputError) as refused:
        planned(clone("main"), f"--base={base}", environ=environ)
    assert refused.value.message.startswith(f"`base` is `{base}`, which is not a branch or commit ")


def test_a_branch_without_a_common_commit(clone: Clone) -> None:
    with pytest.raises(InputError, match="`base` is `unrelated`, which is not a branch or commit that HEAD has a"):
        planned(clone("main"), "--base", "unrelated")


# --- On a laptop


@pytest.fixture
def laptop(origin: Path, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "--quiet", origin.as_uri(), "laptop")
    return tmp_path / "laptop"


def test_a_laptop_compares_with_the_default_branch(laptop: Path) -> None:
    assert names(planned(laptop)) == ""
    write(laptop, {"c.ipynb": notebook("not committed")})
    assert names(planned(laptop)) == "c"
    commit(laptop)
    assert names(planned(laptop)) == "c", "not pushed"
    git(laptop, "checkout", "--quiet", "topic")
    assert names(planned(laptop)) == "a"
    git(laptop, "remote", "remove", "origin")
    assert names(planned(laptop)) == "a", "there is a local main"
    found = planned(laptop)
    assert (git(laptop, "rev-parse", "main~62"), said(found)) == (found.base, [])
    git(laptop, "checkout", "--quiet", "main")
    assert names(planned(laptop, "--base", "HEAD~1")) == "c"


def test_a_laptop_fetches_nothing(laptop: Path) -> None:
    git(laptop, "remote", "set-url", "origin", "https://localhost:1/x")
    git(laptop, "checkout", "--quiet", "topic")
    found = planned(laptop)
    assert (names(found), said(found)) == ("a", [])


def test_a_laptop_without_a_default_branch(laptop: Path) -> None:
    git(laptop, "remote", "remove", "origin")
    git(laptop, "branch", "--move", "trunk")
    found = planned(laptop)
    assert names(found) == "abc"
    assert said(found)[0].startswith(
        "warning: All notebooks run: HEAD has no commit in common with any of `origin/HEAD`"
    )


@pytest.mark.parametrize("environ", [{"CI": "true"}, {"GITLAB_CI": "true", "CI": "true"}, {"TF_BUILD": "True"}])
def test_another_ci_system_says_what_to_compare_with(laptop: Path, environ: dict[str, str]) -> None:
    found = planned(laptop, environ=environ)
    assert (names(found), said(found)) == ("abc", ["notice: All notebooks run: `base` is not set."])


@pytest.mark.parametrize("is_repository", [False, True], ids=["no repository", "no commit"])
def test_no_commit(tmp_path: Path, *, is_repository: bool) -> None:
    write(tmp_path, {"a.ipynb": notebook("1")})
    if is_repository:
        git(tmp_path, "init", "--quiet")
    found = planned(tmp_path)
    message = f"`{tmp_path}` is not in a git repository that has a commit"
    assert (names(found), said(found)) == ("a", [f"warning: All notebooks run: {message}.{FETCH_ALL}"])
    with pytest.raises(InputError) as refused:
        planned(tmp_path, "--base", "main")
    assert refused.value.message == f"`base` is `main`, but {message}."


def test_no_git(laptop: Path, tmp_path: Path) -> None:
    found = planned(laptop, environ={"PATH": str(tmp_path)})
    assert names(found) == "abc"
    assert said(found)[0].startswith("warning: All notebooks run: git cannot be run. ")


def test_a_repository_that_is_damaged(laptop: Path) -> None:
    shutil.rmtree(laptop / ".git" / "objects")
    (laptop / ".git" / "objects").mkdir()
    found = planned(laptop)
    assert names(found) == "abc"
    assert said(found)[0].startswith("warning: All notebooks run: ")
