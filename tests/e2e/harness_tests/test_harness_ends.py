"""However a run ends, the harness says so, and nothing of it is left."""

import signal
import time
from pathlib import Path

import pytest

from harness import Consumer, RunTimeoutError, processes, uses
from harness_tests.jobs import one_job, run_step


class TestEnds:
    def test_the_time_out_ends_every_process_of_the_run(self, consumer: Consumer) -> None:
        consumer.workflow(one_job(run_step("env -i sleep 301 & (cd / && setsid sleep 302) & echo started; sleep 303")))
        with consumer.start() as run:
            run.wait_for("started")
            with pytest.raises(RunTimeoutError, match="started"):
                run.finish(timeout=0.1)
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
            result = run.finish()
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
            result = run.finish()
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
            result = run.finish()
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
            result = run.finish()
        assert result.job("test").result == "failure"
        assert "got interrupted" not in result.log


def running(command_lines: tuple[str, ...]) -> list[str]:
    """Those of the command lines that a process of this machine has now."""
    everything = (processes.command_line(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [line for line in everything if line in command_lines]
