"""The harness itself: what it says of a run is what happened, and nothing comes in from outside."""

from pathlib import Path

import pytest

from harness import Annotation, Consumer, Suite, UnmappedActionError, commands
from harness_tests.jobs import one_job, run_step


class TestStaging:
    def test_takes_what_is_not_committed_leaves_out_what_is_ignored_and_keeps_modes(self, suite: Suite) -> None:
        staged = suite.repositories["notebook-ci/notebook-ci@v1"]
        assert (staged / "actions/tiny/action.yml").is_file()
        assert not (staged / "ignored.txt").exists()
        assert (staged / "script.sh").stat().st_mode & 0o111

    def test_references_of_the_suite_to_itself_become_ones_that_act_knows(self, suite: Suite) -> None:
        workflow = suite.repositories["notebook-ci/notebook-ci@v1"] / ".github/workflows/reusable.yml"
        assert "uses: notebook-ci/notebook-ci/actions/tiny@v1" in workflow.read_text(encoding="utf-8")
        assert "$/" not in workflow.read_text(encoding="utf-8")


class TestResults:
    def test_a_run_without_fault(self, consumer: Consumer) -> None:
        consumer.workflow(
            one_job(
                "{id: tiny, uses: notebook-ci/notebook-ci/actions/tiny@v1, with: {word: 'a=b, \"c\" %0A'}}",
                run_step('echo "heard ${{ steps.tiny.outputs.word }}"', "name: Echo"),
            )
        )
        result = consumer.run()
        job = result.job("test")
        assert (result.exit_code, job.result, result.orphans) == (0, "success", [])
        tiny = job.step("tiny")
        assert (tiny.outcome, tiny.conclusion) == ("success", "success")
        assert tiny.outputs == {"word": 'a=b, "c" %0A', "nothing": ""}
        assert tiny.leaked_outputs == {"leaked": "1"}
        assert job.step("tiny", "say").outputs == {"word": 'a=b, "c" %0A', "undeclared": "1"}
        assert job.step("tiny", "never").outcome == "skipped"
        assert tiny.summary == job.summary == '# a=b, "c" %0A\nthe end\n'
        assert "heard a=b" in job.step("Echo").log
        assert "heard" not in tiny.log

    def test_a_failing_step_fails_the_job_and_what_comes_after_is_skipped(self, consumer: Consumer) -> None:
        consumer.workflow(
            one_job(
                run_step("exit 3", "id: soft\ncontinue-on-error: true"),
                run_step("exit 4", "id: hard"),
                run_step("echo no", "id: after"),
                run_step("echo yes", "id: always\nif: always()"),
            )
            + "  later:\n    needs: test\n    runs-on: ubuntu-latest\n    steps: [run: echo]\n"
        )
        result = consumer.run()
        job = result.job("test")
        assert result.exit_code != 0
        assert job.result == "failure"
        assert [(step.id, step.outcome, step.conclusion) for step in job.steps] == [
            ("soft", "failure", "success"),
            ("hard", "failure", "failure"),
            ("after", "skipped", "skipped"),
            ("always", "success", "success"),
        ]
        assert result.job("later").result == "skipped"

    def test_a_job_that_is_skipped_has_not_succeeded_though_act_exits_with_0(self, consumer: Consumer) -> None:
        consumer.workflow("""
            on: push
            jobs:
              test:
                if: ${{ false }}
                runs-on: ubuntu-latest
                steps: [run: echo]
        """)
        result = consumer.run()
        assert result.exit_code == 0
        assert result.job("test").result == "skipped"

    def test_a_job_that_never_ran_is_missing(self, consumer: Consumer) -> None:
        consumer.workflow("""
            on: push
            jobs:
              test:
                runs-on: windows-latest
                steps: [run: echo]
        """)
        result = consumer.run()
        assert result.job("test").result == "missing"
        assert result.job("no-such-job").result == "missing"

    def test_a_workflow_that_act_refuses_has_no_jobs_and_a_reason(self, consumer: Consumer) -> None:
        consumer.workflow("on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    stepz: []\n")
        result = consumer.run()
        assert result.exit_code != 0
        assert result.job("test").result == "missing"
        assert "stepz" in result.messages

    def test_legs_of_a_matrix_have_their_own_results(self, consumer: Consumer) -> None:
        consumer.workflow("""
            on: push
            jobs:
              test:
                strategy:
                  fail-fast: false
                  max-parallel: 1
                  matrix: {word: [good, bad, fine], number: [1]}
                runs-on: ubuntu-latest
                steps:
                  - id: tell
                    env: {WORD: "${{ matrix.word }}"}
                    run: echo "word=$WORD" >> "$GITHUB_OUTPUT"; test "$WORD" != bad
        """)
        result = consumer.run()
        assert len(result.legs("test")) == 3
        results = {word: result.job("test", word=word).result for word in ("good", "bad", "fine", "other")}
        assert results == {"good": "success", "bad": "failure", "fine": "success", "other": "missing"}
        assert result.job("test", word="bad", number=1).step("tell").outputs == {"word": "bad"}
        with pytest.raises(LookupError, match="3 jobs fit"):
            result.job("test")

    def test_nothing_of_what_a_failing_step_prints_is_lost(self, consumer: Consumer) -> None:
        consumer.workflow(one_job(run_step("seq 1 20000; exit 1", "id: long")))
        result = consumer.run()
        assert result.job("test").step("long").outcome == "failure"
        assert result.log == "\n".join(map(str, range(1, 20001)))

    def test_steps_have_no_terminal_but_can_make_one(self, consumer: Consumer) -> None:
        script = """
            test ! -t 0 && test ! -t 1 && test ! -t 2
            python3 -c "import os, pty; os.ttyname(pty.openpty()[1])"
        """
        consumer.workflow(one_job(run_step(script)))
        result = consumer.run()
        assert result.job("test").result == "success", result

    def test_jobs_of_called_workflows_are_found_by_their_caller(self, consumer: Consumer) -> None:
        consumer.workflow("""
            on: push
            jobs:
              first: {uses: notebook-ci/notebook-ci/.github/workflows/reusable.yml@v1}
              second: {uses: notebook-ci/notebook-ci/.github/workflows/reusable.yml@v1}
        """)
        result = consumer.run()
        assert result.job("first/inner").step("tiny").outputs["word"] == "called"
        assert result.job("second/inner").result == "success"
        assert result.job("third/inner").result == "missing"
        assert len(result.legs("inner")) == 2

    def test_a_step_that_is_asked_for_and_is_not_there_is_an_error(self, consumer: Consumer) -> None:
        consumer.workflow(one_job(run_step("echo", "id: one")))
        with pytest.raises(LookupError, match=r"'two'.*'one'"):
            consumer.run().job("test").step("two")


