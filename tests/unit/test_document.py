import json
import os
import time
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from notebook_ci.base.errors import CheckFailed, InputError, NotebookCiError
from notebook_ci.notebooks.document import kernel_name, language, read

Json = Any


def code(source: Json = "x = 1", **more: Json) -> dict[str, Json]:
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None, **more}


def notebook(*cells: Json, **more: Json) -> dict[str, Json]:
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more}


def write(folder: Path, content: Json, name: str = "n.ipynb") -> Path:
    path = folder / name
    data = content if isinstance(content, bytes) else content.encode() if isinstance(content, str) else None
    path.write_bytes(json.dumps(content, indent=1).encode() if data is None else data)
    return path


def fault(path: Path, kind: type[NotebookCiError] = CheckFailed) -> NotebookCiError:
    with pytest.raises(NotebookCiError) as caught:
        read(path)
    assert type(caught.value) is kind
    assert path.as_posix() in caught.value.message
    assert caught.value.file == path.as_posix()
    assert caught.value.hint
    return caught.value


def test_a_notebook_is_read(tmp_path: Path) -> None:
    content = notebook(
        {"cell_type": "markdown", "id": "m", "metadata": {}, "source": "# Title"},
        code(["a\n", "b"], id="c", metadata={"tags": ["parameters", "x"], "k": 1}),
        {"cell_type": "raw", "metadata": {}, "source": []},
        metadata={"kernelspec": {"name": "python3", "language": "Python"}},
    )
    path = write(tmp_path, content)
    document = read(path)
    assert document.path == path
    assert document.text == path.read_text()
    assert [cell.kind for cell in document.cells] == ["markdown", "code", "raw"]
    assert [cell.index for cell in document.cells] == [0, 1, 2]
    assert [cell.source for cell in document.cells] == ["# Title", "a\nb", ""]
    assert document.cells[1].tags == {"parameters", "x"}
    assert document.metadata == content["metadata"]


def test_line_ends_of_the_file_are_kept(tmp_path: Path) -> None:
    text = json.dumps(notebook(code()), indent=1).replace("\n", "\r\n")
    assert read(write(tmp_path, text)).text == text


def test_the_text_does_not_stand_in_the_representation(tmp_path: Path) -> None:
    assert "nbformat_minor" not in repr(read(write(tmp_path, notebook())))


def test_missing_metadata_and_minor_version_are_tolerated(tmp_path: Path) -> None:
    document = read(write(tmp_path, {"nbformat": 4, "cells": [{"cell_type": "code", "source": "1"}]}))
    assert document.metadata == {}


def test_nan_and_infinity_are_tolerated(tmp_path: Path) -> None:
    assert len(read(write(tmp_path, notebook(code(), metadata={"a": float("nan"), "b": float("-inf")}))).cells) == 1


@pytest.mark.parametrize("key", ["cells", "source", "cell_type"])
def test_a_key_given_twice_is_refused(tmp_path: Path, key: str) -> None:
    text = json.dumps(notebook(code("1 / 0"))).replace(f'"{key}": ', f'"{key}": 1, "{key}": ', 1)
    assert f"has an object with the key `{key}` twice" in fault(write(tmp_path, text)).message


def test_a_missing_file_is_a_wrong_input(tmp_path: Path) -> None:
    assert "does not exist" in fault(tmp_path / "n.ipynb", InputError).message
    write(tmp_path, "x", "file")
    assert "does not exist" in fault(tmp_path / "file" / "n.ipynb", InputError).message


def test_a_link_that_leads_nowhere_says_where_to(tmp_path: Path) -> None:
    (tmp_path / "n.ipynb").symlink_to("../gone.ipynb")
    assert fault(tmp_path / "n.ipynb", InputError).message.endswith(
        "is a link to `../gone.ipynb`, which does not exist."
    )


def test_a_folder_is_a_wrong_input(tmp_path: Path) -> None:
    assert "is a folder" in fault(tmp_path, InputError).message


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "n.ipynb")
    assert "not a regular file" in fault(tmp_path / "n.ipynb", InputError).message


