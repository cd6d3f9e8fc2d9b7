"""Without a file that says what to install: what notebooks name, and with `infer` what they import."""

from integration.index_server import make_wheel
from integration.setup_env.shops import Shop
from integration.suite import PROJECT, notebook


def test_what_notebooks_name_and_import_is_installed(shop: Shop) -> None:
    make_wheel(shop.index.folder, "nblocal", "1.0")  # a stranger's: the workspace has the module
    for name in ("helpers", "nbwritten", "nbthree"):
        make_wheel(shop.index.folder, name, "1.0")
    optional = "try:\n    import nboptional\nexcept ImportError:\n    pass"
    cells = [
        "import os, json, nbone.deeper, nbthree",
        "import helpers, nbunknown",
        optional,
        "%%writefile nbwritten.py\n",
        "import nbwritten",
    ]
    shop.workspace.write("sub/a.ipynb", notebook(*cells))
    shop.workspace.write("sub/helpers.py", "import nbone, nblocal, _own\n")
    shop.workspace.write("sub/nblocal/__init__.py", "")
    shop.workspace.write("b.py", "# %%\n# %pip install -q nbtwo==1.0 'nbthree>=1'\n")
    shop.workspace.write("broken.ipynb", "{")

    named = shop.setup()
    assert named.code == 0, named.log
    assert set(named.record["packages"]) == {"nbtwo", "nbthree", "ipykernel"}
    assert named.outputs["lock-file"] == ".notebook-ci/from-notebooks.txt"

    inferred = shop.setup(infer="true", slug="all")
    assert inferred.code == 0, inferred.log
    assert set(inferred.record["packages"]) == {"nbone", "nbtwo", "nbthree", "ipykernel"}
    assert inferred.record["fixed"]
    [warning] = inferred.annotations("warning")
    origin = "which is needed by `nbunknown` in `sub/a.ipynb`, cell 2."
    assert warning.message.startswith(f"The package index has no package `nbunknown`, {origin}")
    [notice] = inferred.annotations("notice")
    assert "`nbone` (`nbone.deeper` in `sub/a.ipynb`, cell 1), `nbtwo==1.0` (`b.py`), " in notice.message

    again = shop.setup(infer="true", slug="all")
    assert (again.code, again.record["reused"]) == (0, True), again.log

    written = shop.workspace.run("infer-requirements", environ=shop.environ)
    assert written.code == 0, written.log
    listed = (shop.workspace.folder / "requirements.in").read_text().splitlines()
    assert "nbtwo==1.0  # `b.py`" in listed
    assert [line for line in listed if "nbthree" in line] == ["nbthree>=1  # `b.py`"], "listed once"
    assert "nbone==1.0 \\\n    --hash=sha256:" in (shop.workspace.folder / "requirements.txt").read_text()
    unused = shop.setup(unused="true")
    message = "No notebook or local module imports `nbtwo`."
    assert any(notice.message.startswith(message) for notice in unused.annotations("notice")), unused.log
    refused = shop.workspace.run("infer-requirements", environ=shop.environ)
    assert (refused.code, "`requirements.txt` already says what to install." in refused.log) == (2, True)


def test_of_versions_that_exclude_each_other_the_last_is_installed(shop: Shop) -> None:
    shop.workspace.write("a.ipynb", notebook("%pip install nbtwo==0.5"))
    shop.workspace.write("b.ipynb", notebook("%pip install nbtwo==1.0"))
    done = shop.setup()
    assert (done.code, done.record["packages"]["nbtwo"]) == (0, "1.0"), done.log
    [warning] = done.annotations("warning")
    assert warning.message == (
        "The notebooks name versions that exclude each other: `nbtwo==0.5` (`a.ipynb`, cell 1), `nbtwo==1.0` "
        "(`b.ipynb`, cell 1). `nbtwo==1.0` is installed. Name the same version in all of them."
    )


def test_a_file_that_says_what_to_install_wins(shop: Shop) -> None:
    shop.workspace.write("pyproject.toml", PROJECT.format('"nbone"'))
    shop.workspace.write("a.ipynb", notebook("%pip install nbtwo", "import nbtwo"))
    done = shop.workspace.run("setup-env", {"infer": "true"}, flags=["--plan"])
    assert "install the dependencies in `pyproject.toml`" in done.log
    assert "nbtwo" not in done.log


def test_without_anything_to_infer_there_is_nothing_to_do(shop: Shop) -> None:
    shop.workspace.write("a.ipynb", notebook("1"))
    done = shop.setup(infer="true")
    assert (done.code, "Or set `infer: true` to install what the notebooks import." in done.log) == (2, True), done.log
    assert shop.workspace.run("infer-requirements").code == 2
    metadata = '# /// script\n# requires-python = "3.12"\n# dependencies = ["nbone"]\n# ///'
    shop.workspace.write("a.ipynb", notebook(metadata))
    done = shop.workspace.run("setup-env", flags=["--plan"])
    assert (done.code, "`a.ipynb` requires Python `3.12`, which is not a version." in done.log) == (2, True), done.log
