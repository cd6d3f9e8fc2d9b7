"""What has room on the page of a run."""

import pytest

from notebook_ci.report_run.pieces import Piece, fitted

SMALL, LARGE, LARGER = Piece("a" * 10), Piece("b" * 100, "(100)"), Piece("c" * 200, "(200)")
FIRST, SECOND = [SMALL, LARGER, LARGE], [SMALL, SMALL, LARGE]
LEFT_OUT = '<p class="notice">[A notebook of {} B is left out: `max-size`.]</p>'


@pytest.mark.parametrize(
    ("most", "first", "second", "left_out"),
    [
        (430, "aaaaaaaaaa" + "c" * 200 + "b" * 100, "a" * 20 + "b" * 100, 0),
        (429, "aaaaaaaaaa(200)" + "b" * 100, "a" * 20 + "b" * 100, 1),
        (229, "aaaaaaaaaa(200)(100)", "a" * 20 + "(100)", 3),
        (29, "aaaaaaaaaa(200)(100)", LEFT_OUT.format(20), 3),
        (9, LEFT_OUT.format(10), LEFT_OUT.format(20), 2),
    ],
)
def test_the_largest_outputs_are_left_out_first_and_then_notebooks(
    most: int, first: str, second: str, left_out: int
) -> None:
    assert fitted({"1": FIRST, "2": SECOND}, most) == ({"1": first, "2": second}, left_out)
