"""Comparing texts: what is hidden because it differs in each run, and which numbers are equal."""
# ruff: noqa: S108 - the paths are only text

import re
from dataclasses import replace

import pytest

from notebook_ci.compare.normalise import NAMES, ON_REQUEST, RULES, on_terminal, shown
from notebook_ci.compare.texts import EXACT, Tolerance, became, differences

NUMBERS = Tolerance(1e-6)

UUID, OTHER = "6f1c2a4e-0b7d-4b0e-9a55-0242ac130003", "00000000-0b7d-4b0e-9a55-0242ac130003"
# By rule: two texts of two runs, then texts that must be kept as they are.
HIDDEN: dict[str, tuple[str, str, list[str]]] = {
    "addresses": (
        "<Model at 0x7f3a5c0e1d90>, <Future at 0x55d2a8 state=pending>, <weakref at 0x7f0000; to 'A' at 0x7f0001>",
        "<Model at 0x7f00000000ab>, <Future at 0x5501ff state=pending>, <weakref at 0x7f1000; to 'A' at 0x7f1001>",
        [
            "entry at 0x401000, size 12",
            "flags at 0x10ff20",
            "0x7f3a5c0e1d90",
            "<Register at 0x1f>",
            "<at 0x7f3a5c0e1d90b>c",
        ],
    ),
    "cell-files": (
        "'/tmp/ipykernel_811/3155.py:2: UserWarning: low",
        "'C:\\Users\\a\\Temp\\ipykernel_9\\42.py:2: UserWarning: low",
        ["/tmp/model_811/3155.py", "ipykernel_811/1.py", "/tmp/ipykernel_811/data.csv"],
    ),
    "package-folders": (
        "/home/a/.venv/lib/python3.12/site-packages/lib/x.py:7: FutureWarning",
        "C:\\envs\\b\\Lib\\site-packages/lib/x.py:7: FutureWarning",
        ["site-packages has 3 files", "/home/a/data/x.py:7", "/a/site-packages-old/x"],
    ),
    "temporary-folders": (
        "/tmp/tmpab_12xyz/model.bin",
        "/tmp/tmp0000aaaa/model.bin",
        ["data/tmpab_12xyz", "/tmp/tmpab_12xyz9", "/tmp/tmpab", "/tmp/results1234"],
    ),
    "time": (
        "CPU times: user 2 µs, sys: 1e+03 ns, total: 3.1 s\nWall time: 1min 3s",
        "CPU times: user 31 ms, sys: 0 ns, total: 31 ms\nWall time: 5.01 µs",
        ["Wall time: unknown", "The Wall time: 3 s", "Wall time: 3 ± 1", "Wall time: 3 s, 12 errors", "Wall time: 12"],
    ),
    "timeit": (
        "1min 2s ± 1e+03 ns per loop (mean ± std. dev. of 7 runs, 1,000,000 loops each)",
        "2 ms ± 0.1 µs per loop (mean ± std. dev. of 1 run, 1 loop each)",
        ["1.02 ± 0.1", "1.02 µs ± 10 ns per loop", "1.02 m ± 10 mm (mean ± std. dev. of 7 runs)"],
    ),
    "memit": (
        "peak memory: 97.88 MiB, increment: 0.04 MiB",
        "peak memory: 101.5 MiB, increment: -1 MiB",
        ["peak memory: 97.88 MiB", "memory usage: 7.9+ KB", "peak memory: 5 MiB, increment: 1 GiB"],
    ),
    "tqdm": (
        "fit: 100%|██████████| 10/10 [00:01<00:00, 9.87it/s, loss=0.25]; 7it [00:01, 9.87it/s]",
        "fit: 100%|██████████| 10/10 [01:02:03<00:00,  1.20s/it, loss=0.25]; 7it [01:02,  1.20s/it]",
        ["at km 3 [10:20, 5km/s]", "[00:01<00:00, 9.87it/s]", "10/10 [00:01]", "a 3 [0<1, 2]"],
    ),
    "keras": (
        "10/10 [====] - 0s 2ms/step - loss: 0.5\n10/10 ━━━━ 0s 5ms/step - loss: 0.5",
        "10/10 [====] - 12s 1s/step - loss: 0.5\n10/10 ━━━━ 3s 900us/step - loss: 0.5",
        ["0s 5ms/step", "[1] 5s per step", "] 1s 2m/step"],
    ),
    "pandas-styles": (
        '<style>#T_0a1b2_row0_col0, #T_0a1b2 th {}</style><table id="T_0a1b2"><td id="T_0a1b2_row0_col0">',
        '<style>#T_fffff_row0_col0, #T_fffff th {}</style><table id="T_fffff"><td id="T_fffff_row0_col0">',
        ["T_0a1b2", "column T_0a1b2 ", '{"id": "T_00012"}', 'id="T_00012"', "ticket #T_00012 is open", '"T_total"'],
    ),
    "plotly-names": (
        f'<div id="{UUID}" class="plotly-graph-div"> getElementById(\'{UUID}\') Plotly.newPlot(   "{UUID}", [])',
        f'<div id="{OTHER}" class="plotly-graph-div"> getElementById(\'{OTHER}\') Plotly.newPlot(   "{OTHER}", [])',
        [f'"{UUID}"', f'id="{UUID}"', f'Row("{UUID}")', f'<div id="{UUID}1">'],
    ),
    "altair-names": (
        f'<div id="altair-viz-{"0a" * 16}">',
        f'<div id="altair-viz-{"1b" * 16}">',
        [f"altair-viz-{'0a' * 17}", "0a" * 16],
    ),
}


