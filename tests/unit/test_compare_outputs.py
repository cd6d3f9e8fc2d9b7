"""Comparing the outputs of a cell: streams, displays, tables, structures, errors."""

from collections.abc import Sequence
from typing import Any

import pytest

from notebook_ci.compare import tables
from notebook_ci.compare.outputs import OutputDifference, compare
from notebook_ci.compare.texts import EXACT, Tolerance

Output = dict[str, Any]
NUMBERS = Tolerance(1e-6)
WIDGET = "application/vnd.jupyter.widget-view+json"


def out(text: str, name: str = "stdout") -> Output:
    return {"output_type": "stream", "name": name, "text": text}


def display(text: str = "", **data: object) -> Output:
    types = {
        "html": "text/html",
        "png": "image/png",
        "mp4": "video/mp4",
        "json": "application/json",
        "vega": "application/vnd.vega+json",
        "plotly": "application/vnd.plotly.v1+json",
    }
    found = {types[name]: value for name, value in data.items()}
    return {"output_type": "display_data", "data": found | ({"text/plain": text} if text else {}), "metadata": {}}


def error(evalue: str) -> Output:
    return {"output_type": "error", "ename": "ValueError", "evalue": evalue, "traceback": ["at 0x1"]}


def frame(*rows: Sequence[object], columns: Sequence[object] = "ab", more: str = "") -> str:
    """Return a data frame as pandas (2.3) displays it; the first of each row is its label."""
    head = "".join(f"      <th>{each}</th>\n" for each in ("", *columns))
    body = "".join(
        f"    <tr>\n      <th>{label}</th>\n" + "".join(f"      <td>{each}</td>\n" for each in cells) + "    </tr>\n"
        for label, *cells in rows
    )
    return (
        "<div>\n<style scoped>\n    .dataframe tbody tr th {\n        vertical-align: top;\n    }\n</style>\n"
        f'<table border="1" class="dataframe">\n  <thead>\n    <tr style="text-align: right;">\n{head}    </tr>\n'
        f"  </thead>\n  <tbody>\n{body}  </tbody>\n</table>\n{more}</div>"
    )


def polars(*rows: Sequence[object], columns: Sequence[str] = ("a", "b")) -> str:
    """Return a data frame as polars (1.x) displays it."""
    head = "".join(f"<th>{each}</th>" for each in columns)
    kinds = "".join("<td>f64</td>" for _ in columns)
    body = "".join(f"<tr>{''.join(f'<td>{each}</td>' for each in row)}</tr>" for row in rows)
    return (
        "<div><style>\n.dataframe > thead > tr { text-align: right; }\n</style>\n"
        f'<small>shape: ({len(rows)}, {len(columns)})</small><table border="1" class="dataframe"><thead><tr>{head}</tr>'
        f"<tr>{kinds}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def differences(old: Output | list[Output], new: Output | list[Output], tolerance: Tolerance = NUMBERS) -> list[str]:
    stored, now = (each if isinstance(each, list) else [each] for each in (old, new))
    return [f"{each.change}: {each.message}" for each in compare(stored, now, tolerance).differences]


# --- Streams


def test_a_stream_may_be_split_anywhere() -> None:
    pieces = [out("a"), out("b\n", "stderr"), out("c\n"), display("x"), out("d\n")]
    joined = [display("x"), out("ac\nd\n"), {**out("", "stderr"), "text": ["b", "\n"]}]
    assert not differences(pieces, joined, EXACT)
    assert not differences([], out(""), EXACT)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (out("1.5\n"), out("2.5\n"), "changed: `stdout`: `1.5` became `2.5`"),
        ([], out("a.py:1: UserWarning: low\n", "stderr"), "new: `stderr` is new: `a.py:1: UserWarning: low`"),
        (out("done"), [], "gone: `stdout` is gone: `done`"),
    ],
)
def test_a_stream_that_differs(old: Any, new: Any, said: str) -> None:
    assert differences(old, new) == [said]


def test_text_that_moves_to_the_other_stream_is_gone_from_the_first() -> None:
    assert differences(out("a"), out("a", "stderr")) == ["gone: `stdout` is gone: `a`", "new: `stderr` is new: `a`"]


