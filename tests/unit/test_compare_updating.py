"""Writing new outputs into the text of a notebook: nothing else in it changes, in any style of JSON."""
# ruff: noqa: S311 - these numbers keep no secrets

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.json_walker import JsonWalker
from notebook_ci.compare.notebooks import compare
from notebook_ci.compare.texts import Tolerance
from notebook_ci.compare.updating import updated
from notebook_ci.notebooks import document

CORPUS = sorted((Path(__file__).parents[1] / "corpus" / "plain").glob("*.ipynb"))
STYLES: dict[str, Callable[[Any], str]] = {
    "jupyter": lambda nb: json.dumps(nb, indent=1, ensure_ascii=False) + "\n",
    "two": lambda nb: json.dumps(nb, indent=2, ensure_ascii=False),
    "four": lambda nb: json.dumps(nb, indent=4) + "\n\n",
    "tabs": lambda nb: json.dumps(nb, indent="\t", ensure_ascii=False) + "\n",
    "flat": lambda nb: json.dumps(nb, indent=0, ensure_ascii=False),
    "windows": lambda nb: json.dumps(nb, indent=1, ensure_ascii=False).replace("\n", "\r\n") + "\r\n",
    "one line": lambda nb: json.dumps(nb, ensure_ascii=False) + "\n",
    "compact": lambda nb: json.dumps(nb, separators=(",", ":")),
    "spaced": lambda nb: "\n\t " + json.dumps(nb, indent=3, sort_keys=True) + " ",
}
TEXTS = ["a\n", "é", "\U0001f600", '"\\', "\u2028", "</script>", "[]", '"outputs": []', "\t"]


def without_outputs(text: str) -> str:
    """Return a notebook's text without the values that may change."""
    walker = JsonWalker(text)
    spans: list[tuple[int, int]] = []

    def member(key: str, at: int) -> int:
        end = walker.skip(at)
        if key in {"outputs", "execution_count"}:
            spans.append((at, end))
        return end

    def cell(at: int) -> int:
        return walker.object(at, member)

    walker.object(walker.space(0), lambda key, at: walker.array(at, cell) if key == "cells" else walker.skip(at))
    starts, ends = [0, *(end for _, end in spans)], [*(start for start, _ in spans), len(text)]
    return "|".join(text[start:end] for start, end in zip(starts, ends, strict=True))


def some_outputs(chance: random.Random) -> list[dict[str, Any]]:
    def one() -> dict[str, Any]:
        text = [chance.choice(TEXTS) for _ in range(chance.randrange(3))]
        if chance.random() < 0.5:
            return {"name": "stdout", "output_type": "stream", "text": text}
        data = {"text/plain": text, "application/json": {"outputs": [1.5, None], "é": text}}
        return {"data": data, "metadata": {}, "output_type": "display_data"}

    return [one() for _ in range(chance.randrange(4))]


@pytest.mark.parametrize("style", STYLES)
def test_nothing_but_outputs_changes(style: str) -> None:
    chance = random.Random(style)
    assert len(CORPUS) > 50
    for path in CORPUS:
        nb = json.loads(path.read_text(encoding="utf-8"))
        nb["metadata"]["title"] = "é"  # shows the style
        for cell in nb["cells"]:
            if cell["cell_type"] == "code":
                cell |= {"outputs": some_outputs(chance), "execution_count": chance.choice([None, 7])}
        text = STYLES[style](nb)
        code = [index for index, cell in enumerate(nb["cells"]) if cell["cell_type"] == "code"]
        cells = {
            index: {"outputs": some_outputs(chance), "execution_count": chance.randrange(99), "new": "x"}
            for index in chance.sample(code, chance.randrange(len(code) + 1))
        }
        found = updated(text, cells)
        assert without_outputs(found) == without_outputs(text)
        for index, (old, new) in enumerate(zip(nb["cells"], json.loads(found)["cells"], strict=True)):
            expected = {name: cells[index][name] for name in ("outputs", "execution_count")} if index in cells else {}
            assert new == old | expected
        assert updated(found, dict(enumerate(json.loads(text)["cells"]))) == text, "in the style of the text"


def test_a_cell_without_outputs_gets_none() -> None:
    text = '{"cells": [{"cell_type": "code", "source": "1"}, {"outputs": 1}], "metadata": {"outputs": 2}}'
    assert updated(text, {0: {"outputs": [1]}, 1: {"outputs": []}}) == text.replace('"outputs": 1', '"outputs": []')
    assert updated(text, {}) == text


def test_an_updated_notebook_has_no_differences(tmp_path: Path) -> None:
    def printed(text: str) -> list[Mapping[str, Any]]:
        return [{"output_type": "stream", "name": "stdout", "text": text}]

    def cell(text: str) -> dict[str, Any]:
        return {"cell_type": "code", "source": "f()", "metadata": {}, "outputs": printed(text), "execution_count": 1}

    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": [cell("a"), cell("1.5"), cell("c")]}, indent=1))
    new = [printed("b"), printed("1.5000000001"), printed("c")]
    found = compare(document.read(path), new, "numbers", Tolerance(1e-6))
    changed = {each.cell.index: {"outputs": new[each.cell.index]} for each in found.changed}
    path.write_text(updated(path.read_text(), changed))
    assert list(changed) == [0]
    assert not compare(document.read(path), new, "numbers", Tolerance(1e-6)).failures
    assert "1.5000000001" not in path.read_text(), "what is within the tolerance stays as it was"