def test_a_file_that_may_not_be_read_is_a_wrong_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, notebook())
    path.chmod(0)
    if os.geteuid() == 0:  # root may read everything: only here the refusal is imitated

        def refuse(*_: object) -> BinaryIO:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
    assert "cannot be read: Permission denied." in fault(path, InputError).message


def test_an_impossible_path_is_a_wrong_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "a\0b")
    with pytest.raises(InputError):
        read(tmp_path / ("x" * 5000))


@pytest.mark.parametrize("data", [b"", b" \n\t\n"])
def test_an_empty_file(tmp_path: Path, data: bytes) -> None:
    assert "is empty" in fault(write(tmp_path, data)).message


def test_a_byte_order_mark_is_refused_as_jupyter_does(tmp_path: Path) -> None:
    error = fault(write(tmp_path, b"\xef\xbb\xbf" + json.dumps(notebook()).encode()))
    assert "byte order mark" in error.message
    assert error.line == 1


def test_utf_16(tmp_path: Path) -> None:
    assert "UTF-16" in fault(write(tmp_path, json.dumps(notebook()).encode("utf-16"))).message


def test_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    error = fault(write(tmp_path, b'{\n"a":\n"\xfc"}'))
    assert "0xfc" in error.message
    assert error.line == 3


def test_broken_json_is_told_with_line_and_column(tmp_path: Path) -> None:
    error = fault(write(tmp_path, '{\n "cells": [],\n 5}'))
    assert "line 3, column 2" in error.message
    assert error.line == 3


def test_merge_conflict_markers(tmp_path: Path) -> None:
    text = json.dumps(notebook(code(["a\n", "b"])), indent=1)
    marked = text.replace('    "a\\n",\n', '<<<<<<< HEAD\n    "a\\n",\n=======\n    "c\\n",\n>>>>>>> topic\n')
    error = fault(write(tmp_path, marked))
    assert error.line == marked.split("\n").index("<<<<<<< HEAD") + 1
    assert f"unresolved merge conflict markers (line {error.line})" in error.message


def test_markers_inside_a_source_are_no_conflict(tmp_path: Path) -> None:
    assert read(write(tmp_path, notebook(code(["<<<<<<< HEAD\n", ">>>>>>> x"])))).cells[0].source.startswith("<<<<<<<")


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 5\n", "n.ipynb", "Git LFS pointer"),
        ("<!DOCTYPE html>\n<html></html>", "n.ipynb", "web page"),
        ("import pandas as pd\n", "n.ipynb", "not valid JSON"),
        ("x = 1\n", "n.py", "no header of Jupyter and no cell markers"),
        ("# A title\n", "n.ipynb", "not valid JSON"),
    ],
)
def test_other_kinds_of_files_are_recognised(tmp_path: Path, text: str, name: str, said: str) -> None:
    error = fault(write(tmp_path, text, name))
    assert said in error.message
    assert error.line == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "a list"),
        ("text", "text"),
        (5, "a number"),
        (1.5, "a number"),
        (None, "null"),
        (True, "true or false"),
    ],
)
def test_json_that_is_no_object(tmp_path: Path, content: Json, said: str) -> None:
    assert f"its JSON is {said}" in fault(write(tmp_path, json.dumps(content))).message


def test_very_deep_nesting(tmp_path: Path) -> None:
    assert "nested too deeply" in fault(write(tmp_path, '{"a":' + "[" * 200_000 + "]" * 200_000 + "}")).message


