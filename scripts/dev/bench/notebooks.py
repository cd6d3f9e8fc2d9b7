"""Creates the notebooks to execute."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
# The same imports, each in the cell that needs it, and the magic with which many notebooks begin.
_PLOTTING, _ARRAYS, _TABLES, _MODELS = IMPORTING[0].splitlines()
SPREAD = (
    "%matplotlib inline",
    f"{_ARRAYS}\nnp.set_printoptions(precision=3)",
    f"{_TABLES}\n{IMPORTING[1]}",
    IMPORTING[2],
    f"{_MODELS}\n{IMPORTING[3]}",
    f"{_PLOTTING}\n{IMPORTING[4]}",
)
SHOWING = """\
import base64, os
from IPython.display import HTML, display
row = "<tr><td>7</td><td>0.142857</td></tr>"
display(HTML(f"<table class='dataframe'>{row * 20}</table>"))
display({"image/png": base64.b64encode(os.urandom(20_000)).decode()}, raw=True)"""
IDLE = """\
import pathlib, time
pathlib.Path("here-{number}").touch()
while len(list(pathlib.Path().glob("here-*"))) < {count}:
    time.sleep(0.5)
time.sleep(3)"""

# By file name: the sources of their cells, or all that is in the file.
Notebooks = Mapping[str, Sequence[str] | dict[str, Any]]


def small(count: int, cells: int) -> Mapping[str, Sequence[str]]:
    """Return notebooks of cells that compute and print very little."""
    return {
        f"small{number:03}.ipynb": [f"value = {index} * 7\nprint(value)" for index in range(cells)]
        for number in range(count)
    }


def showing(count: int) -> Notebooks:
    """Return notebooks that show one table and one picture of the size of a plot, and import little."""
    return {name: [*cells, SHOWING] for name, cells in small(count, 9).items()}


def importing(count: int, cells: Sequence[str] = IMPORTING) -> Mapping[str, Sequence[str]]:
    """Return notebooks that import much, and compute and plot a little."""
    return {
        f"importing{number:03}.ipynb": [cell.replace("NUMBER", str(number)) for cell in cells]
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
    """Write notebooks, all for the same kernel."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for name, content in notebooks.items():
        if isinstance(content, dict):
            nb = {**content, "metadata": {**content["metadata"], "kernelspec": kernel}}
        else:
            cells = [nbformat.v4.new_code_cell(source) for source in content]
            nb = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(nb), encoding="utf-8")


def code_cells(path: Path) -> list[Any]:
    """Return the cells of a file that a kernel runs."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]
