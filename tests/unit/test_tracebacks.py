import json
import time
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.notebooks.tracebacks import Location, essence, locate, name_cells, shorten, strip_ansi

# Recorded from real kernels; the expected location was written by hand from the code of the cells.
RECORDED: list[dict[str, Any]] = json.loads(Path(__file__).with_name("tracebacks.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "recorded", RECORDED, ids=lambda recorded: f"{recorded['ipython']}-{recorded['mode']}-{recorded['case']}"
)
def test_the_innermost_line_in_a_cell_is_found_in_real_tracebacks(recorded: dict[str, Any]) -> None:
    executed = {int(count): source for count, source in recorded["executed"].items()}
    expected = recorded["location"] and Location(*recorded["location"])
    assert locate(recorded["traceback"], executed) == expected
    assert locate([strip_ansi(text) for text in recorded["traceback"]], executed) == expected


def test_the_recordings_span_the_formats() -> None:
    versions = {tuple(map(int, recorded["ipython"].split(".")[:2])) for recorded in RECORDED}
    assert {(7, 16), (7, 34), (8, 0), (8, 4), (8, 6), (8, 12), (9, 18)} <= versions
    assert {recorded["mode"] for recorded in RECORDED} == {"Context", "Plain", "Verbose", "Docs"}


def test_a_frame_of_a_cell_that_did_not_run_is_passed_over() -> None:
    traceback = [
        "Cell In[2], line 1\n----> 1 f()\n",
        "Cell In[9], line 1, in f()\n----> 1 1 / 0\n",
        "ZeroDivisionError: x",
    ]
    assert locate(traceback, {2: "f()"}) == Location(2, 1)
    assert locate(traceback, {2: "f()", 9: "1 / 0"}) == Location(9, 1)


def test_a_line_that_the_cell_does_not_have_is_passed_over() -> None:
    assert locate(["Cell In[2], line 3\n----> 3 f()\n"], {2: "f()\ng()"}) is None


@pytest.mark.parametrize(
    "traceback",
    [
        [],
        [""],
        ["ZeroDivisionError: division by zero"],
        ["ValueError: x", "Cell In[1], line 1"],
        ["File /opt/library.py:1, in f()\n----> 1 x\n"],
        ["here Cell In[1], line 1"],
        ["Cell In[1], line 1 and more"],
    ],
)
def test_text_that_is_no_frame_of_a_cell_has_no_location(traceback: list[str]) -> None:
    assert locate(traceback, {1: "1 / 0"}) is None


def test_without_executed_cells_there_is_no_location() -> None:
    assert locate(["Cell In[1], line 1\n----> 1 x\n"], {}) is None


def test_of_equal_cells_the_one_that_ran_last_is_meant_by_a_digest() -> None:
    recorded = next(r for r in RECORDED if r["ipython"] == "7.34.0" and r["case"] == "continued statement")
    (source,) = (source for source in recorded["executed"].values() if "max" in source)
    assert locate(recorded["traceback"], {1: source, 2: source, 3: "other"}) == Location(2, 3)
    assert locate(recorded["traceback"], {1: source + " ", 3: "other"}) is None


def test_windows_paths_of_ipykernel_are_understood() -> None:
    recorded = next(r for r in RECORDED if r["ipython"] == "7.34.0" and r["case"] == "continued statement")
    (source,) = (source for source in recorded["executed"].values() if "max" in source)
    header = strip_ansi(recorded["traceback"][2])
    digest = header.partition(".py")[0].rpartition("/")[2]
    frame = header.replace(header.partition(" in ")[0], rf"C:\Users\me\AppData\Local\Temp\ipykernel_42\{digest}.py")
    assert locate([frame, "ValueError: x"], {5: source}) == Location(5, 3)


def test_a_function_of_an_earlier_timed_cell_is_not_taken_for_the_running_one() -> None:
    traceback = ["Cell In[2], line 1\n----> 1 f()\n", "File <timed exec>:3, in f()\n", "ZeroDivisionError: x"]
    executed = {1: "%%time\ndef f():\n    b = 1\n    1 / 0", 2: "%%time\nf()\na = 1\nb = 1\n"}
    assert locate(traceback, executed) == Location(2, 2)


def test_of_chained_exceptions_only_the_one_that_was_raised_counts() -> None:
    first = ["Cell In[1], line 1\n----> 1 f()\n", "KeyError: x"]
    between = "\nDuring handling of the above exception, another exception occurred:\n"
    last = ["File /opt/library.py:1, in f()\n----> 1 x\n", "ValueError: x"]
    assert locate(first, {1: "f()"}) == Location(1, 1)
    assert locate([*first, between, *last], {1: "f()"}) is None
    assert locate([*last, between, *first], {1: "f()"}) == Location(1, 1)


def test_without_a_number_the_line_is_found_by_its_text_or_by_its_statement() -> None:
    source = "f()\ng()\nf()"
    assert locate(["  Input In [1] in <module>\n    g()\n"], {1: source}) == Location(1, 2)
    assert locate(["  Input In [1] in <cell line: 3>\n    f()\n"], {1: source}) == Location(1, 3)
    assert locate(["  Input In [1] in <module>\n    f()\n"], {1: source}) == Location(1, 1)
    assert locate(["  Input In [1] in <module>\n    h()\n"], {1: source}) == Location(1, 1)


def test_a_traceback_that_python_printed_is_one_text() -> None:
    file = 'File "/tmp/ipykernel_7/3769515936.py"'
    frames = [f"  {file}, line {line}, in f\n    source\n" for line in (1, 2)]
    first = f"Traceback (most recent call last):\n{frames[1]}KeyError: 1\n\nDuring handling of it:\n\n"
    text = f"a warning\n{first}Traceback (most recent call last):\n{''.join(frames)}ValueError: no\n"
    assert locate([text], CELLS) == Location(2, 3)
    assert locate([text.replace(frames[1], "", 2)], CELLS) == Location(2, 2)


NAMES = {1: "cell 1", 2: "cell 4"}
CELLS = {1: "ok = 1", 2: "\na = 1\nif a\n"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("expected ':' (DIGEST.py, line 2)", "expected ':' (cell 4, line 3)"),
        ("no (<ipython-input-1-0123abcd>, line 1)", "no (cell 1, line 1)"),
        ('  File "/my tmp/ipykernel_7/DIGEST.py", line 1, in f', "  File cell 4, line 2, in f"),
        ("in /tmp/ipykernel_7/DIGEST.py, line 1", "in cell 4, line 2"),
        ("no (123.py, line 2)", "no (123.py, line 2)"),
        ("no (DIGEST.py, line 99)", "no (DIGEST.py, line 99)"),
        ("no (module.py, line 2)", "no (module.py, line 2)"),
        ("no (<ipython-input-9-0123abcd>, line 1)", "no (<ipython-input-9-0123abcd>, line 1)"),
        ("", ""),
    ],
)
def test_files_that_only_the_kernel_knows_are_named_as_cells(text: str, named: str) -> None:
    digest = "3769515936"  # what ipykernel 7.4 names the file of the second cell
    assert name_cells(text.replace("DIGEST", digest), CELLS, NAMES) == named.replace("DIGEST", digest)


