"""The suite of the harness's own tests: one tiny action."""

import subprocess

import pytest

from harness import Suite

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
