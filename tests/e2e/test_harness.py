"""The harness itself: what it tells of a run must be what happened, above all when things go wrong."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness import (
    Annotation,
    Consumer,
    Machine,
    RunTimeoutError,
    Suite,
    UnmappedActionError,
    commands,
    processes,
    uses,
)

ACTION = """
    name: Tiny
    description: An action to try the harness on.
    inputs:
      word: {description: A word.}
    outputs:
      word: {description: The word., value: "${{ steps.say.outputs.word }}"}
      nothing: {description: Never set., value: "${{ steps.say.outputs.nothing }}"}
    runs:
      using: composite
      steps:
        - id: say
          shell: bash
          env: {WORD: "${{ inputs.word }}"}
          run: |
            { echo 'word<<END'; echo "$WORD"; echo END; echo undeclared=1; } >> "$GITHUB_OUTPUT"
            echo "# $WORD" >> "$GITHUB_STEP_SUMMARY"
        - id: never
          if: ${{ false }}
          shell: bash
          run: echo never
        - id: last
          shell: bash
          run: |
            echo leaked=1 >> "$GITHUB_OUTPUT"
            echo "the end" >> "$GITHUB_STEP_SUMMARY"
"""

REUSABLE = """
    name: reusable
    on:
      workflow_call:
    jobs:
      inner:
        runs-on: ubuntu-latest
        steps:
          - id: tiny
            uses: $/actions/tiny
            with: {word: called}
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """A suite of one tiny action, in the place of the real one."""
    checkout = tmp_path_factory.mktemp("tiny")
    for name, content in {
        "actions/tiny/action.yml": ACTION,
        ".github/workflows/reusable.yml": REUSABLE,
        ".gitignore": "ignored.txt",
        "ignored.txt": "",
        "script.sh": "",
    }.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(content, encoding="utf-8")
    (checkout / "script.sh").chmod(0o755)
    subprocess.run(["git", "-C", str(checkout), "init", "--quiet"], check=True)
    return Suite.stage(checkout, checkout.parent / "staged-tiny")


def one_job(*steps: str, before: str = "") -> str:
    """A workflow with the job `test` of these steps, each a flow mapping or lines of YAML."""
    text = "".join("\n      - " + step.strip().replace("\n", "\n        ") for step in steps)
    return f"on: push\njobs:\n{before}  test:\n    runs-on: ubuntu-latest\n    steps:{text}\n"


def run_step(script: str, more: str = "") -> str:
    lines = script.strip().replace("\n", "\n    ")
    return f"{more}\nrun: |\n    {lines}".strip()


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