def test_cells_are_named_in_linear_time() -> None:
    started = time.process_time()
    name_cells('"' * 100_000 + "ipykernel_" * 10_000 + "1" * 200_000, CELLS, NAMES)
    assert time.process_time() - started < 10


def test_a_long_traceback_takes_no_time() -> None:
    executed = {count: f"x = {count}\n" * 200 for count in range(1, 200)}
    traceback = [f"/a/ipykernel_1/{n}.py in f()\n----> 1 x\n" for n in range(3000)] + ["ValueError: " + "-" * 10**6]
    started = time.process_time()
    assert locate([*traceback, "-" * 10**6 + "\n" + " " * 10**6], executed) is None
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Cell \x1b[0;32mIn[1], line 2\x1b[0m", "Cell In[1], line 2"),
        ("\x1b[38;5;28;01mdef\x1b[39;00m f", "def f"),
        ("\x1b]8;;file:///x\x1b\\link\x1b]8;;\x07 end", "link end"),
        ("\x1b[2K\x1b(Bno\x1b", "no"),
        ("plain [0m", "plain [0m"),
    ],
)
def test_escape_sequences_are_removed(text: str, plain: str) -> None:
    assert strip_ansi(text) == plain


def test_escape_sequences_are_removed_in_linear_time() -> None:
    started = time.process_time()
    strip_ansi("\x1b]" * 200_000 + "\x1b[" * 200_000 + "\x1b[" + "0" * 500_000)
    assert time.process_time() - started < 10