def test_a_long_text_is_cut_in_the_message() -> None:
    [said] = differences([], out("word " * 10_000))
    assert len(said) < 150
    [said] = differences(out("\n".join("abcdefgh")), out("\n".join("ABCDEFGH")))
    assert said.count("became") == 3
    assert said.endswith("(and 5 more)")


def test_text_that_the_limit_left_out_is_a_change() -> None:
    kept = "a\n[notebook-ci: 0.300 MB of output left out here: more than `max-output`]\nz"
    assert differences(out("a\nb\nz"), out(kept)) != []


# --- Displays


def test_displays_count_in_their_order() -> None:
    assert differences([display("a"), display("b")], [display("b"), display("a")]) == [
        "changed: output 1: `a` became `b`",
        "changed: output 2: `b` became `a`",
    ]
    assert differences([display("a")], [display("a"), display("b")]) == ["new: output 2 is new: `b`"]
    assert differences([display("a"), display("b")], [display("a")]) == ["gone: output 2 is gone: `b`"]


def test_a_result_and_a_display_look_the_same() -> None:
    result = {**display("3"), "output_type": "execute_result", "execution_count": 17}
    assert not differences(result, display("3"), EXACT)


def test_a_representation_may_be_new_or_gone() -> None:
    plain, rich = display("a"), display("a", html="<b>a</b>", png="AAAA")
    assert differences(plain, rich) == ["changed: output 1: `text/html` is new; `image/png` is new"]
    assert differences(rich, plain) == ["changed: output 1: `text/html` is gone; `image/png` is gone"]


def test_videos_and_widgets_are_counted_not_compared() -> None:
    old, new = (display("<Video>", mp4=data) for data in ("AAAA", "BBBB"))
    assert compare([old, old], [new, old], EXACT).not_compared == 1
    assert not differences(old, new, EXACT)
    views = [
        {"output_type": "display_data", "data": {WIDGET: {"model_id": each}, "text/plain": "Slider(3)"}}
        for each in "ab"
    ]
    assert compare(views[:1], views[1:], EXACT).not_compared == 1
    assert differences(old, display("<Video 2>", mp4="BBBB")) == ["changed: output 1: `<Video>` became `<Video 2>`"]


def test_other_html_is_text() -> None:
    assert differences(display("x", html="<b>1.5</b>"), display("x", html="<i>1.5</i>"))
    assert not differences(display("x", html="<b>1.5</b>"), display("x", html="<b>1.50000001</b>"))


def test_only_on_a_terminal_a_return_hides_what_is_before_it() -> None:
    assert not differences([display("1\rb"), out("1\rb")], [display("2\rb"), out("2\rb")], EXACT)
    assert differences(display("x", html="<b>1</b>\r<b>b</b>"), display("x", html="<b>2</b>\r<b>b</b>"))
    assert differences(display("x", html=frame((0, "1\rb", 1))), display("x", html=frame((0, "2\rb", 1))))
    assert differences(display(json={"a": "1\rb"}), display(json={"a": "2\rb"}))
    assert not differences(display("x", html="<b>\r\n</b>"), display("x", html="<b>\n</b>"), EXACT)


def test_an_image_of_another_format_equals_only_itself() -> None:
    old, new = (display("x") | {"data": {"image/bmp": data}} for data in ("AAAA", "AAAB"))
    assert not differences(old, old)
    assert differences(old, new) == ["changed: output 1: `AAAA` became `AAAB`"]


# --- Structures