def test_a_huge_whole_number(tmp_path: Path) -> None:
    assert "4300 digits" in fault(write(tmp_path, '{"a": ' + "1" * 5000 + "}")).message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"nbformat": None}, "not a whole number"),
        ({"nbformat": "4"}, "not a whole number"),
        ({"nbformat": True}, "not a whole number"),
        ({"nbformat_minor": "5"}, "not a whole number"),
        ({"nbformat": 3}, "old notebook format 3"),
        ({"nbformat": 5}, "format 5"),
        ({"metadata": []}, "metadata"),
        ({"cells": {}}, "an object, not a list"),
        ({"cells": None}, "null, not a list"),
    ],
)
def test_a_wrong_head(tmp_path: Path, change: Json, said: str) -> None:
    assert said in fault(write(tmp_path, {**notebook(code()), **change})).message


@pytest.mark.parametrize(("key", "said"), [("nbformat", "has no `nbformat`"), ("cells", "has no `cells`")])
def test_a_missing_head(tmp_path: Path, key: str, said: str) -> None:
    content = notebook(code())
    del content[key]
    assert said in fault(write(tmp_path, content)).message


def test_an_old_notebook_is_told_how_to_be_converted(tmp_path: Path) -> None:
    path = write(tmp_path, {"nbformat": 3, "worksheets": []})
    assert fault(path).hint.endswith(f"`jupyter nbconvert --to notebook --nbformat 4 --inplace {path.as_posix()}`.")


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (5, "is a number, not an object"),
        (None, "is null, not an object"),
        ({"source": "x"}, "has no `cell_type`"),
        (code(cell_type="heading"), "unknown `cell_type` 'heading'"),
        (code(cell_type=["code"]), "unknown `cell_type`"),
        ({"cell_type": "code"}, "has no `source`"),
        (code(5), "neither a string nor a list of strings"),
        (code(["a", 5]), "neither a string nor a list of strings"),
        (code(None), "neither a string nor a list of strings"),
        (code(metadata=[]), "metadata that is a list"),
        (code(metadata={"tags": "parameters"}), "`tags` that are not a list of strings"),
        (code(metadata={"tags": [1]}), "`tags` that are not a list of strings"),
    ],
)
def test_a_wrong_cell_is_told_by_number_and_line(tmp_path: Path, cell: Json, said: str) -> None:
    text = '{"nbformat": 4,\n"cells": [\n' + json.dumps(code()) + ",\n" + json.dumps(cell) + "\n]}"
    error = fault(write(tmp_path, text))
    assert error.message.startswith("Cell 2 of ")
    assert said in error.message
    assert error.line == 4


def test_half_a_character_is_told_by_its_line(tmp_path: Path) -> None:
    error = fault(
        write(tmp_path, '{"nbformat": 4, "cells": [{"cell_type": "code", "source": [\n"a\\n",\n"\\ud83d"]}]}')
    )
    assert "half a character" in error.message
    assert error.line == 3
    whole = '{"nbformat": 4, "cells": [{"cell_type": "code", "source": "\\ud83d\\ude00"}]}'
    assert read(write(tmp_path, whole)).cells[0].source == "😀"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, (None, None)),
        ({"kernelspec": {"name": "ir", "language": "R"}}, ("r", "ir")),
        ({"kernelspec": {"name": "python3"}, "language_info": {"name": "Python"}}, ("python", "python3")),
        ({"language_info": {"name": "julia"}}, ("julia", None)),
        ({"kernelspec": {"name": "", "language": " "}}, (None, None)),
        ({"kernelspec": None, "language_info": []}, (None, None)),
        ({"kernelspec": {"name": 5, "language": 5}}, (None, None)),
    ],
)
def test_language_and_kernel(tmp_path: Path, metadata: Json, expected: tuple[str | None, str | None]) -> None:
    document = read(write(tmp_path, notebook(metadata=metadata)))
    assert (language(document), kernel_name(document)) == expected


def test_a_large_notebook_is_read_in_little_time(tmp_path: Path) -> None:
    output = {"output_type": "stream", "name": "stdout", "text": ["x" * 98 + "\n"] * 10_000}
    path = write(tmp_path, notebook(*[code(outputs=[output])] * 20))
    assert path.stat().st_size > 20_000_000
    started = time.process_time()
    read(path)
    assert time.process_time() - started < 10
