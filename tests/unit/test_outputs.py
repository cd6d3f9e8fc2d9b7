import copy
import json
import random
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from notebook_ci.execute_notebook.outputs import OutputBound

SIZE = r"[notebook-ci: {size:.3f} MB of output left out here: more than `max-output`]"
NOTICE_BYTES = 120
PLENTY = 10**9


class Notebook:
    """A notebook whose cells get outputs as nbclient puts them there."""

    def __init__(self, limit: int) -> None:
        self.bound = OutputBound(limit)
        self.nb = new_notebook()
        self.begin()

    def begin(self) -> None:
        self.nb.cells.append(new_code_cell())

    @property
    def outs(self) -> list[Any]:
        return list(self.nb.cells[-1].outputs)

    def add(self, output: Any) -> None:
        self.nb.cells[-1].outputs.append(output)
        self.bound.hold(len(self.nb.cells) - 1, self.nb.cells[-1].outputs)

    def stream(self, text: str, name: str = "stdout") -> None:
        self.add(new_output("stream", name=name, text=text))

    def display(self, **data: Any) -> None:
        self.add(new_output("display_data", data={name.replace("_", "/"): value for name, value in data.items()}))

    def clear(self) -> None:
        """Do what `clear_output` does in nbclient: the next output is the first."""
        self.nb.cells[-1].outputs.clear()

    def update(self, data: dict[str, Any], places: list[tuple[int, int]]) -> None:
        shown = [(cell, self.nb.cells[cell].outputs[index]) for cell, index in places]
        content = {"data": data}
        self.bound.replace(content, shown)
        for _, each in shown:
            each["data"] = content["data"]

    def end(self) -> None:
        self.bound.finish()
        nbformat.validate(self.nb)

    @property
    def written(self) -> int:
        """About the bytes of all that is shown."""
        return sum(size(out) for cell in self.nb.cells for out in cell.outputs)


def size(output: Any) -> int:
    if output.output_type == "stream":
        return len(output.text)
    if output.output_type == "error":
        return 0
    return sum(len(each) if isinstance(each, str) else len(json.dumps(each)) for each in output.data.values())


def text_of(outs: list[Any]) -> str:
    return "".join(out.text for out in outs)


# --- Below the limit


def test_below_the_limit_nothing_is_changed() -> None:
    notebook = Notebook(100_000)
    notebook.stream("a" * 1000)
    notebook.stream("b" * 1000, "stderr")
    notebook.display(text_html="<b>", image_png="x" * 10_000)
    notebook.add(new_output("error", ename="E", evalue="v", traceback=["t" * 1000]))
    notebook.begin()
    notebook.add(new_output("execute_result", data={"text/plain": "5", "application/json": {"a": [1]}}))
    notebook.stream("c\n")
    before = copy.deepcopy(notebook.nb)
    notebook.end()
    assert notebook.nb == before
    assert [[out.output_type for out in cell.outputs] for cell in notebook.nb.cells] == [
        ["stream", "stream", "display_data", "error"],
        ["execute_result", "stream"],
    ]
    assert notebook.bound.left_out == 0


# --- Text