def test_sets_and_dicts_have_no_order_but_lists_have() -> None:
    assert not differences(display("{'b', 'a'}"), display("{'a', 'b'}"), EXACT)
    assert not differences(display("{'a': 1, 'b': {2, 3}}"), display("{'b': {3, 2}, 'a': 1}"), EXACT)
    assert not differences(out("{'b', 'a'}\n"), out("{'a', 'b'}\n"), EXACT)
    assert differences(display("{'b', 'a'}"), display("{'a', 'b'}"), Tolerance(keep=frozenset({"set-order"})))
    assert differences(display("[1, 2]"), display("[2, 1]"))
    assert differences(display("{'a': [1, 2]}"), display("{'a': [2, 1]}"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{'a', 'b'}", "{'a', 'c'}", "`'b'` is gone; `'c'` is new"),
        ("{'a': 1.0, 'b': 2}", "{'b': 2, 'a': 1.5}", "`['a']`: `1.0` became `1.5`"),
        ("{'a': 1}", "{'a': True}", "`['a']`: `1` became `True`"),
        ("{1: 'a'}", "{True: 'a'}", "`1` is gone; `True` is new"),
        ("{'a': (1,)}", "{'a': [1]}", "`['a']`: `(1,)` became `[1]`"),
        ("{'a': 'x'}", "{'a': 'y'}", "`['a']`: `x` became `y`"),
        ("{'a': None}", "{'a': 0}", "`['a']`: `None` became `0`"),
        ("{1: 2}", "{1}", "`{1: 2}` became `{1}`"),
        ("{1} # 2 rows", "{1} # 3 rows", "`{1} # 2 rows` became `{1} # 3 rows`"),
        ("{nan}", "{0}", "`{nan}` became `{0}`"),
        ("{'a': 1, 'a': 2}", "{'a': 5, 'a': 2}", "`{'a': 1, 'a': 2}` became `{'a': 5, 'a': 2}`"),
        ("{1, True}", "{1}", "`{1, True}` became `{1}`"),
        ("{0x10}", "{16}", "`{0x10}` became `{16}`"),
        ("{'a' 'b'}", "{'ab'}", "`{'a' 'b'}` became `{'ab'}`"),
        ("{(", "{)", "`{(` became `{)`"),
    ],
)
def test_what_differs_in_a_dict_or_set(old: str, new: str, said: str) -> None:
    assert differences(display(old), display(new)) == [f"changed: output 1: {said}"]


@pytest.mark.parametrize("kind", ["vega", "plotly"])
def test_json_is_compared_by_its_structure(kind: str) -> None:
    old = {"mark": "bar", "values": [{"x": 1, "y": 2.0}, {"x": 2, "y": 3.0}], "n": float("nan")}
    same = {"n": float("nan"), "values": [{"y": 2.00000001, "x": 1}, {"y": 3, "x": 2}], "mark": "bar"}
    assert not differences(display("", **{kind: old}), display("", **{kind: same}))
    assert differences(display("", **{kind: old}), display("", **{kind: same}), EXACT)
    new = {**old, "values": [{"x": 1, "y": 2.5}]}
    assert differences(display("", **{kind: old}), display("", **{kind: new})) == [
        "changed: output 1: `['values']`: 2 items became 1; `['values'][0]['y']`: `2.0` became `2.5`"
    ]
    assert differences(display(json=["a", "b"]), display(json=["ab"])), "its lists are no lines of a text"
    assert differences(display(json={"x": True}), display(json={"x": 1}))
    assert differences(display(json={"x": 1}), display(json={"x": 2}))
    assert differences(display(json={"x": None}), display(json={}))


# --- Tables

ROWS = ((0, 1, 10.5), (1, 2, 11.5))


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (frame((0, 1, 10.5), (1, 2, 11.25)), "column `b`, row `1`: `11.5` became `11.25`"),
        (frame((0, 1, 10.5), (1, 3, 11.5)), "column `a`, row `1`: `2` became `3`"),
        (frame((0, 1, "NaN"), (1, 2, 11.5)), "column `b`, row `0`: `10.5` became `NaN`"),
        (
            frame((0, 2, 11.5), (1, 1, 10.5)),
            "column `a`, row `0`: `1` became `2`; column `b`, row `0`: `10.5` became `11.5`",
        ),
        (frame((1, 2, 11.5), (0, 1, 10.5)), "the rows have another order"),
        (frame((0, 1, 10.5), ("x", 2, 11.5)), "gone: row `1`; new: row `x`"),
        (frame(*ROWS, (2, 3, 12.5)), "2 rows became 3; new: row `2`"),
        (frame((0, 1, 10.5)), "2 rows became 1; gone: row `1`"),
        (frame((0, 1, 10.5), (0, 2, 11.5)), "gone: row `1`"),
        (frame((0, 10.5, 1), (1, 11.5, 2), columns="ba"), "the columns have another order"),
        (frame((0, 1, 10.5, 0), (1, 2, 11.5, 0), columns="abc"), "3 columns became 4; new: column `c`"),
        (frame((0, 1), (1, 2), columns="a"), "3 columns became 2; gone: column `b`"),
        (frame(*ROWS, columns="ac"), "gone: column `b`; new: column `c`"),
        (
            frame((0, 1, '<a href="x">10.5</a>'), (1, 2, 11.5)),
            'column `b`, row `0`: `10.5` became `<a href="x">10.5</a>`',
        ),
    ],
)
def test_what_differs_in_a_table(new: str, said: str) -> None:
    [found] = differences(display("the same", html=frame(*ROWS)), display("the same", html=new))
    assert found.startswith(f"changed: output 1: {said}")


