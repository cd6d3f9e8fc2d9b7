"""Runs real workflows against the suite on this machine, with act in host mode, and reports exactly what happened.

    def test_a_failing_notebook_fails_the_job(consumer: Consumer) -> None:
        consumer.write("analysis.ipynb", notebook)
        consumer.workflow(\"\"\"
            on: push
            jobs:
              test:
                runs-on: ubuntu-latest
                steps:
                  - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1
                  - id: run
                    uses: notebook-ci/notebook-ci/actions/execute-notebook@v1
        \"\"\")
        result = consumer.run()
        job = result.job("test")
        assert job.result == "failure"
        assert job.step("run").outputs["status"] == "failed"
        assert job.annotations[0].file == "analysis.ipynb"

What act does otherwise than GitHub, and is put right here: a step's outputs are the declared ones only; a summary is
counted once; each leg of a matrix has its own result; commands are read by the rules of GitHub's runner; a cancelled
step gets the signals GitHub's runner sends. What cannot be put right: `permissions`, `concurrency`, `environment`,
event filters and a job's `timeout-minutes` have no effect, `services` do not start, and expressions in the workflow
still see act's idea of `steps.x.outputs` (undeclared ones too) and of `needs.x.result` (never "cancelled"). A step
that leaves a process behind that holds its output open does not end; on GitHub it does after some seconds.
"""

from harness.consumer import Consumer
from harness.machine import Machine
from harness.result import Annotation, Job, Result, Step
from harness.run import HarnessError, Run, RunTimeoutError, UnmappedActionError
from harness.suite import PINNED, Suite, uses

__all__ = [
    "PINNED",
    "Annotation",
    "Consumer",
    "HarnessError",
    "Job",
    "Machine",
    "Result",
    "Run",
    "RunTimeoutError",
    "Step",
    "Suite",
    "UnmappedActionError",
    "uses",
]
