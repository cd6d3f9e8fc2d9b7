"""One comment per pull request: found again, updated, marked as outdated, never a second one."""

import re

from integration.comment_run.pull_request import BEGIN, MERGE, PullRequest, notebooks
from servers.github_api import OF_ADA, OF_APP


def test_the_comment_of_a_pull_request_is_updated(pull_request: PullRequest) -> None:
    """Among hundreds of comments of others, one of which pretends to be ours."""
    api = pull_request.api
    for number in range(230):
        api.add("ada", f"Comment {number}")
    first = pull_request.run(1, notebooks(train="KeyError", plot="ValueError", clean="passed"), result="failure")
    assert first.code == 0, first.log
    assert "Comment created: https://github.com/acme/penguins/pull/5#issuecomment-" in first.log
    assert first.record["pull_request"] == 5
    text = pull_request.comment
    line = f"https://github.com/acme/penguins/blob/{MERGE}/train.ipynb?plain=1#L41"
    assert text.startswith(
        f"### ❌ execute-notebook failed: [`train.ipynb`, cell 7]({line}): KeyError: 'train' (and 1 more"
    )
    assert "Hint: Mend train." in text
    assert "<details><summary>More failures</summary>" in text
    assert (
        "[Notebooks, run 1](https://github.com/acme/penguins/actions/runs/1001/attempts/1) · commit `aaaaaaaaaaaa`"
        in text
    )
    assert "Since the run before" not in text

    forged = next(body for body in api.by("github-actions[bot]"))
    api.add("eve", forged.replace('"run": 1', '"run": 99'))
    api.comments.insert(0, api.comments.pop())  # the oldest one
    second = pull_request.run(2, notebooks(train="KeyError", plot="passed", clean="TypeError"), result="failure")
    assert "Comment updated" in second.log
    assert (
        "**Since the run before**: 1 fixed (`plot.ipynb`), 1 new failure (`clean.ipynb`), "
        "1 failure as before (`train.ipynb`)"
    ) in pull_request.comment

    before = pull_request.comment
    begun = pull_request.run(3, when="start")
    assert begun.outputs["url"] == first.outputs["url"] == second.outputs["url"]
    assert re.match(
        r"> ⏳ \*\*Outdated\*\*: \[Notebooks, run 3\]\(\S+/runs/1003/\S+\) is under way\.\n\n###", pull_request.comment
    )
    pull_request.run(4, when="start")
    assert pull_request.comment.count("Outdated") == 1
    assert pull_request.comment.endswith(before)
    late = pull_request.run(3, notebooks(train="passed"))
    assert (late.code, late.record["action"]) == (0, "left to a newer run")
    assert pull_request.comment.count("run 4](") == 1
    pull_request.run(4, notebooks(train="passed", plot="passed"))
    assert pull_request.comment.startswith("### ✅ execute-notebook: 2 notebooks passed in 0.0 s")
    assert "**Since the run before**: 1 fixed (`train.ipynb`), 1 did not run again" in pull_request.comment
    assert "Outdated" not in pull_request.comment
    assert pull_request.run(4, when="start").record["action"] == "unchanged"
    assert len(api.by("eve")) == 1
    assert len(api.by("ada")) == 230


def test_two_runs_at_once_leave_one_comment(pull_request: PullRequest) -> None:
    pull_request.api.delay = 1.0  # both look before one of them has written
    processes = [pull_request.start(run, notebooks(train="passed")) for run in (7, 8)]
    logs = [pull_request.end(process) for process in processes]
    assert [done.code for done in logs] == [0, 0], logs
    assert sum(asked.startswith("POST") for asked in pull_request.api.asked) == 2
    assert "run 8](" in pull_request.comment


def test_each_slug_has_its_own_comment_and_leftovers_are_deleted(pull_request: PullRequest) -> None:
    for slug in ("churn", "pricing", ""):
        pull_request.run(1, notebooks(train="passed"), slug=slug)
    bodies = pull_request.api.by("github-actions[bot]")
    assert [body.count("`churn`") for body in bodies] == [1, 0, 0]
    pull_request.api.add("github-actions[bot]", bodies[0])
    pull_request.api.add("ada", bodies[0])
    pull_request.run(2, notebooks(train="passed"), slug="churn")
    assert len(pull_request.api.by("github-actions[bot]")) == 3
    assert pull_request.api.by("ada") == [bodies[0]]


def test_a_comment_that_was_deleted_meanwhile_is_written_again(pull_request: PullRequest) -> None:
    pull_request.run(1, notebooks(train="KeyError"))
    pull_request.api.on_change = pull_request.api.comments.clear
    done = pull_request.run(2, notebooks(train="passed"))
    assert (done.code, done.record["action"]) == (0, "created")
    assert "✅" in pull_request.comment


def test_tokens_of_people_and_apps_find_their_own_comments(pull_request: PullRequest) -> None:
    for token, account in ((OF_ADA, "ada"), (OF_APP, "bot-of-acme[bot]")):
        for run in (1, 2):
            done = pull_request.run(run, notebooks(train="passed"), environ={"GITHUB_TOKEN": token})
            assert done.record["action"] == ("created", "updated")[run - 1]
        (body,) = pull_request.api.by(account)
        assert body.startswith(BEGIN)
        assert "run 2](" in body
        assert not [asked for asked in pull_request.api.asked if asked.startswith("DELETE")]
        pull_request.api.comments.clear()


def test_a_check_has_the_same_text(pull_request: PullRequest) -> None:
    done = pull_request.run(1, notebooks(train="KeyError"), as_="check", result="failure")
    assert done.outputs["url"] == "https://github.com/acme/penguins/runs/1"
    (check,) = pull_request.api.checks
    assert (check["name"], check["head_sha"], check["conclusion"]) == ("Notebooks", "a" * 40, "failure")
    assert check["output"]["title"] == "1 failure"
    assert check["output"]["summary"].startswith("### ❌ execute-notebook failed")
    pushed = {"GITHUB_EVENT_NAME": "push"}
    push: dict[str, str] = {"ref": "refs/heads/main"}
    record = notebooks(train="passed")
    pull_request.run(2, record, payload=push, environ=pushed, as_="check", result="failure")
    check = pull_request.api.checks[-1]
    assert (check["head_sha"], check["conclusion"]) == (MERGE, "failure"), "the job failed"