def test_each_rule_has_examples() -> None:
    assert list(RULES) == list(HIDDEN)


@pytest.mark.parametrize("rule", HIDDEN)
def test_a_rule_hides_what_differs_in_each_run_and_nothing_else(rule: str) -> None:
    first, second, kept = HIDDEN[rule]
    assert first != second
    assert shown(first) == shown(second)
    assert [shown(text) for text in kept] == kept
    others = [text for name, texts in HIDDEN.items() if name != rule for text in texts[:2]]
    assert not [text for text in others if re.search(RULES[rule][0], text)]


@pytest.mark.parametrize("rule", HIDDEN)
def test_a_rule_can_be_turned_off(rule: str) -> None:
    first, second, _ = HIDDEN[rule]
    assert shown(first, {rule}) != shown(second, {rule})
    assert list(differences(first, second, Tolerance(keep=frozenset({rule}))))
    assert shown(first, set(NAMES) - {rule}) == shown(second, set(NAMES) - {rule})


# The same for what is only hidden on request.
RESULTS: dict[str, tuple[str, str, list[str]]] = {
    "dates": (
        "on 2024-01-05, 2024/01/05 (2024-01-05T00) at 2024-01-05.",
        "on 2026-11-30, 2026/11/30 (2026-11-30T00) at 2026-11-30.",
        [
            "2024-01",
            "12024-01-05",
            "2024-01/05",
            "1/2024/01/05",
            "2024-01-05-3",
            "2024-01-05.3",
            "a2024-01-05",
            "20240105",
        ],
    ),
    "times": (
        "T12:30:01.25Z 9:05:00+02:00, 0:00:01",
        "T00:00:00.1Z 19:05:59+01:00, 5:10:01",
        ["12:30", "3:1:2", "12:30:01:07", "1.12:30:01", "a:b:c"],
    ),
    "versions": (
        "pandas==2.3.3, v1.10.0rc1 (3.12.4)",
        "pandas==2.10.0, v2.0.0.dev1 (3.13.0.1)",
        ["1.25", "2.3", "1.2.3.4.5", "a1.2.3", "1.2.3x", "1..2", "1.234.567", "1.234.567.", "05.01.2024"],
    ),
    "sizes": (
        "memory usage: 1.2+ KB, 48MB (1,024 bytes)",
        "memory usage: 99.5 MiB, 3GB (8 bytes)",
        ["1.5", "3 Bob", "2 m", "12 kg", "x5 MB", "3.2B"],
    ),
}


@pytest.mark.parametrize("name", ON_REQUEST)
def test_what_can_be_a_result_is_hidden_only_on_request(name: str) -> None:
    first, second, kept = RESULTS[name]
    assert shown(first, hide={name}) == shown(second, hide={name})
    for text in (*kept, first, second):
        assert shown(text) == text
    assert [shown(text, hide={name}) for text in kept] == kept
    assert not list(differences(first, second, Tolerance(is_exact=True, hide=frozenset({name}))))
    others = Tolerance(0.9, hide=frozenset(ON_REQUEST) - {name})
    assert list(differences(first, second, others))