@pytest.mark.parametrize("pieces", [1, 7, 500])
def test_of_text_the_begin_and_the_end_are_kept(pieces: int) -> None:
    whole = "".join(f"line {number:06}\n" for number in range(50_000))
    notebook = Notebook(10_000)
    length = -(-len(whole) // pieces)
    for start in range(0, len(whole), length):
        notebook.stream(whole[start : start + length])
    notebook.end()
    text = text_of(notebook.outs)
    begin, _, end = text.partition("\n[notebook-ci: ")
    said, _, end = end.partition("\n")
    assert len(begin) > 1000
    assert len(end) > 1000
    assert whole.startswith(begin)
    assert whole.endswith(end)
    left_out = len(whole) - len(begin) - len(end)
    assert notebook.bound.left_out == left_out
    assert said == f"{left_out / 1e6:.3f} MB of output left out here: more than `max-output`]"
    assert notebook.written <= 10_000 + NOTICE_BYTES


def test_what_came_last_is_told_whichever_stream_it_is_of() -> None:
    notebook = Notebook(10_000)
    for _ in range(100):
        notebook.stream("x" * 1000)
    notebook.stream("the reason\n", "stderr")
    notebook.end()
    assert text_of(notebook.outs).endswith("the reason\n")


def test_text_behind_a_figure_that_followed_too_much_text() -> None:
    notebook = Notebook(10_000)
    notebook.stream("x" * 100_000)
    notebook.display(text_plain="a figure")
    notebook.stream("behind it")
    notebook.end()
    assert notebook.outs[2].data["text/plain"] == "a figure"
    assert text_of(notebook.outs[3:]) == "behind it", "without a notice: nothing of it is left out"


def test_a_later_cell_has_what_earlier_ones_left() -> None:
    notebook = Notebook(10_000)
    notebook.stream("x" * 100_000)
    notebook.begin()
    notebook.stream("y" * 100_000)
    notebook.begin()
    notebook.stream("z" * 100_000)
    notebook.end()
    assert notebook.written <= 10_000 + 3 * NOTICE_BYTES
    for cell in notebook.nb.cells:
        assert "notebook-ci: " in text_of(cell.outputs)


# --- Displays, errors


def test_a_display_for_which_there_is_no_room_is_a_notice() -> None:
    notebook = Notebook(10_000)
    notebook.display(image_png="x" * 20_000, text_plain="<Figure>")
    notebook.display(text_plain="fits")
    notebook.end()
    assert notebook.outs[0].data == {"text/plain": SIZE.format(size=20_008 / 1e6)}
    assert notebook.outs[1].data == {"text/plain": "fits"}
    assert notebook.bound.left_out == 20_008


def test_an_error_is_kept_whatever_its_size() -> None:
    notebook = Notebook(1)
    notebook.stream("x" * 5000)
    notebook.add(new_output("error", ename="E", evalue="v" * 5000, traceback=["t" * 5000]))
    notebook.end()
    assert notebook.outs[-1].evalue == "v" * 5000
    assert notebook.outs[-1].traceback == ["t" * 5000]


def test_many_empty_displays_take_room_too() -> None:
    notebook = Notebook(10_000)
    for _ in range(1000):
        notebook.display(text_plain="12345")
    notebook.end()
    shown = [out.data["text/plain"] for out in notebook.outs]
    assert shown[0] == "12345"
    assert "left out" in shown[-1]


# --- What is shown in the place of something


def test_what_is_shown_in_place_again_and_again_loses_nothing() -> None:
    notebook = Notebook(200_000)
    for number in range(1000):
        notebook.clear()
        notebook.display(image_png=f"{number:04}" * 25_000)
    notebook.end()
    assert notebook.outs[0].data["image/png"] == "0999" * 25_000
    assert notebook.bound.left_out == 0


def test_text_that_is_shown_in_place_again_and_again_loses_nothing() -> None:
    notebook = Notebook(200_000)
    for number in range(1000):
        notebook.clear()
        notebook.stream(f"{number:04}" * 25_000)
    notebook.end()
    assert text_of(notebook.outs) == "0999" * 25_000
    assert notebook.bound.left_out == 0


def test_text_that_was_too_long_and_is_cleared() -> None:
    notebook = Notebook(10_000)
    notebook.stream("x" * 100_000)
    notebook.clear()
    notebook.stream("short")
    notebook.end()
    assert text_of(notebook.outs) == "short"


def test_what_a_cell_shows_and_clears_at_its_end_takes_no_room() -> None:
    notebook = Notebook(200_000)
    for _ in range(100):
        notebook.display(image_png="x" * 100_000)
        notebook.clear()
        notebook.begin()
    notebook.stream("x" * 100_000)
    notebook.clear()
    notebook.begin()
    notebook.display(text_plain="x" * 150_000)
    notebook.end()
    assert notebook.bound.left_out == 0


def test_an_update_of_an_earlier_cell_counts_also_when_this_one_is_cleared() -> None:
    notebook = Notebook(10_000)
    notebook.display(text_plain="small")
    notebook.begin()
    notebook.stream("x")
    notebook.update({"text/plain": "x" * 9_000}, [(0, 0)])
    notebook.clear()
    notebook.stream("x" * 9_000)
    notebook.end()
    assert notebook.written <= 10_000 + NOTICE_BYTES


def test_an_update_in_a_cell_that_is_cleared_takes_no_room() -> None:
    notebook = Notebook(200_000)
    for number in range(100):
        notebook.clear()
        notebook.display(text_plain="small")
        notebook.update({"image/png": f"{number:04}" * 25_000}, [(0, 0)])
    notebook.end()
    assert notebook.bound.left_out == 0


def test_an_update_has_the_room_of_what_it_replaces() -> None:
    notebook = Notebook(200_000)
    notebook.display(image_png="0" * 100_000)
    for number in range(1000):
        notebook.update({"image/png": f"{number:04}" * 25_000}, [(0, 0)])
    notebook.end()
    assert notebook.outs[0].data["image/png"] == "0999" * 25_000
    assert notebook.bound.left_out == 0


def test_an_update_without_room_is_a_notice_and_the_next_one_may_fit() -> None:
    notebook = Notebook(10_000)
    notebook.display(text_plain="small")
    notebook.update({"text/plain": "x" * 20_000}, [(0, 0)])
    assert notebook.outs[0].data == {"text/plain": SIZE.format(size=20_000 / 1e6)}
    notebook.update({"text/plain": "x" * 5_000}, [(0, 0)])
    notebook.end()
    assert notebook.outs[0].data == {"text/plain": "x" * 5_000}


def test_an_update_of_a_display_that_stands_in_two_places() -> None:
    notebook = Notebook(10_000)
    notebook.display(text_plain="small")
    notebook.begin()
    notebook.display(text_plain="small")
    notebook.update({"text/plain": "x" * 6_000}, [(0, 0), (1, 0)])
    notebook.end()
    assert notebook.written <= 10_000 + 2 * NOTICE_BYTES


def test_many_updates_to_a_notice_make_no_room() -> None:
    """What is left out was never there, and nothing is gained by replacing it."""
    notebook = Notebook(10_000)
    notebook.display(text_plain="x" * 20_000)
    for _ in range(1000):
        notebook.update({"text/plain": "x" * 20_000}, [(0, 0)])
    notebook.begin()
    notebook.display(text_plain="y" * 50_000)
    notebook.end()
    assert notebook.written <= 10_000 + 2 * NOTICE_BYTES


# --- Any sequence


class Sequence:
    """Any sequence of what a kernel can send.

    Args:
        chance: Chooses.
        limit: What is kept.
        in_place: Whether outputs are cleared and replaced, too.
    """

    def __init__(self, chance: random.Random, limit: int, *, in_place: bool) -> None:
        self.notebook = Notebook(limit)
        self.places: dict[int, tuple[int, int]] = {}  # of displays, by a number that stands in them
        self.came = 0
        self._chance = chance
        self._kinds = [self.stream] * 50 + [self.display] * 20 + [self.error] * 3 + [self.begin] * 6
        self._kinds += [self.clear] * 3 + [self.update] * 10 if in_place else []

    def go_on(self) -> None:
        self._chance.choice(self._kinds)(self._chance.choice([0, 1, 10, 1_000, 20_000]))
        for number, (cell, index) in self.places.items():
            shown = self.notebook.nb.cells[cell].outputs[index]
            assert shown.metadata.get("number") == number, "indices never shift"

    @property
    def cell(self) -> int:
        return len(self.notebook.nb.cells) - 1

    def stream(self, length: int) -> None:
        self.came += length
        self.notebook.stream("s" * length, self._chance.choice(["stdout", "stderr"]))

    def display(self, length: int) -> None:
        self.came += length
        self.notebook.display(text_plain="d" * length)
        number = len(self.places)
        self.notebook.outs[-1].metadata["number"] = number
        self.places[number] = (self.cell, len(self.notebook.outs) - 1)

    def error(self, length: int) -> None:
        self.notebook.add(new_output("error", ename="E", evalue="v" * length, traceback=[]))

    def begin(self, _: int) -> None:
        self.notebook.begin()

    def clear(self, _: int) -> None:
        self.notebook.clear()
        self.places = {number: place for number, place in self.places.items() if place[0] != self.cell}

    def update(self, length: int) -> None:
        if self.places:
            places = sorted(self.places.values())
            count = self._chance.randrange(1, len(places) + 1)
            self.notebook.update({"text/plain": "u" * length}, self._chance.sample(places, count))


def kept(out: Any) -> int:
    """Return how much of what came an output shows, without a notice."""
    if out.output_type == "stream" and "[notebook-ci" in out.text:
        begin, _, rest = out.text.partition("\n[notebook-ci")
        return len(begin) + len(rest.partition("`max-output`]\n")[2])
    if out.output_type == "display_data" and "notebook-ci" in out.data["text/plain"]:
        return 0
    return size(out)


@pytest.mark.parametrize("seed", range(200))
@pytest.mark.parametrize("in_place", [True, False])
def test_whatever_comes_it_is_bounded_and_nothing_shifts(seed: int, *, in_place: bool) -> None:
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    limit = chance.choice([1, 500, 5_000, 50_000, PLENTY])
    sequence = Sequence(chance, limit, in_place=in_place)
    count = chance.randrange(1, 120)
    for _ in range(count):
        sequence.go_on()
    notebook = sequence.notebook
    notebook.end()
    outs = [out for each in notebook.nb.cells for out in each.outputs]
    if limit == PLENTY:
        assert notebook.bound.left_out == 0
        assert "notebook-ci" not in str(outs)
    assert notebook.written <= limit + NOTICE_BYTES * count
    if not in_place:
        assert sum(map(kept, outs)) + notebook.bound.left_out == sequence.came