def test_a_short_traceback_is_kept_whole() -> None:
    assert shorten(["\x1b[31mone\x1b[0m", "two"], 7) == "one\ntwo"


def test_a_long_traceback_keeps_head_and_tail() -> None:
    lines = [f"frame {number}" for number in range(1000)]
    short = shorten([*lines, "ValueError: the message"], 400)
    assert len(short) <= 400
    assert short.startswith("frame 0\n")
    assert short.endswith("\nValueError: the message")
    assert "shortened" in short
    kept = [line for line in short.split("\n") if line.startswith("frame")]
    assert set(kept) <= set(lines), "lines are kept whole"


def test_a_credential_is_hidden_before_the_traceback_is_cut() -> None:
    token = "ghp_" + "a1B2" * 9
    for length in range(900, 1100):
        assert token[:12] not in shorten([f"{'x' * length} {token} {'y' * 9000}"], 4000)


@pytest.mark.parametrize("limit", [60, 100, 5000])
def test_the_limit_holds(limit: int) -> None:
    assert len(shorten(["x" * 10_000], limit)) <= limit


LIBRARY = [f"File ~/site-packages/pandas/io/x.py:{number}, in f(x)\n" + "code\n" * 9 for number in range(10)]
CELL = "Cell \x1b[0;32mIn[2], line 1\x1b[0m\n----> 1 load()\n"
HEADER = "FileNotFoundError                  Traceback (most recent call last)"
MESSAGE = "FileNotFoundError: data/sales.csv"


def test_frames_of_the_notebook_stay_where_libraries_fill_the_traceback() -> None:
    text = essence([HEADER, CELL, *LIBRARY, MESSAGE], 40, 20_000)
    assert text.splitlines()[:3] == [HEADER, "Cell In[2], line 1", "----> 1 load()"]
    assert "[... 77 lines of library code: see the executed notebook ...]" in text
    assert "x.py:9, in f(x)" in text
    assert "x.py:6, in f(x)" not in text
    assert text.endswith(MESSAGE)
    assert text.count("\n") < 45


def test_a_traceback_that_has_room_is_whole() -> None:
    texts = [HEADER, CELL, LIBRARY[0], MESSAGE]
    assert essence(texts, 40, 20_000) == strip_ansi("\n".join(texts))


def test_frames_of_the_notebook_stay_even_where_there_is_no_room() -> None:
    text = essence([HEADER, *[CELL] * 30, LIBRARY[0], MESSAGE], 10, 20_000)
    assert text.count("In[2]") == 30
    assert "site-packages" not in text


def test_library_frames_of_old_ipython_are_known() -> None:
    old = [
        "~/site-packages/pandas/x.py in get(self)\n" + "code\n" * 50,
        "pandas/_libs/index.pyx in pandas._libs.get()\n",
    ]
    cell = "<ipython-input-3-0123abcd> in <module>\n----> 1 f()\n"
    text = essence([HEADER, cell, *old, MESSAGE], 20, 20_000)
    assert "<ipython-input-3-0123abcd>" in text
    assert "x.py in get" not in text
    assert "index.pyx" in text
