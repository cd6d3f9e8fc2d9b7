"""Links from a summary to GitHub: to what is really there, and to nothing else."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from notebook_ci.base import markdown
from notebook_ci.base.workspace import Workspace
from notebook_ci.records.log_run import LogRunRecord
from notebook_ci.summary.links import Links, find
from notebook_ci.summary.of_run import render
from unit.test_summary import ENVIRONMENT, LOG, execution, failed, outside_code

HOSTILE = "a](https://evil.example) <b> %2e#L1?x=`|y.ipynb"
GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/penguins"}


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def study(tmp_path: Path) -> Workspace:
    """A project in a folder of a repository, on a runner."""
    folder = tmp_path / "some study"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.ipynb", "sub/é b.ipynb", "changed.ipynb", HOSTILE.replace("/", "_"), "link.ipynb"):
        (folder / name).write_text("{}\n")
    (folder / "link.ipynb").unlink()
    (folder / "link.ipynb").symlink_to("a.ipynb")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "All")
    (folder / "changed.ipynb").write_text("{ }\n")
    (folder / "new.ipynb").write_text("{}\n")
    environ = {**GITHUB, "GITHUB_SHA": git(tmp_path, "rev-parse", "HEAD").strip(), "GITHUB_RUN_ID": "7"}
    return Workspace(folder, {**environ, "GITHUB_RUN_ATTEMPT": "2", "GITHUB_WORKSPACE": str(tmp_path)})


def test_a_file_is_linked_if_it_is_that_of_the_commit(study: Workspace) -> None:
    hostile = HOSTILE.replace("/", "_")
    others = ["changed.ipynb", "new.ipynb", "none.ipynb", "link.ipynb", "sub", "../x", "sub/../a.ipynb", "/etc/hosts"]
    links = find(["a.ipynb", "sub/é b.ipynb", hostile, *others], study)
    assert links.files.keys() == {"a.ipynb", "sub/é b.ipynb", hostile}
    commit = study.environ["GITHUB_SHA"]
    url = f"https://github.com/acme/penguins/blob/{commit}/some%20study/sub/%C3%A9%20b.ipynb?plain=1#L3"
    assert links.line("x", "sub/é b.ipynb", 3) == f"[x]({url})"
    assert links.line("x", "changed.ipynb", 3) == "x"
    assert re.fullmatch(r"\[x\]\(https://github\.com/[\w/.%-]+\?plain=1#L3\)", links.line("x", hostile, 3))
    assert links.run == "https://github.com/acme/penguins/actions/runs/7/attempts/2"


def test_what_is_no_file_any_more_is_not_linked(study: Workspace) -> None:
    (study.cwd / "a.ipynb").unlink()
    os.mkfifo(study.cwd / "a.ipynb")
    assert "a.ipynb" not in find(["a.ipynb"], study).files


def test_a_repository_that_a_notebook_changed_starts_no_program(study: Workspace) -> None:
    mark, command = study.cwd.parent / "mark", ("ls-tree", study.environ["GITHUB_SHA"])
    settings = {"extensions.partialClone": "origin", "remote.origin.promisor": "true", "protocol.ext.allow": "always"}
    settings["remote.origin.url"] = f"ext::sh -c touch% {mark}"
    settings["core.repositoryFormatVersion"] = "1"
    for name, value in settings.items():
        git(study.cwd, "config", name, value)
    tree = git(study.cwd, "rev-parse", "HEAD^{tree}").strip()
    (study.cwd.parent / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    assert not find(["a.ipynb"], study).files
    assert not mark.exists()
    # It would have been: the same question of git itself.
    subprocess.run(["git", *command], cwd=study.cwd, check=False, capture_output=True)
    assert mark.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"GITHUB_SHA": "0" * 40},
        {"GITHUB_SHA": ""},
        {"GITHUB_SHA": "--help"},
        {"GITHUB_REPOSITORY": ""},
        {"GITHUB_ACTIONS": "", "GITLAB_CI": "true"},
        {"GITHUB_ACTIONS": "", "TF_BUILD": "True"},
        {"GITHUB_ACTIONS": ""},
    ],
)
def test_without_github_or_the_commit_nothing_is_linked(study: Workspace, changes: dict[str, str]) -> None:
    links = find(["a.ipynb"], Workspace(study.cwd, {**study.environ, **changes}))
    assert not links.files
    assert links.run == "" or changes.keys() == {"GITHUB_SHA"}


def test_a_summary_links_the_line_of_the_failure_the_run_and_what_it_created() -> None:
    links = Links(
        {"a.ipynb": "https://github.com/x/y/blob/0a/a.ipynb?plain=1"}, "https://github.com/x/y/actions/runs/1"
    )
    records = [execution(failed("a.ipynb"), failed("b.ipynb")), LOG]
    text = render(records, records, links)
    line = "(https://github.com/x/y/blob/0a/a.ipynb?plain=1#L41)"
    assert text.startswith(f"### ❌ failed: [`a.ipynb`, cell 3]{line}: ValueError: no (and 1 more failure), after ")
    assert f"\n\n**❌ [`a.ipynb`, cell 3, line 41 of the file]{line}**" in text
    assert "\n\n**❌ `b.ipynb`, cell 3, line 41 of the file**" in text
    assert "[This run and its artifacts](https://github.com/x/y/actions/runs/1) · [MLflow run `Notebooks 12`](" in text


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "ftp://mlflow.example.org",
        "https://user:secret@mlflow.example.org/#/experiments/1",
        "https://user@mlflow.example.org",
        "https://mlflow.example.org/a) [b](https://evil.example",
        "https://mlflow.example.org/<b>",
        "https://mlflow.example.org/ x",
        "https://mlflow.example.org\n",
        "//evil.example",
        "",
    ],
)
def test_other_addresses_are_not_linked(url: str) -> None:
    assert markdown.link("x", url) == "x"
    log = LogRunRecord(stage="log-run", run_id="7", run_name="n", run_url=url)
    text = render([ENVIRONMENT, log])
    assert "](" not in text
    assert "secret" not in text


@pytest.mark.parametrize("name", [HOSTILE, "`|https://evil.example", "`WWW.evil.example", "`me@evil.example", "[x](y)"])
def test_a_hostile_name_makes_no_link(name: str) -> None:
    links = Links({name: "https://github.com/x/y/blob/0a/z?plain=1"})
    records = [execution(failed(name)), LogRunRecord(stage="log-run", run_id="7", run_name="n")]
    text = outside_code(render(records, records, links))
    found = re.findall(r"(?<!\\)\]\((.*?)\)", re.sub(r"\\[\\\[\]]", "", text))
    assert set(found) == {"https://github.com/x/y/blob/0a/z?plain=1#L41"}
    assert not re.findall(r"(?i)(?<!\]\()https?://|www\.|@\w|<b>", text)
