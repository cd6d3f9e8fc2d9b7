"""Imports are checked before anything runs: warnings, or nothing is executed."""

from pathlib import Path

from integration.suite import Workspace, line_of, notebook


def test_missing_imports_are_a_warning_or_stop_the_stage(workspace: Workspace, kernel: Path) -> None:
    optional = "try:\n    import cupy\nexcept ImportError:\n    cupy = None"
    good = notebook("import json, rich.console, IPython, helpers", "from helpers import x", optional)
    missing = workspace.write(
        "sub/missing.ipynb", notebook("open('started', 'w').close()", "import os\nimport sklearn.svm")
    )
    workspace.write("sub/good.ipynb", good)
    workspace.write("sub/helpers.py", "import rich\nx = 1\n")
    message = "Cell 2 of `sub/missing.ipynb` imports `sklearn`, which is not installed."
    hint = "Add `scikit-learn` to the list of packages of the environment."
    place = ("sub/missing.ipynb", line_of(missing, "import sklearn"))
    optional_notice = "condition are not installed: `cupy` (sub/good.ipynb, cell 3)."

    refused = workspace.execute(kernel, check_imports="fail")
    assert refused.code == 1, refused.log
    assert [(error.message, error.place) for error in refused.annotations()] == [(f"{message} {hint}", place)]
    assert refused.record["notebooks"] == []
    assert not (workspace.folder / "sub" / "started").exists()

    warned = workspace.execute(kernel)
    assert (warned.code, warned.notebooks["sub/good.ipynb"]["status"]) == (1, "passed"), warned.log
    assert [(warning.message, warning.place) for warning in warned.annotations("warning")] == [
        (f"{message} {hint}", place)
    ]
    assert any(notice.message.endswith(optional_notice) for notice in warned.annotations("notice"))
    assert (workspace.folder / "sub" / "started").exists()

    workspace.write("notebook-ci.toml", "[execute-notebook]\ncheck-imports = 'off'\nnotebooks = 'sub/good.ipynb'\n")
    silent = workspace.execute(kernel)
    assert (silent.code, silent.annotations("warning"), silent.annotations("notice")) == (0, [], []), silent.log
