"""300 seeded changes in 60 notebooks: how many are found, and how many cells are reported though nothing changed.

In each run of a notebook all differs that always does: addresses, times, the order of sets, the file of an image.
"""
# ruff: noqa: S311 - these numbers keep no secrets

import base64
import functools
import io
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, PngImagePlugin

from notebook_ci.compare.notebooks import compare
from notebook_ci.compare.texts import Tolerance
from notebook_ci.notebooks import document
from notebook_ci.notebooks.document import Document

NOTEBOOKS, CHANGES = 60, 300
COLORS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd")
WORDS = ("alpha", "beta", "gamma", "delta", "kappa", "sigma", "omega")
State = dict[str, Any]  # what a notebook computes
Outputs = list[dict[str, Any]]
FINER = 4  # parts of a pixel


def state(chance: random.Random) -> State:
    columns = chance.sample(WORDS, 3)
    return {
        "count": chance.randrange(100, 9999),
        "mean": chance.randrange(1000, 9999) / 1000,
        "columns": columns,
        "rows": [[chance.randrange(1000, 9999) / 100 for _ in columns] for _ in range(chance.randrange(3, 9))],
        "words": chance.sample(WORDS, 4),
        "points": [
            (chance.randrange(20, 220), chance.randrange(20, 160), chance.choice(COLORS[:3])) for _ in range(12)
        ],
        "warnings": [],
    }


# --- What the cells of a notebook display


