"""Checks the imports of the notebooks in the current folder, as execute-notebook does, with a given Python."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from notebook_ci.environments.interpreter import Candidate, tried
from notebook_ci.execute_notebook.missing import ImportCheck
from notebook_ci.notebooks import document

documents = [document.read(path) for path in sorted(Path().glob("*.ipynb"))]
check = ImportCheck(documents, Path.cwd())
list(check.problems(tried(Candidate(Path(sys.argv[1]), "bench"), check.modules), None))
print(f"{len(documents)} notebooks checked")
