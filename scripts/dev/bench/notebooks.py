"""Creates the notebooks to execute."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat

PRINTING_200_MB = """\
line = "x" * 99
for _ in range(2_000_000):
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

Notebooks = Mapping[str, Sequence[str]]  # the cells of each, by its file name


def small(count: int, cells: int) -> Notebooks:
    """Return notebooks of cells that compute and print very little."""
    return {
        f"small{number:03}.ipynb": [f"value = {index} * 7\nprint(value)" for index in range(cells)]
        for number in range(count)
    }


def importing(count: int) -> Notebooks:
    """Return notebooks that import much, and compute and plot a little."""
    return {
        f"importing{number:03}.ipynb": [cell.replace("NUMBER", str(number)) for cell in IMPORTING]
        for number in range(count)
    }


def importing_much(count: int) -> Notebooks:
    """Return notebooks that import much, one module of it not installed, in 41 cells."""
    missing = "try:\n    import cupy\nexcept ImportError:\n    cupy = None\n%matplotlib inline\nimport lightgbm"
    return {name: [missing, *list(cells) * 8] for name, cells in importing(count).items()}


def idle(count: int, imports: str) -> Notebooks:
    """Return notebooks that import something, then wait until all are running, then do nothing."""
    return {f"idle{number:03}.ipynb": [imports, IDLE.format(number=number, count=count)] for number in range(count)}


def write(notebooks: Notebooks, folder: Path) -> None:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for name, sources in notebooks.items():
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        nb = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(nb, folder / name)


def executed_cells(path: Path) -> int:
    """Return how many code cells of a saved notebook have run."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return sum(bool(cell["execution_count"]) for cell in cells)
