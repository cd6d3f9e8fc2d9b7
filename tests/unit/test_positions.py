import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from notebook_ci.notebooks.positions import scan, split_lines

Json = Any


def cell(source: Json, **more: Json) -> Json:
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], **more}


def notebook(*sources: Json) -> Json:
    return {"cells": [cell(source) for source in sources], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def source_line(text: str, cell: int, line: int) -> int:
    return scan(text)[cell].source_line(line)


def test_lines_of_a_notebook_as_jupyter_writes_it() -> None:
    text = json.dumps(notebook(["a\n", "b"], ["c\n", "d"]), indent=1) + "\n"
    physical = text.split("\n")
    assert [physical[source_line(text, 0, line) - 1].strip() for line in (1, 2)] == ['"a\\n",', '"b"']
    assert [physical[source_line(text, 1, line) - 1].strip() for line in (1, 2)] == ['"c\\n",', '"d"']


def test_in_one_line_everything_stands_in_line_one() -> None:
    text = json.dumps(notebook(["a\n", "b"], "c\nd"))
    assert {position.source_line(line) for position in scan(text) for line in (1, 2)} == {1}


def test_a_line_may_be_written_in_parts_and_a_part_hold_several_lines() -> None:
    text = '{"cells": [{"source": [\n"a",\n"b\\nc\\n",\n"",\n"d"\n,"\\ne"]}]}'
    assert scan(text)[0].source == "ab\nc\nd\ne"
    assert [source_line(text, 0, line) for line in (1, 2, 3, 4)] == [2, 3, 5, 6]


@pytest.mark.parametrize("ending", ["\\n", "\\u000a", "\\u000A", "\\r\\n", "\\r"])
def test_line_ends_may_be_written_in_any_way(ending: str) -> None:
    text = '{"cells":[{"source":[\n"a' + ending + 'b",\n"' + ending + 'c"]}]}'
    assert [source_line(text, 0, line) for line in (1, 2, 3)] == [2, 2, 3]


def test_an_escaped_backslash_before_n_is_no_line_end() -> None:
    text = '{"cells":[{"source":[\n"a\\\\n",\n"b\\n",\n"c"]}]}'
    assert scan(text)[0].source == "a\\nb\nc"
    assert [source_line(text, 0, line) for line in (1, 2)] == [2, 4]


def test_the_line_of_an_empty_source_is_that_of_the_cell() -> None:
    text = '{"cells":[\n{"source":\n[]},\n{"source":\n""},\n{\n"cell_type":"code"},\n{"source":["",\n""]}]}'
    assert [position.source_line(1) for position in scan(text)] == [2, 4, 6, 8]
    assert [position.line for position in scan(text)] == [2, 4, 6, 8]


def test_a_line_beyond_the_source_means_its_last() -> None:
    text = '{"cells":[{"source":[\n"a\\n",\n"b\\n"]}]}'
    assert [source_line(text, 0, line) for line in (-1, 0, 1, 2, 3, 99)] == [2, 2, 2, 3, 3, 3]


def test_a_cell_that_is_not_there_is_refused() -> None:
    with pytest.raises(IndexError):
        source_line(json.dumps(notebook("a")), 1, 1)


def test_keys_may_be_written_with_escapes() -> None:
    text = '{"\\u0063ells":[{"\\u0073ource":\n"a"}]}'
    assert source_line(text, 0, 1) == 2


def test_the_same_words_elsewhere_do_not_mislead() -> None:
    decoy = {"cells": [{"source": ["a\n", "b"]}], "source": '{"cells":[{"source":"a"}]}'}
    content = {"metadata": decoy, "x": [decoy, '"cells": ['], **notebook("a\nb")}
    content["cells"][0] = {
        "attachments": decoy,
        "metadata": decoy,
        "outputs": [decoy],
        **cell(["a\n", "b"]),
        "z": decoy,
    }
    content["cells"][0]["outputs"] = [{"data": {"source": ["a\n", "b"]}, "source": "a"}]
    text = json.dumps(content, indent=2)
    (position,) = scan(text)
    assert position.source == "a\nb"
    at = text.index('"source": [\n        "a', text.index('"cell_type"'))
    assert position.source_line(1) == text.count("\n", 0, at) + 2


@pytest.mark.parametrize("text", ["[]", "1", '{"cells": {}}', '{"cells": 5}', '{"metadata": {}}', "{}"])
def test_json_without_a_list_of_cells_has_no_positions(text: str) -> None:
    assert scan(text) == ()


def test_cells_that_are_no_cells_have_a_line_but_no_source() -> None:
    text = '{"cells":[\n5,\n"a",\n{"source":7},\n{"source":[1,\n"b"]}]}'
    assert [(position.line, position.source) for position in scan(text)] == [(2, ""), (3, ""), (4, ""), (5, "b")]
    assert scan(text)[3].source_line(1) == 6


def test_the_lines_of_outputs() -> None:
    text = '{"cells":[{"outputs":[\n{"outputs":[{}]},\n\n{}, 5],"source":\n"a"},\n{"outputs":7},{"outputs":[]}]}'
    assert [position.outputs for position in scan(text)] == [(2, 4, 4), (), ()]
    assert scan(text)[0].source_line(1) == 5


# Notebooks at random: every source line holds a marker that stands nowhere else, so that its physical line can be read
# off the text by a plain search, independently of the scanner.

ALPHABET = ["a", " ", "\\", '"', "\\n", "\t", "é", "😀", "\x0c", "\u2028", "{", "[", '"source": [', '"cells"', "/"]


def random_line(random_: random.Random, marker: str) -> str:
    """The marker stands first: a source line that is written in parts stands where it begins."""
    return marker + "".join(random_.choices(ALPHABET, k=random_.randrange(8)))


def random_source(random_: random.Random, lines: list[str]) -> str | list[str]:
    source = "\n".join(lines) + random_.choice(["", "\n"])
    shape = random_.randrange(3)
    if shape == 0:
        return source
    if shape == 1:
        return source.splitlines(keepends=True)
    # Cut anywhere, but not within a marker.
    cuts = sorted(
        {at for at in random_.choices(range(len(source) + 1), k=4) if "<" not in source[max(0, at - 9) : at + 9]}
    )
    return [source[start:end] for start, end in zip([0, *cuts], [*cuts, len(source)], strict=True)]


def dump(random_: random.Random, value: Json) -> str:
    """JSON with white space at random."""
    gap = "".join(random_.choices(["", " ", "\n", "\t", "\r\n"], weights=[8, 2, 2, 1, 1], k=1))
    if isinstance(value, dict):
        items = [f"{dump(random_, key)}:{dump(random_, item)}" for key, item in value.items()]
        return gap + "{" + ",".join(items) + gap + "}" + gap
    if isinstance(value, list):
        return gap + "[" + ",".join(dump(random_, item) for item in value) + gap + "]" + gap
    return gap + json.dumps(value, ensure_ascii=random_.random() < 0.5) + gap


FORMATS: dict[str, Callable[[random.Random, Json], str]] = {
    "as Jupyter": lambda _, value: json.dumps(value, indent=1, ensure_ascii=False),
    "one line": lambda _, value: json.dumps(value, separators=(",", ":")),
    "wide, CRLF": lambda _, value: json.dumps(value, indent=4).replace("\n", "\r\n"),
    "random white space": dump,
    "every character escaped": lambda random_, value: dump(random_, value).replace("é", "\\u00e9").replace("/", "\\/"),
}


@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize("seed", range(40))
def test_random_notebooks(style: str, seed: int) -> None:
    random_ = random.Random(f"{style} {seed}")  # noqa: S311
    numbers = iter(range(10_000))
    sources = [
        [f"<{next(numbers):04}>" for _ in range(random_.randrange(1, 6))] for _ in range(random_.randrange(1, 6))
    ]
    content = {
        "metadata": {"cells": ["no"], "text": "\n"},
        "cells": [
            cell(random_source(random_, [random_line(random_, marker) for marker in markers])) for markers in sources
        ],
        "nbformat": 4,
    }
    text = FORMATS[style](random_, content)
    loaded = json.loads(text)
    assert [position.source for position in scan(text)] == ["".join(cell["source"]) for cell in loaded["cells"]]
    for position, markers in zip(scan(text), sources, strict=True):
        for number, line in enumerate(split_lines(position.source)[: len(markers)], 1):
            marker = markers[number - 1]
            assert marker in line
            assert text.count(marker) == 1
            assert position.source_line(number) == text.count("\n", 0, text.index(marker)) + 1


def test_a_large_notebook_is_read_in_one_quick_pass() -> None:
    output = {"output_type": "stream", "name": "stdout", "text": ["x\\\n" * 100] * 2500}
    content = notebook(*[["a\n"] * 20] * 20)
    for cell_ in content["cells"]:
        cell_["outputs"] = [output]
    text = json.dumps(content, indent=1)
    assert len(text) > 20_000_000
    started = time.process_time()
    json.loads(text)
    loading = time.process_time() - started
    started = time.process_time()
    positions = scan(text)
    assert time.process_time() - started < 4 * loading + 0.5
    assert len(positions) == 20