def out(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def display(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"output_type": "display_data", "metadata": {}, "data": dict(data)}


def shuffled(items: Any, noise: random.Random) -> list[Any]:
    return noise.sample(list(items), len(list(items)))


def nearly(value: float, noise: random.Random) -> float:
    return value * (1 + noise.choice([0, 1e-12, -1e-9]))


def printed(now: State, noise: random.Random) -> Outputs:
    speed = f"{noise.randrange(1, 99)}.{noise.randrange(10, 99)}"
    bar = f"\r  50%|█████     | 5/10 [00:00<00:00, {speed}it/s]"
    bar += f"\rfit: 100%|██████████| 10/10 [00:0{noise.randrange(9)}<00:00, {speed}it/s]\n"
    text = f"rows: {now['count']}\nmean: {nearly(now['mean'], noise)!r}\nWall time: {noise.randrange(1, 99)} ms\n"
    cut = noise.randrange(len(text))
    return [out(text[:cut]), out(bar, "stderr"), out(text[cut:])]


def values(now: State, noise: random.Random) -> Outputs:
    names = ", ".join(repr(each) for each in shuffled(now["words"], noise))
    address = f"0x7f{noise.randrange(16**10):010x}"
    pairs = shuffled([("'n'", str(now["count"])), ("'mean'", repr(nearly(now["mean"], noise)))], noise)
    dictionary = "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
    shown = (f"<Model at {address}>", f"{{{names}}}", dictionary)
    return [display({"text/plain": each}) for each in shown]


def table(now: State, noise: random.Random) -> Outputs:
    rows = [[f"{nearly(each, noise):.6f}" for each in row] for row in now["rows"]]
    head = "".join(f"<th>{each}</th>" for each in ("", *now["columns"]))
    body = "".join(
        f"<tr><th>{label}</th>{''.join(f'<td>{each}</td>' for each in row)}</tr>" for label, row in enumerate(rows)
    )
    html = f'<div><table border="1" class="dataframe"><thead><tr style="text-align: right;">{head}</tr></thead>'
    text = "\n".join("  ".join(row) for row in rows)
    return [display({"text/html": f"{html}<tbody>{body}</tbody></table></div>", "text/plain": text})]


@functools.cache
def drawn(points: tuple[tuple[float, float, str], ...]) -> Image.Image:
    large = Image.new("RGB", (240 * FINER, 180 * FINER), "white")
    draw = ImageDraw.Draw(large)
    draw.rectangle([40, 40, 230 * FINER, 170 * FINER], outline="black", width=FINER)
    for x, y, color in points:
        draw.ellipse([each * FINER for each in (x - 3, y - 3, x + 3, y + 3)], fill=color)
    return large.resize((240, 180), Image.Resampling.BOX)


def plot(now: State, noise: random.Random) -> Outputs:
    info = PngImagePlugin.PngInfo()
    info.add_text("Creation Time", f"2027-01-{noise.randrange(1, 29):02} 10:00:00")
    file = io.BytesIO()
    drawn(tuple(now["points"])).save(file, "PNG", pnginfo=info, compress_level=noise.randrange(1, 4))
    return [display({"image/png": base64.b64encode(file.getvalue()).decode(), "text/plain": "<Figure size 240x180>"})]


def vector(now: State, noise: random.Random) -> Outputs:
    name = f"m{noise.randrange(16**10):010x}"
    uses = "".join(f'<use xlink:href="#{name}" x="{x}" y="{y}" style="fill: {c}"/>\n' for x, y, c in now["points"])
    date = f"2027-01-{noise.randrange(1, 29):02}T10:00:00"
    about = f"<metadata><rdf:RDF><dc:date>{date}</dc:date></rdf:RDF></metadata>"
    return [display({"image/svg+xml": f'<svg>{about}<path id="{name}" d="M 0 3 L 3 0"/>\n{uses}</svg>'})]


def chart(now: State, noise: random.Random) -> Outputs:
    data = [dict(shuffled({"x": x, "y": nearly(y, noise), "color": c}.items(), noise)) for x, y, c in now["points"]]
    kind = noise.choice(["application/vnd.vegalite.v5+json"])
    return [display({kind: dict(shuffled({"mark": "point", "data": data, "n": now["count"]}.items(), noise))})]


def warned(now: State, noise: random.Random) -> Outputs:
    where = f"/tmp/ipykernel_{noise.randrange(1, 9999)}/{noise.randrange(1, 10**9)}.py:2"  # noqa: S108 - a text
    return [out(f"{where}: UserWarning: {each}\n", "stderr") for each in ("slow", *now["warnings"])]


CELLS: Mapping[str, Callable[[State, random.Random], Outputs]] = {
    each.__name__: each for each in (printed, values, table, plot, vector, chart, warned)
}

# --- Changes: each returns the names of the cells that show it


def digit(now: State, chance: random.Random) -> set[str]:
    kind = chance.choice(["count", "mean", "rows"])
    if kind == "rows":
        row = chance.choice(now["rows"])
        column = chance.randrange(len(row))
        row[column] = round(row[column] + chance.choice([-3, -0.2, 0.01, 0.1]), 2)
        return {"table"}
    now[kind] = round(now[kind] + (chance.choice([-0.1, 0.001]) if kind == "mean" else chance.choice([-1, 1, 20])), 3)
    return {"printed", "values", *(["chart"] if kind == "count" else [])}


def row(now: State, chance: random.Random) -> set[str]:
    at = chance.randrange(len(now["rows"]))
    if chance.random() < 0.5:
        del now["rows"][at]
    else:
        now["rows"].insert(at, list(now["rows"][at]))
    return {"table"}


def column(now: State, chance: random.Random) -> set[str]:
    at = chance.randrange(3)
    if chance.random() < 0.5:
        for each in (now["columns"], *now["rows"]):
            del each[at]
    else:
        now["columns"][at] = next(each for each in WORDS if each not in now["columns"])
    return {"table"}


def color(now: State, chance: random.Random) -> set[str]:
    at = chance.randrange(len(now["points"]))
    x, y, old = now["points"][at]
    now["points"][at] = (x, y, chance.choice([each for each in COLORS if each != old]))
    return {"plot", "vector", "chart"}


def point(now: State, chance: random.Random) -> set[str]:
    at = chance.randrange(len(now["points"]))
    x, y, old = now["points"][at]
    now["points"][at] = (x + chance.choice([-5, -1, -0.25, 0.25, 1, 12]), y, old)
    return {"plot", "vector", "chart"}


def warning(now: State, chance: random.Random) -> set[str]:
    now["warnings"].append(chance.choice(["mean of empty slice", "invalid value", "will be removed"]))
    return {"warned"}


def nothing(_now: State, _chance: random.Random) -> set[str]:
    """A reordered set, a timestamp, an address, a progress bar: as in each run."""
    return set()


KINDS = (digit, row, column, color, point, warning, nothing, nothing)


def executed(now: State, seed: str) -> list[Outputs]:
    noise = random.Random(seed)
    return [show(now, noise) for show in CELLS.values()]


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    folder: Path = tmp_path_factory.mktemp("seeded")
    for number in range(NOTEBOOKS):
        outputs = executed(state(random.Random(number)), f"stored {number}")
        cells = [
            {"cell_type": "code", "source": name, "metadata": {}, "outputs": each, "execution_count": 1}
            for name, each in zip(CELLS, outputs, strict=True)
        ]
        (folder / f"{number}.ipynb").write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": cells}))
    return [document.read(folder / f"{number}.ipynb") for number in range(NOTEBOOKS)]


def test_seeded_changes_are_found_and_nothing_else(notebooks: list[Document]) -> None:
    names = list(CELLS)
    counts: Counter[str] = Counter()
    wrong: list[tuple[int, str, list[str], list[str]]] = []
    for seed in range(CHANGES):
        chance = random.Random(f"change {seed}")
        number, change = chance.randrange(NOTEBOOKS), KINDS[seed % len(KINDS)]
        now = state(random.Random(number))
        expected = change(now, chance)
        found = compare(notebooks[number], executed(now, f"new {seed}"), "numbers", Tolerance(1e-6))
        assert found.refusal is None
        reported = {names[each.cell.index] for each in found.changed}
        counts.update(found=len(expected & reported), missed=len(expected - reported), false=len(reported - expected))
        if reported != expected:
            wrong.append((seed, change.__name__, sorted(expected), sorted(reported)))
    assert counts["found"] > 300
    assert counts["found"] / (counts["found"] + counts["missed"]) >= 0.95, wrong
    assert counts["found"] / (counts["found"] + counts["false"]) >= 0.99, wrong