class TestEnds:
    def test_the_time_out_ends_every_process_of_the_run(self, consumer: Consumer) -> None:
        consumer.workflow(one_job(run_step("env -i sleep 301 & (cd / && setsid sleep 302) & echo started; sleep 303")))
        with pytest.raises(RunTimeoutError, match="started"):
            consumer.run(timeout=2)
        assert not running(("sleep 301", "sleep 302", "sleep 303"))

    def test_waiting_for_what_never_comes_ends_with_the_run(self, consumer: Consumer) -> None:
        consumer.workflow(one_job(run_step("echo started")))
        started = time.monotonic()
        with consumer.start() as run, pytest.raises(RunTimeoutError, match="finished"):
            run.wait_for("finished", timeout=60)
        assert time.monotonic() - started < 30

    def test_processes_left_behind_are_told_and_ended(self, consumer: Consumer) -> None:
        consumer.workflow(one_job(run_step("sleep 304 > /dev/null 2>&1 &")))
        result = consumer.run()
        assert result.job("test").result == "success"
        assert result.orphans == ["sleep 304"]
        assert not running(("sleep 304",))

    def test_a_cancelled_step_gets_the_runners_signals_and_the_job_goes_on_as_cancelled(
        self, consumer: Consumer
    ) -> None:
        script = """
            trap 'echo got interrupted; echo why=interrupt >> "$GITHUB_OUTPUT"; exit 130' INT
            echo started
            while true; do sleep 0.1; done
        """
        consumer.workflow(
            one_job(
                run_step(script, "id: slow"),
                run_step("echo no", "id: after"),
                run_step("echo no", "id: on-failure\nif: failure()"),
                run_step("echo yes", "id: on-cancel\nif: cancelled()"),
                run_step("echo yes", "id: always\nif: always()"),
            )
        )
        with consumer.start() as run:
            run.wait_for("started")
            run.cancel()
            result = run.finish(timeout=20)
        job = result.job("test")
        assert job.result == "cancelled"
        assert "got interrupted" in job.log
        assert {step.id: step.outcome for step in job.steps} == {
            "slow": "failure",
            "after": "skipped",
            "on-failure": "skipped",
            "on-cancel": "success",
            "always": "success",
        }
        assert result.orphans == []

    def test_a_cancelled_step_that_does_not_end_is_killed(
        self, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("harness.run.AFTER_INTERRUPT", 0.4)
        monkeypatch.setattr("harness.run.AFTER_TERMINATE", 0.4)
        script = """
            trap 'echo not yet' INT
            trap 'echo not now' TERM
            echo started
            while true; do sleep 0.1; done
        """
        consumer.workflow(one_job(run_step(script), run_step("echo yes", "id: always\nif: always()")))
        with consumer.start() as run:
            run.wait_for("started")
            run.cancel()
            result = run.finish(timeout=20)
        assert result.job("test").result == "cancelled"
        assert "not yet" in result.log
        assert "not now" in result.log
        assert result.job("test").step("always").outcome == "success"

    def test_a_cancelled_action_still_does_what_it_always_does(self, consumer: Consumer) -> None:
        consumer.write(
            "local/action.yml",
            """
            name: Local
            description: Is cancelled in its first step, after printing more than a pipe holds.
            runs:
              using: composite
              steps:
                - id: slow
                  shell: bash
                  run: |
                    trap 'head -c 300000 /dev/zero | tr "\\0" x | fold; echo; exit 130' INT
                    echo started
                    while true; do sleep 0.1; done
                - id: failed
                  if: failure()
                  shell: bash
                  run: echo no
                - id: save
                  if: always()
                  shell: bash
                  run: echo "status ${{ job.status }}"
            """,
        )
        checkout = f"{{uses: {uses('actions/checkout')}}}"
        consumer.workflow(one_job(checkout, "{id: action, if: always(), uses: ./local}"))
        with consumer.start() as run:
            run.wait_for("started")
            run.cancel()
            result = run.finish(timeout=20)
        job = result.job("test")
        assert job.result == "cancelled"
        assert job.log.count("x") == 300000
        outcomes = {step.id: step.outcome for step in job.step("action").steps}
        assert outcomes == {"slow": "failure", "failed": "skipped", "save": "success"}
        assert "status cancelled" in job.log

    def test_acts_own_way_to_cancel_kills_at_once(self, consumer: Consumer) -> None:
        script = "trap 'echo got interrupted' INT TERM; echo started; while true; do sleep 0.1; done"
        consumer.workflow(one_job(run_step(script)))
        with consumer.start() as run:
            run.wait_for("started")
            run.signal(signal.SIGINT)
            result = run.finish(timeout=20)
        assert result.job("test").result == "failure"
        assert "got interrupted" not in result.log


class TestCheckout:
    def test_what_is_committed_arrives_with_as_much_history_as_asked_for(self, consumer: Consumer) -> None:
        consumer.write(".gitignore", "*.log\n")
        consumer.write("kept.log", "tracked though ignored")
        consumer.git("add", "--force", "kept.log")
        consumer.commit("First")
        consumer.write("lost.log", "ignored")
        consumer.write("notebook.ipynb", "{}")
        history = run_step(
            """
            git -C "$FOLDER" rev-list --count HEAD
            git -C "$FOLDER" status --short --branch
            git -C "$FOLDER" remote get-url origin
            ls -A1 "$FOLDER"
            """,
            "env: {FOLDER: FOLDER-NAME}",
        )
        consumer.workflow(
            one_job(
                f"{{id: checkout, uses: {uses('actions/checkout')}}}",
                "id: shallow\n" + history.replace("FOLDER-NAME", "."),
                f"{{uses: {uses('actions/checkout')}, with: {{path: deep, fetch-depth: 0}}}}",
                "id: deep\n" + history.replace("FOLDER-NAME", "deep"),
            )
        )
        result = consumer.run()
        job = result.job("test")
        assert job.result == "success", result
        files = [".git", ".github", ".gitignore", "kept.log", "notebook.ipynb"]
        origin = "https://github.com/acme/penguins"
        assert job.step("shallow").log.split("\n") == ["1", "## main...origin/main", origin, *files]
        assert job.step("deep").log.split("\n") == ["2", "## main...origin/main", origin, *files]
        assert job.step("checkout").outputs["commit"] == consumer.git("rev-parse", "HEAD").strip()

    def test_another_repository_is_refused(self, consumer: Consumer) -> None:
        consumer.workflow(one_job(f"{{uses: {uses('actions/checkout')}, with: {{repository: other/one}}}}"))
        result = consumer.run()
        assert result.job("test").result == "failure"
        assert "other/one" in result.annotations[0].message


class TestCache:
    @staticmethod
    def restore(key: str, more: str = "") -> str:
        return f"{{id: restore, uses: {uses('actions/cache/restore')}, with: {{path: data, key: {key}{more}}}}}"

    @staticmethod
    def save(key: str, content: str = "") -> tuple[str, str]:
        step = f"{{id: save, uses: {uses('actions/cache/save')}, with: {{path: data, key: {key}}}}}"
        return run_step(f"mkdir -p data && echo {content} > data/file"), step

    def test_miss_then_hit_then_prefix(self, consumer: Consumer) -> None:
        consumer.workflow(one_job(self.restore("data-1"), *self.save("data-1", "one")))
        result = consumer.run()
        assert result.job("test").step("restore").outputs == {"cache-primary-key": "data-1"}
        assert [entry.key for entry in result.cache] == ["data-1"]

        show = run_step("cat data/file", "id: show")
        consumer.workflow(one_job(self.restore("data-1"), show))
        job = consumer.run().job("test")
        assert job.step("restore").outputs == {
            "cache-primary-key": "data-1",
            "cache-matched-key": "data-1",
            "cache-hit": "true",
        }
        assert job.step("show").log == "one"

        consumer.workflow(one_job(*self.save("data-2", "two")))
        consumer.run()
        consumer.workflow(one_job(self.restore("data-3", ', restore-keys: "other-\\ndata-"'), show))
        job = consumer.run().job("test")
        assert job.step("restore").outputs == {
            "cache-primary-key": "data-3",
            "cache-matched-key": "data-2",  # the newest
            "cache-hit": "false",
        }
        assert job.step("show").log == "two"

    def test_an_entry_never_changes(self, consumer: Consumer) -> None:
        again = [step.replace("id: save", "id: again") for step in self.save("key", "two")]
        consumer.workflow(one_job(*self.save("key", "one"), *again))
        result = consumer.run()
        assert result.job("test").result == "success"
        assert [note.message for note in result.annotations] == ["Cache save failed."]
        (entry,) = result.cache
        assert (entry.files / "GITHUB_WORKSPACE/data/file").read_text(encoding="utf-8") == "one\n"

    def test_other_paths_are_another_cache(self, consumer: Consumer) -> None:
        consumer.workflow(one_job(*self.save("key", "one"), self.restore("key").replace("path: data", "path: data/x")))
        assert "cache-hit" not in consumer.run().job("test").step("restore").outputs

    def test_a_look_up_restores_nothing_and_a_miss_can_be_a_failure(self, consumer: Consumer) -> None:
        consumer.workflow(
            one_job(
                *self.save("key", "one"),
                run_step("rm -r data"),
                self.restore("key", ", lookup-only: true"),
                run_step("test ! -e data"),
                self.restore("none", ", fail-on-cache-miss: true").replace("id: restore", "id: missed"),
            )
        )
        job = consumer.run().job("test")
        assert job.step("restore").outputs["cache-hit"] == "true"
        assert [step.outcome for step in job.steps] == ["success"] * 5 + ["failure"]
        assert "fail-on-cache-miss" in job.annotations[0].message

    def test_folders_outside_the_workspace_come_back_in_the_next_run(self, consumer: Consumer) -> None:
        step = f"{{id: cache, uses: {uses('actions/cache')}, with: {{path: '${{{{ runner.temp }}}}/env', key: e}}}}"
        make = run_step(
            'mkdir -p "$RUNNER_TEMP/env" && ln -sf target "$RUNNER_TEMP/env/link"',
            "if: steps.cache.outputs.cache-hit != 'true'",
        )
        consumer.workflow(one_job(step, make, run_step('readlink "$RUNNER_TEMP/env/link"', "id: show")))
        assert consumer.run().job("test").step("cache").outputs == {}
        job = consumer.run().job("test")
        assert job.step("cache").outputs == {"cache-hit": "true"}
        assert job.step("show").log == "target"
        assert "Cache hit occurred on the primary key e, not saving cache." in job.log


class TestArtifacts:
    def test_legs_upload_and_a_later_job_merges(self, consumer: Consumer) -> None:
        upload, download = uses("actions/upload-artifact"), uses("actions/download-artifact")
        consumer.workflow(f"""
            on: push
            jobs:
              make:
                strategy: {{matrix: {{leg: [a, b]}}}}
                runs-on: ubuntu-latest
                steps:
                  - run: |
                      mkdir -p out/deep out/.hidden
                      touch "out/deep/${{{{ matrix.leg }}}}.txt" out/.hidden/x out/not.log
                  - id: upload
                    uses: {upload}
                    with:
                      name: leg-${{{{ matrix.leg }}}}
                      path: |
                        out/**
                        !out/*.log
              collect:
                needs: make
                runs-on: ubuntu-latest
                steps:
                  - {{uses: {download}, with: {{pattern: "leg-*", path: merged, merge-multiple: true}}}}
                  - {{uses: {download}, with: {{pattern: "leg-*", path: apart}}}}
                  - {{uses: {download}, with: {{pattern: "*-b", path: only}}}}
                  - {{uses: {download}, with: {{name: leg-a, path: named}}}}
                  - {{id: show, run: find . -type f | sort}}
                  - {{id: none, uses: {download}, with: {{name: leg-c}}}}
        """)
        result = consumer.run()
        assert result.job("make", leg="a").step("upload").outputs.keys() == {
            "artifact-id",
            "artifact-url",
            "artifact-digest",
        }
        assert (result.artifact("leg-a") / "deep/a.txt").is_file()
        collect = result.job("collect")
        assert collect.step("show").log.split() == [
            "./apart/leg-a/deep/a.txt",
            "./apart/leg-b/deep/b.txt",
            "./merged/deep/a.txt",
            "./merged/deep/b.txt",
            "./named/deep/a.txt",
            "./only/deep/b.txt",
        ]
        assert collect.step("none").outcome == "failure"
        with pytest.raises(LookupError, match="leg-a"):
            result.artifact("leg-c")

    def test_names_are_used_once_hidden_files_on_request_and_nothing_found_as_wished(self, consumer: Consumer) -> None:
        def upload(identifier: str, more: str) -> str:
            action = uses("actions/upload-artifact")
            return f"{{id: {identifier}, continue-on-error: true, uses: {action}, with: {{{more}}}}}"

        consumer.workflow(
            one_job(
                run_step("mkdir -p out && echo 1 > out/a && echo 2 > out/.b && echo 3 > out/c"),
                upload("single", "path: out/a"),
                upload("again", "path: out/c"),
                upload("over", "path: out/c, overwrite: true"),
                upload("hidden", "name: hidden, path: out, include-hidden-files: true"),
                upload("warned", "name: w, path: none"),
                upload("ignored", "name: i, path: none, if-no-files-found: ignore"),
                upload("error", "name: e, path: none, if-no-files-found: error"),
                upload("badly-named", "name: 'a/b', path: out"),
            )
        )
        result = consumer.run()
        failed = {step.id for step in result.job("test").steps if step.outcome == "failure"}
        assert failed == {"again", "error", "badly-named"}
        assert [file.name for file in result.artifact("artifact").iterdir()] == ["c"]
        assert sorted(file.name for file in result.artifact("hidden").iterdir()) == [".b", "a", "c"]
        assert [note.level for note in result.job("test").step("warned").annotations] == ["warning"]
        assert result.job("test").step("ignored").annotations == []
        assert sorted(path.name for path in result.artifacts.iterdir()) == ["artifact", "hidden"]


class TestSetupPython:
    def test_the_job_gets_a_python_of_its_own_with_pip(self, consumer: Consumer, machine: Machine) -> None:
        version = max(machine.pythons, key=lambda text: [int(part) for part in text.split(".")])
        minor = version.rpartition(".")[0]
        consumer.workflow(
            one_job(
                f"{{id: python, uses: {uses('actions/setup-python')}, with: {{python-version: '{minor}'}}}}",
                run_step(
                    """
                    command -v python; echo "$pythonLocation/bin/python"
                    python --version
                    pip --version
                    python -c "import sys; assert sys.prefix != sys.base_prefix"
                    """,
                    "id: show",
                ),
                f"{{id: none, uses: {uses('actions/setup-python')}, with: {{python-version: '2.6'}}}}",
            )
        )
        result = consumer.run()
        job = result.job("test")
        first, second, told, pip = job.step("show").log.split("\n")
        assert first == second == job.step("python").outputs["python-path"]
        assert told == f"Python {version}"
        assert first.removesuffix("/bin/python") in pip
        assert job.step("python").outputs["python-version"] == version
        assert job.step("none").outcome == "failure"


def running(command_lines: tuple[str, ...]) -> list[str]:
    """Those of the command lines that a process of this machine has now."""
    everything = (processes.command_line(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [line for line in everything if line in command_lines]
