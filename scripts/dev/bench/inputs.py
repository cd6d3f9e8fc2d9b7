"""Creates the notebooks to execute."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TRIVIAL_CELLS = 10
SMALL_CELLS = 2000
PRINTED_BYTES = 200_000_000
PRINTING = f"""\
line = "x" * 99
for _ in range({PRINTED_BYTES // 100}):
    print(line)"""
IMPORTING = (
    """\
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression""",
    """\
rng = np.random.default_rng(NUMBER)
data = pd.DataFrame({"x": rng.normal(size=500), "group": rng.integers(4, size=500)})
data["y"] = 2 * data.x + rng.normal(size=500)""",
    'data.groupby("group").y.describe()',
    """\
model = LinearRegression().fit(data[["x"]], data.y)
print(round(model.coef_[0], 1))""",
    """\
fig, ax = plt.subplots()
ax.scatter(data.x, data.y, c=data.group)
ax.plot(data.x, model.predict(data[["x"]]))
plt.show()""",
)

IDLE = """\
import pathlib, time
pathlib.Path("here-{number}").touch()
while len(list(pathlib.Path().glob("here-*"))) < {count}:
    time.sleep(0.5)
time.sleep(3)"""

Notebooks = Mapping[str, Sequence[str]]


def trivial(count: int) -> Notebooks:
    """Return notebooks of ten cells that compute and print very little."""
    cells = [f"value = {index} * 7\nprint(value)" for index in range(TRIVIAL_CELLS)]
    return {f"trivial{number:03}.ipynb": cells for number in range(count)}


def importing(count: int) -> Notebooks:
    """Return notebooks that import much, and compute and plot a little."""
    return {
        f"importing{number:03}.ipynb": [cell.replace("NUMBER", str(number)) for cell in IMPORTING]
        for number in range(count)
    }


def long() -> Notebooks:
    return {"long.ipynb": [f"value = {index}\nprint(value)" for index in range(SMALL_CELLS)]}


def printing() -> Notebooks:
    return {"printing.ipynb": [PRINTING]}


def idle(count: int, imports: str) -> Notebooks:
    """Return notebooks that import something, then wait until all are running, then do nothing."""
    return {f"idle{number:03}.ipynb": [imports, IDLE.format(number=number, count=count)] for number in range(count)}


def write(notebooks: Notebooks, folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, cells in notebooks.items():
        (folder / name).write_text(json.dumps(_notebook(cells), indent=1), encoding="utf-8")


def executed_cells(path: Path) -> int:
    """Return how many code cells of a saved notebook ran without an error."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return sum(bool(cell.get("execution_count")) and not _has_error(cell) for cell in cells)


def _has_error(cell: Mapping[str, Any]) -> bool:
    return any(output["output_type"] == "error" for output in cell["outputs"])


def _notebook(cells: Sequence[str]) -> dict[str, Any]:
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        },
        "cells": [
            {
                "id": f"cell-{index}",
                "cell_type": "code",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": source,
            }
            for index, source in enumerate(cells)
        ],
    }