def test_a_table_decides_instead_of_its_text() -> None:
    old, new = (
        display("0  10.5", html=frame(*ROWS)),
        display("0 10.500", html=frame((0, 1, 10.500000001), (1, 2, 11.5))),
    )
    assert not differences(old, new)
    assert differences(old, new, EXACT) == ["changed: output 1: column `b`, row `0`: `10.5` became `10.500000001`"]
    assert differences(display("a", html="<p>x</p>"), display("b", html="<p>x</p>"))


def _of_two(price: object, size: object) -> list[Output]:
    """Return a row of two numbers in all ways that give them names."""
    columns = ["price", "price/size"]
    return [
        display(html=frame([0, price, size], columns=columns)),
        display(html=polars([price, size], columns=columns)),
        display(f"{{'price': {price}, 'price/size': {size}}}"),
        display(json={"price": [price], "price/size": size}),
    ]


@pytest.mark.parametrize("way", range(4))
def test_columns_and_keys_have_tolerances_of_their_own(way: int) -> None:
    named = Tolerance(1e-6, named={"price": 0.1})
    old = _of_two(4.5, 1.5)[way]
    assert not differences(old, _of_two(4.7, 1.5)[way], named)
    assert differences(old, _of_two(4.7, 1.5)[way])
    assert differences(old, _of_two(5.5, 1.5)[way], named)
    assert differences(old, _of_two(4.5, 1.6)[way], named)
    assert differences(old, _of_two(4.7, 1.5)[way], Tolerance(0.1, named={"price": 1e-6})), "stricter than the others"


def test_the_hidden_rows_of_a_long_table_are_counted() -> None:
    def long(count: str) -> Output:
        more = f"<p>{count} rows and 2 columns</p>\n"
        return display("x", html=frame((0, 1, 10.5), ("...", "...", "..."), (9, 2, 11.5), more=more))

    assert differences(long("10000001"), long("10000000")) == [
        "changed: output 1: line 10: `<p>10000001 rows and 2 columns</p>` became `<p>10000000 rows and 2 columns</p>`"
    ]


def test_labels_of_several_levels() -> None:
    def levels(inner: str, value: str) -> str:
        return (
            '<table border="1" class="dataframe"><thead><tr><th></th><th></th><th colspan="2">price</th></tr>'
            "<tr><th>city</th><th>year</th><th>min</th><th>max</th></tr></thead>"
            f'<tbody><tr><th rowspan="2">Rome</th><th>1</th><td>1</td><td>2</td></tr>'
            f"<tr><th>{inner}</th><td>3</td><td>{value}</td></tr></tbody></table>"
        )

    assert differences(display(html=levels("2", "4")), display(html=levels("2", "5"))) == [
        "changed: output 1: column `price max`, row `Rome 2`: `4` became `5`"
    ]
    assert differences(display(html=levels("2", "4")), display(html=levels("3", "4"))) == [
        "changed: output 1: gone: row `Rome 2`; new: row `Rome 3`"
    ]


def test_tables_of_polars() -> None:
    old = display("x", html=polars((1.0, 2.0), (3.0, 4.0)))
    assert not differences(old, display("y", html=polars((1.0, 2.0), (3.0, 4.0))), EXACT)
    assert differences(old, display("y", html=polars((1.0, 2.0), (3.0, 4.5)))) == [
        "changed: output 1: column `b f64`, row `2`: `4.0` became `4.5`"
    ]
    [said] = differences(old, display("y", html=polars((1.0, 2.0))))
    assert said.endswith(
        "line 4: `<small>shape: (2, 2)</small>` became `<small>shape: (1, 2)</small>`; 2 rows became 1"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<td>10.5</td>", '<td style="color: red;">10.5</td>'),
        ("<td>10.5</td>", "<td><b>10</b>.5</td>"),
        ('<tr style="text-align: right;">', '<tr style="text-align: right; color: red;">'),
        ('<table border="1" ', '<table border="1" style="display: none" '),
        ("vertical-align: top;", "display: none;"),
        ("<p>2 rows</p>", '<p style="color: red">2 rows</p>'),
        ("<tbody>", "<tfoot></tfoot><tbody>"),
    ],
)
def test_what_a_person_sees_besides_the_text_of_a_table_counts(before: str, after: str) -> None:
    html = frame(*ROWS, more="<p>2 rows</p>\n")
    old, new = display("x", html=html), display("x", html=html.replace(before, after, 1))
    assert old != new
    assert differences(old, new)