class TestCommands:
    def test_annotations_masks_and_stopped_commands(self, consumer: Consumer) -> None:
        consumer.workflow(
            one_job(
                run_step(
                    """
                    echo '::error file=a b.ipynb,line=12,title=Cell 3%3A x%2Cy::first%0Asecond 100%25 a::b'
                    echo '  ::warning file= nb.ipynb ,line= 12::spaces'
                    echo '::notice::a::b'
                    echo '##[error]old form'
                    echo '::stop-commands::token'
                    echo '::error::not obeyed'
                    echo '::token::'
                    echo '::add-mask::pass%25word'
                    echo '::error::the pass%25word and the s3cret'
                    echo 'the pass%word and the s3cret'
                    """,
                    "id: say",
                )
            )
        )
        result = consumer.run(secrets={"TOKEN": "s3cret"})
        first, *others = result.job("test").step("say").annotations
        assert first == Annotation(
            level="error",
            message="first\nsecond 100% a::b",
            file="a b.ipynb",
            line=12,
            title="Cell 3: x,y",
            properties={"file": "a b.ipynb", "line": "12", "title": "Cell 3: x,y"},
        )
        assert [(note.level, note.message, note.file, note.line) for note in others] == [
            ("warning", "spaces", " nb.ipynb ", None),
            ("notice", "a::b", "", None),
            ("error", "old form", "", None),
            ("error", "the *** and the ***", "", None),
        ]
        assert result.masked == {"pass%word", "s3cret"}
        assert "the *** and the ***" in result.log
        assert "s3cret" not in result.log
        assert "not obeyed" in result.log

    @pytest.mark.parametrize("line", ["", "text", "::", "::error", ":: ::", "error::x"])
    def test_what_is_no_command(self, line: str) -> None:
        assert commands.parse(line) is None


class TestHermetic:
    def test_nothing_of_the_developers_environment_reaches_a_step(
        self, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CANARY", "leaked")
        consumer.write(".env", "FROM_DOTENV=leaked\n")
        consumer.write(".secrets", "FROM_SECRETS=leaked\n")
        consumer.write(".actrc", "--env FROM_ACTRC=leaked\n")
        consumer.workflow(
            one_job(
                run_step(
                    """
                    printenv
                    echo "secret:${{ secrets.FROM_SECRETS }}."
                    printenv FROM_TEST
                    test "$HOME" != "$REAL_HOME"
                    test -z "$GOMAXPROCS"
                    command -v python3
                    ! command -v docker
                    """
                )
            )
        )
        result = consumer.run(env={"FROM_TEST": "two\nlines", "REAL_HOME": str(Path.home())})
        assert result.job("test").result == "success", result
        assert "leaked" not in result.log
        assert "secret:." in result.log
        assert "FROM_TEST=two\nlines" in result.log

    def test_an_action_without_stand_in_ends_the_run_with_an_error(self, consumer: Consumer) -> None:
        consumer.workflow(one_job("uses: actions/checkout@v7", run_step("echo")))
        with pytest.raises(UnmappedActionError, match="actions/checkout with Ref v7"):
            consumer.run()

    def test_the_event_is_what_the_test_says(self, consumer: Consumer) -> None:
        consumer.workflow("""
            on: pull_request
            jobs:
              test:
                runs-on: ubuntu-latest
                steps:
                  - run: echo "$GITHUB_EVENT_NAME $GITHUB_REF $GITHUB_REPOSITORY ${{ github.event.pull_request.title }}"
        """)
        result = consumer.run("pull_request", payload={"number": 7, "pull_request": {"title": "Penguins"}})
        assert "pull_request refs/pull/7/merge acme/penguins Penguins" in result.log