def test_a_set_of_strings_has_no_order() -> None:
    assert shown("f({'b', 'a, c'}) = [{'c', 'b'}]") == shown("f({'a, c', 'b'}) = [{'b', 'c'}]")
    for text in ("{'a, b', 'c, d'}", "{'b': 'a', 'a': 'b'}", "{'b', 1, 'a'}", "['b', 'a']"):
        assert shown(text) == text
    assert shown("{'b', 'a'}", {"set-order"}) != shown("{'a', 'b'}", {"set-order"})
    assert shown("{'a, d', 'c, b'}") != shown("{'a, b', 'c, d'}")


def test_each_return_of_a_long_line_is_read_once() -> None:
    assert on_terminal("a" * 300_000 + "\rb" * 300_000) == "b" + "a" * 299_999


@pytest.mark.parametrize(
    "text",
    [
        "12:30",
        "2024-01-05 12:30:01",
        "6f1c2a4e-0b7d-4b0e-9a55-0242ac130003",
        "took 3.2 s",
        "1.2.3",
        "/data/a.csv",
        "45%",
    ],
)
def test_what_can_be_a_result_is_never_hidden(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\rb", "b"),
        ("abc\rX", "Xbc"),
        (" 10%\r 55%\r100%\ndone\r\n", "100%\ndone\n"),
        ("working\r       \r\n", "\n"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("1/2\b\b\b\r2/2", "2/2"),
        ("abcd\rX\rYY", "YYcd"),
    ],
)
def test_text_is_seen_as_a_terminal_shows_it(text: str, seen: str) -> None:
    assert on_terminal(text) == seen


EQUAL = [
    ("0.30000000000000004", "0.3"),
    ("loss: 1.2345678, done", "loss: 1.2345679, done"),
    ("-1.00000001e-05", "-1e-05"),
    ("[1. 2.5]", "[1.0 2.5000001]"),
    ("1", "1.0"),
    ("0.0", "-0.0"),
    ("(1.00000001+2j)", "(1+2j)"),
    ("12.500001%", "12.5%"),
    ("nan", "nan"),
    ("[1. 2.]", "[0.99999999 2.        ]"),
    ("[1.5 -2.]", "[ 1.50000001 -2.        ]"),
    ("[-0.  1.]", "[0. 1.]"),
    ("array([1.5, -2.])", "array([ 1.50000001, -2.        ])"),
    ("array([1.5, 2.])", "array([ 1.50000001,  2.        ])"),
    ("1000000", "1000000.0"),
]
CHANGED = [
    ("1.5", "1.6"),
    ("1.5", "-1.5"),
    ("1.5", "\u22121.5"),
    ("-1.5", "\u22121.5"),
    ("1e-3", "1e3"),
    ("1.5e-05", "1.5e-06"),
    ("nan", "0.0"),
    ("0.0", "nan"),
    ("nan", "inf"),
    ("inf", "-inf"),
    ("1e308", "1e309"),
    ("0", "1e-300"),
    ("0.0", "1e-17"),
    ("1.6e-19", "1.7e-19"),
    ("123456789", "123456790"),
    ("20240101", "20240102"),
    ("1,000,000,001.5", "1,000,000,002.5"),
    ("numpy 1.26.4", "numpy 1.26.5"),
    ("10.0.0.1", "10.0.0.2"),
    ("v1.0000001", "v1.0000002"),
    ("x1.0000001y", "x1.0000002y"),
    ("0x1.0000001", "0x1.0000002"),
    ("12345e7", "12345e8"),
    ("007", "7"),
    ("123456789", "123456790.0"),
    ("10000001.", "10000002."),
    ("10000001 rows", "10000001.5 rows"),
    ("1e-400", "2e-400"),
    ("1.5e-310", "1.6e-310"),
    ("\u0663.5", "3.5"),
    ("12:30:45.123456", "12:30:45.123457"),
    ("9" * 400, "9" * 400 + ".5"),
    ("a b 1.0", "ab 1.00000001"),
    ("a  b 1.0", "a b 1.0"),
    ("a  1.0", "a 1.0"),
    ("1.0 2.0", "1.02.0"),
    ("+5", "-5"),
    ("1.5-2.5", "1.5--2.5"),
    ("3 rows", "3.0 row"),
    ("a 1.0", "b 1.0"),
    ("1.0 2.0", "2.0 1.0"),
    ("1.0 2.0", "1.0"),
    ("", "1.0"),
    ("None", "0.0"),
    ("1.0 kg", "1.0 g"),
]


