"""Stored outputs compared with those of a run, with real kernels."""

import json
from pathlib import Path
from typing import Any

import pytest

from integration.suite import Cell, Done, Workspace, code, line_of, markdown, notebook

PRICE = (
    '<table class="dataframe"><thead><tr><th></th><th>price</th></tr></thead>'
    "<tbody><tr><th>3</th><td>10.5</td></tr></tbody></table>"
)
TABLE = f"display({{'text/html': {PRICE!r}.replace('10.5', '11.2'), 'text/plain': 'table'}}, raw=True)"
IN_PLACE = "h = display('old', display_id=True)\nh.update('new')\nprint(' 1 %\\r 2 %')"


def stored(source: str, *outputs: dict[str, Any], tags: tuple[str, ...] = ()) -> Cell:
    return code(source, *tags) | {"execution_count": 1, "outputs": list(outputs)}


def out(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def shown(text: str, **data: str) -> dict[str, Any]:
    found = {f"text/{name}": value for name, value in data.items()}
    return {"output_type": "display_data", "metadata": {}, "data": {**found, "text/plain": text}}


DIVISION = {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "division by zero", "traceback": []}
NOTEBOOKS = {
    "equal": notebook(
        stored(
            "import os, sys\nprint(0.1 + 0.2)\nprint('low', file=sys.stderr)\nobject()",
            out("0.3\n"),
            out("low\n", "stderr"),
            shown("<object at 0x7f0000000000>"),
        ),
        markdown("text"),
        stored("print({'b', 'a', 'c'})", out("{'a', 'b', 'c'}\n")),
        stored("print('price: 4.7 on 2026-11-30')", out("price: 4.5 on 2024-01-05\n")),
        stored(IN_PLACE, shown("'new'"), out(" 2 %\n")),
        stored("print(os.getpid())", out("1\n"), tags=("compare-ignore",)),
        stored("1 / 0", DIVISION, tags=("raises-exception",)),
    ),
    "changed": notebook(
        stored("print('a')", out("a\n")),
        stored(TABLE, shown("table", html=PRICE)),
        stored("import warnings\nwarnings.warn('late')\nx = 1"),
        stored("x = 2", shown("2")),
    ),
    "strict": notebook(stored("print(0.1 + 0.2)", out("0.3\n"))),
    "stripped": notebook("print('a')"),
    "ended": notebook(stored("exit()", tags=("compare-ignore",)), stored("print('a')", out("a\n"))),
    "cut": notebook(stored("print('a' * 100_000)", out("[notebook-ci: 0.050 MB of output left out here]\n"))),
    "random": notebook(stored("import uuid\nprint(uuid.uuid4())", out("b1946ac9-2492-4d23-a7d0-5c2c0b1f7f5a\n"))),
    "fails": notebook(stored("1 / 0", out("a\n"))),
    "off": notebook("print('a')"),
    "gated": notebook("print('a')"),
    "warned": notebook(stored("print('a')", out("b\n"))),
}
TOML = """
[execute-notebook]
compare = "numbers"
compare-hide = ["dates"]
tolerances = {price = 0.05}
max-output = "60 kB"
retries = 1
[[execute-notebook.for]]
notebooks = "strict.ipynb"
compare = "strict"
[[execute-notebook.for]]
notebooks = "off.ipynb"
compare = "off"
[[execute-notebook.for]]
notebooks = "warned.ipynb"
compare = "warn"
[execute-notebook.needs]
"gated.ipynb" = ["changed.ipynb"]
"equal.ipynb" = ["warned.ipynb"]
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("compare"))


@pytest.fixture(scope="module")
def ran(workspace: Workspace, kernel: Path) -> tuple[Path, Done]:
    for name, content in NOTEBOOKS.items():
        workspace.write(f"{name}.ipynb", content)
    workspace.write("notebook-ci.toml", TOML)
    return workspace.folder, workspace.run("execute-notebook", {"python": str(kernel), "update": "true"})


def failures(done: Done, name: str) -> list[tuple[str, str]]:
    result = done.notebooks[f"{name}.ipynb"]
    found = [each for each in (result["failure"], *result["other_failures"]) if each]
    return [(each["kind"], each["message"]) for each in found]


def test_equal_outputs_pass(ran: tuple[Path, Done]) -> None:
    _, done = ran
    result = done.notebooks["equal.ipynb"]
    assert (result["status"], failures(done, "equal")) == ("passed", []), done.log
    assert result["comparison"]["cells"] == {"ignored": 1, "within-tolerance": 2, "same": 3}
    assert (done.notebooks["off.ipynb"]["status"], done.notebooks["off.ipynb"]["comparison"]) == ("passed", None)


def test_other_outputs_fail_on_the_lines_of_the_stored_ones(ran: tuple[Path, Done]) -> None:
    folder, done = ran
    assert (done.code, done.outputs["status"], done.outputs["failed"]) == (1, "failed", "7")
    path = folder / "changed.ipynb"
    changed, new, gone = [each for each in done.annotations() if each.place[0] == "changed.ipynb"]
    assert changed.properties["title"] == "Output changed in cell 2"
    assert changed.message.startswith("output 1: column `price`, row `3`: `10.5` became `11.2` If the new")
    assert "commit the copy `execute-notebook/updated/changed.ipynb` of the run" in changed.message
    assert changed.place[1] == line_of(path, '"output_type": "display_data"') - 1
    assert new.message.startswith("`stderr` is new: `cell.py:2: UserWarning: late")
    assert new.place[1] == line_of(path, "import warnings")
    assert gone.message == "output 1 is gone: `2`"
    assert gone.place[1] == line_of(path, '"output_type": "display_data"', 2) - 1
    assert done.notebooks["changed.ipynb"]["comparison"]["cells"] == {"same": 1, "changed": 1, "new": 1, "gone": 1}
    assert done.printed("changed.ipynb").startswith("a\n"), "the executed notebook is kept"
    assert "column `price`, row `3`" in done.summary
    cases = (Path(done.outputs["record"]).parent / "execute-notebook" / "junit.xml").read_text()
    assert "Output changed in cell 2: output 1: column `price`, row `3`: `10.5` became `11.2`" in cases


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("strict", "changed-output", "`stdout`: `0.3` became `0.30000000000000004`"),
        ("stripped", "not-compared", "The notebook has no stored outputs to compare with."),
        ("ended", "changed-output", "`stdout` is gone: `a`"),
        ("cut", "not-compared", "Outputs were left out: more than `max-output`."),
        ("random", "changed-output", "`stdout`: `b1946ac9-"),
        ("fails", "cell-error", "division by zero"),
    ],
)
def test_what_fails_a_notebook(ran: tuple[Path, Done], name: str, kind: str, said: str) -> None:
    _, done = ran
    [(found, message)] = failures(done, name)
    assert found == kind
    assert message.startswith(said)
    repeated = done.notebooks[f"{name}.ipynb"]["earlier_failures"]
    assert bool(repeated) is (name == "fails"), "a changed output must not pass by chance"


def test_what_needs_a_notebook_with_other_outputs_is_skipped(ran: tuple[Path, Done]) -> None:
    _, done = ran
    result = done.notebooks["gated.ipynb"]
    assert (result["status"], result["skipped_for"]) == ("skipped", "changed.ipynb")


def test_what_differs_may_be_only_a_warning(ran: tuple[Path, Done]) -> None:
    _, done = ran
    result = done.notebooks["warned.ipynb"]
    assert (result["status"], result["comparison"]["cells"]) == ("passed", {"changed": 1})
    assert [each["message"] for each in result["comparison"]["allowed"]] == ["`stdout`: `b` became `a`"]
    [warning] = [each for each in done.annotations("warning") if each.place[0] == "warned.ipynb"]
    assert (warning.properties["title"], warning.message[:30]) == (
        "Output changed in cell 1",
        "`stdout`: `b` became `a` If th",
    )


def test_a_page_and_a_copy_have_the_new_outputs(ran: tuple[Path, Done]) -> None:
    folder, done = ran
    run = Path(done.outputs["record"]).parent
    for name in NOTEBOOKS:
        result = done.notebooks[f"{name}.ipynb"]
        page = (result["comparison"] or {"page": ""})["page"]
        assert bool(page) is (name in {"changed", "strict", "ended", "random", "warned"})
        assert bool(result["updated"]) is (bool(page) or name == "stripped")
        assert (run / "execute-notebook" / "updated" / f"{name}.ipynb").exists() is bool(result["updated"])
    page = (run / done.notebooks["strict.ipynb"]["comparison"]["page"]).read_text()
    assert "<del>-0.3</del>\n<ins>+0.30000000000000004</ins>" in page
    copy = json.loads((run / "execute-notebook" / "updated" / "changed.ipynb").read_text())
    source = json.loads((folder / "changed.ipynb").read_text())
    assert copy["cells"][0] == source["cells"][0], "it is the same"
    assert "11.2" in json.dumps(copy["cells"][1]["outputs"])
    assert [len(cell["outputs"]) for cell in copy["cells"]] == [1, 1, 1, 0]
    stripped = json.loads((run / "execute-notebook" / "updated" / "stripped.ipynb").read_text())
    assert stripped["cells"][0]["outputs"][0]["text"] == ["a\n"]


def test_an_earlier_run_is_a_baseline(workspace: Workspace, kernel: Path, ran: tuple[Path, Done]) -> None:
    _, earlier = ran
    workspace.write("cells.ipynb", notebook("print('a')"))
    names = "cells.ipynb\nstripped.ipynb\nrandom.ipynb\nequal.ipynb\nfails.ipynb"
    inputs = {"python": str(kernel), "notebooks": names, "baseline": str(Path(earlier.outputs["record"]).parent)}
    done = workspace.run("execute-notebook", inputs)
    result = done.notebooks["stripped.ipynb"]
    assert (result["status"], result["comparison"]["cells"]) == ("passed", {"same": 1}), done.log
    assert done.notebooks["equal.ipynb"]["comparison"]["cells"] == {"ignored": 1, "same": 5}
    [(kind, message)] = failures(done, "random")
    assert kind == "changed-output"
    assert message.startswith("`stdout`: `")
    assert [each.message for each in done.annotations("notice") if "baseline" in each.message] == [
        "`cells.ipynb` is not in the baseline. Its outputs are not compared."
    ]
    assert "`fails.ipynb` failed in the baseline" in done.log


def outputs_of_copy(done: Done, name: str) -> list[Any]:
    copy = Path(done.outputs["record"]).parent / done.notebooks[f"{name}.ipynb"]["updated"]
    return [cell["outputs"] for cell in json.loads(copy.read_text())["cells"]]


def test_parameters_with_the_own_values_of_a_notebook(workspace: Workspace, kernel: Path) -> None:
    """Outputs are still those of the same cells: one is injected, maybe instead of one that an earlier run injected.

    And a notebook of which no cell is compared.
    """
    own, other = code("a = 1", "parameters"), stored("print(a)", out("2\n"))
    workspace.write("own.ipynb", notebook(own, other, stored("print(-a)", out("-1\n"))))
    injected = code("a = 1", "injected-parameters")
    workspace.write("again.ipynb", notebook(own, injected, other, stored("2", shown("2"))))
    workspace.write("bare.ipynb", notebook(own, injected, "print(a)"))
    workspace.write("lax.ipynb", notebook("print('a')"))
    workspace.write(
        "own.toml", TOML.split("[[", 1)[0] + '[[execute-notebook.for]]\nnotebooks="lax.ipynb"\ncompare="lax"'
    )
    inputs = {
        "python": str(kernel),
        "notebooks": "own.ipynb\nagain.ipynb\nbare.ipynb\nlax.ipynb",
        "config": "own.toml",
        "update": "true",
    }
    done = workspace.run("execute-notebook", {**inputs, "parameters": "a: 1"})
    for name in ("own", "again"):
        assert failures(done, name) == [("changed-output", "`stdout`: `2` became `1`")], done.log
    assert failures(done, "bare") == [("not-compared", "The notebook has no stored outputs to compare with.")]
    one = {**out("1\n"), "text": ["1\n"]}
    assert outputs_of_copy(done, "own") == [[], [one], [out("-1\n")]]
    assert outputs_of_copy(done, "bare") == [[], [], [one]]
    assert [each.message[:53] for each in done.annotations("warning")] == [
        "`compare` is set, but no cell was compared. With `lax"
    ]