def test_the_tags_inside_a_cell_count() -> None:
    old, new = (display(html=frame((0, cell, 1))) for cell in ("<b>1</b>2", "<b>12</b>"))
    assert differences(old, new) == ["changed: output 1: column `a`, row `0`: `<b>1</b>2` became `<b>12</b>`"]


def test_the_name_of_an_index_is_not_one_of_the_columns() -> None:
    def named(first: str, second: str) -> Output:
        head = f"<tr><th>{first}</th><th>a</th></tr><tr><th>{second}</th><th></th></tr>"
        body = "<tbody><tr><th>0</th><td>1</td></tr></tbody>"
        return display(html=f'<table border="1" class="dataframe"><thead>{head}</thead>{body}</table>')

    assert differences(named("year", ""), named("", "year")) == [
        "changed: output 1: labels of columns moved to another line"
    ]


@pytest.mark.parametrize(
    "cells", ["<td", "<tr>", "</td", "<!--", "<", "<a ", '<td rowspan="9999" colspan="9999">', "<!["]
)
def test_garbage_is_no_table_and_takes_no_time(cells: str) -> None:
    assert tables.read('<table border="1" class="dataframe"><tr><td>1</td></tr>' + cells * 50_000) is None


@pytest.mark.parametrize(
    "other",
    [
        lambda html: html.replace("<table", "<img src='a.png'><table"),
        lambda html: html + html,
        lambda html: html.replace("<td>10.5</td>", "<td><table></table></td>"),
        lambda html: html.replace("<td>10.5</td>", "<td>10.5</td><td>10.5</td>"),
        lambda html: html.replace("<td>10.5</td>", '<td colspan="1000000">10.5</td>'),
        lambda html: html.replace("<thead>", "<caption>of 2024</caption><thead>"),
    ],
)
def test_a_table_with_something_else_is_text(other: Any) -> None:
    html = other(frame(*ROWS))
    assert not differences(display(html=html), display(html=html))
    assert differences(display(html=frame(*ROWS)), display(html=html))
    assert differences(display("x", html=html), display("y", html=html)), "its text counts, too"


def test_a_table_without_a_head_has_values() -> None:
    html = '<table class="dataframe"><tbody><tr><th>0</th><td>1</td></tr></tbody></table>'
    [said] = differences(display(html=html), display(html=html.replace("<td>1", "<td>2")))
    assert said == "changed: output 1: column `2`, row `0`: `1` became `2`"


# --- Errors, and outputs that are none


def test_errors_that_a_cell_may_raise_are_compared_without_their_tracebacks() -> None:
    assert not differences(error("no"), {**error("no"), "traceback": ["at 0x2"]}, EXACT)
    assert differences(error("no"), error("yes")) == ["error: the error: `ValueError: no` became `ValueError: yes`"]
    assert differences([], error("no")) == ["error: the error is new: `ValueError: no`"]
    assert differences([error("a"), error("b")], [error("c"), error("b")]), "each of several counts"
    assert differences(error("no"), []) == ["error: the error is gone: `ValueError: no`"]


def test_a_difference_names_the_stored_output() -> None:
    stored = [out("a"), out("b", "stderr"), out("c"), display("d")]
    now = [out("a"), out("x", "stderr"), out("y"), display("z"), display("n")]
    assert [(each.change, each.output) for each in compare(stored, now, EXACT).differences] == [
        ("changed", 0),
        ("changed", 1),
        ("changed", 3),
        ("new", None),
    ]


@pytest.mark.parametrize("broken", [{}, {"output_type": "stream"}, {"output_type": "display_data", "data": None}])
def test_a_broken_stored_output_never_equals_a_new_one(broken: Output) -> None:
    found = compare([broken], [display("a")], NUMBERS).differences
    assert isinstance(found[0], OutputDifference)
