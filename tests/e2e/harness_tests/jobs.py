"""Workflows of one job."""


def one_job(*steps: str, before: str = "") -> str:
    """A workflow with the job `test` of these steps, each a flow mapping or lines of YAML."""
    text = "".join("\n      - " + step.strip().replace("\n", "\n        ") for step in steps)
    return f"on: push\njobs:\n{before}  test:\n    runs-on: ubuntu-latest\n    steps:{text}\n"


def run_step(script: str, more: str = "") -> str:
    lines = script.strip().replace("\n", "\n    ")
    return f"{more}\nrun: |\n    {lines}".strip()