def alike(old: str, new: str, tolerance: Tolerance) -> bool:
    return not list(differences(old, new, tolerance))


@pytest.mark.parametrize(("old", "new"), EQUAL)
def test_numbers_within_the_tolerance_are_equal_unless_text_must_be(old: str, new: str) -> None:
    assert alike(old, new, NUMBERS)
    assert alike(new, old, NUMBERS)
    assert alike(old, new, EXACT) is (old == new)


@pytest.mark.parametrize(("old", "new"), CHANGED)
def test_everything_else_is_a_change(old: str, new: str) -> None:
    assert not alike(old, new, NUMBERS)
    assert not alike(new, old, NUMBERS)


def test_a_number_that_moves_to_another_column_is_a_change() -> None:
    assert not alike("0  1.5       3.5", "0       1.5  3.5", NUMBERS)
    assert not alike("a\n1.0     2.0", "a\n1.0  2.0", Tolerance(0.5))
    assert alike("[1.5 2.5]\n[3.  4. ]", "[1.5        2.5       ]\n[3.00000001 4.        ]", NUMBERS)


def test_each_tolerance_has_its_limit() -> None:
    assert alike("1000.0", "1009.0", Tolerance(0.01))
    assert not alike("1000.0", "1011.0", Tolerance(0.01))
    assert alike("0.0", "1e-13", Tolerance(atol=1e-12))
    assert not alike("0.0", "1e-11", Tolerance(atol=1e-12))
    assert not alike("100", "101", Tolerance(0.9, 9)), "whole numbers are exact"
    assert not alike("version 3.11.1", "version 3.11.2", Tolerance(0.9))


def test_a_number_behind_a_name_has_its_own_tolerance() -> None:
    named = Tolerance(1e-6, named={"price": 0.1, "test loss": 0.1})
    for text in (
        "price: {}",
        "price={}",
        "7 items, price = {}",
        "3 price: {}",
        "a 1.0 (price: {})",
        "test loss: {}",
        "  price: {}",
    ):
        assert alike(text.format("4.0"), text.format("4.3"), named)
        assert not alike(text.format("4.0"), text.format("4.5"), named), "its limit"
        assert not alike(text.format("4"), text.format("5"), named), "whole numbers"
        assert not alike(text.format("4.0"), text.format("4.3"), NUMBERS)
        assert not alike(text.format("4.0"), text.format("4.3"), replace(named, is_exact=True))
    for text in (
        "unit price: {}",
        "unit  price: {}",
        "unit\tprice: {}",
        "unit/price: {}",
        "q1 price: {}",
        "q12 price: {}",
        "pricey: {}",
        "unit-price: {}",
        "x.price={}",
        "price {}",
        "price: 1.0 {}",
        "loss: {}",
    ):
        assert not alike(text.format("4.0"), text.format("4.3"), named)
    assert not alike("price: 4.0 cost: 4.0", "price: 4.0 cost: 4.3", named)


def test_the_lines_that_differ_are_named() -> None:
    assert list(differences("a\nb 1.0\nc\n", "a\nb 2.0\nd\n", NUMBERS)) == [
        "line 2: `b 1.0` became `b 2.0`",
        "line 3: `c` became `d`",
    ]
    assert list(differences("a", "b", NUMBERS)) == ["`a` became `b`"]
    assert list(differences("a\nc", "a\nb\nc", NUMBERS)) == ["2 lines became 3; line 2: `c` became `b`"]
    assert list(differences("a\nb", "a", NUMBERS)) == ["2 lines became 1; line 2: `b` became nothing"]
    assert list(differences("a\n\nb", "a\nb", NUMBERS)) == ["3 lines became 2; line 2: nothing became `b`"]
    assert not list(differences("a 1.00000001\r\n", "a 1.0", NUMBERS))


def test_a_long_text_is_shown_where_it_begins_to_differ() -> None:
    old, new = "x" * 500 + "1" + "y" * 500, "x" * 500 + "2" + "y" * 500
    assert became(old, new) == f"`…{'x' * 20}1{'y' * 58}…` became `…{'x' * 20}2{'y' * 58}…`"
    assert became("a" * 70, "a" * 60) == f"`…{'a' * 30}` became `…{'a' * 20}`"
