"""Compares the outputs of executed notebooks with the same ones, whose images have other files."""

import base64
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from notebook_ci.compare.notebooks import compare
from notebook_ci.compare.texts import Tolerance
from notebook_ci.notebooks import document

PNG = "image/png"
folder = next(Path().glob(".notebook-ci/runs/*/execute-notebook"))
documents = [document.read(path) for path in sorted(folder.glob("*.ipynb"))]
plots = 0
for each in documents:
    new = [cell.get("outputs", []) for cell in json.loads(each.text)["cells"]]
    for data in (output["data"] for outputs in new for output in outputs if PNG in output.get("data", ())):
        data[PNG] = base64.b64encode(base64.b64decode(data[PNG]) + b"x").decode()
        plots += 1
    found = compare(each, new, "numbers", Tolerance(1e-6))
    if found.failures:
        raise SystemExit(found.failures[0].message)
print(f"{len(documents)} notebooks and {plots} plots compared")
