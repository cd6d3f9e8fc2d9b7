"""Data as it really comes: European CSV, encodings, compressed files, workbooks, databases, folders."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from integration.suite import Workspace
from integration.validate_data.projects import STAGE, results, stated, suite, with_tools

Cells = Sequence[Sequence[str | float]]
TEXT = "Land;Größe;Anzahl;Tag\nDE;9,5;1.234;31.01.2024\nFR;10,5;12.500;01.02.2024\n"
NAMES, *ROWS = [line.split(";") for line in TEXT.splitlines()]
SAID = {"sep": ";", "decimal": ",", "thousands": ".", "dates": {"Tag": "%d.%m.%Y"}}
BOTH = "name,mass\nAda,3.5\nBob,99.0\n"
MANY = ("name,mass\n" + "".join(f"n{number},{number * 7919 % 1000}\n" for number in range(5000))).encode()
# Files that only their libraries can write, in the folder `data`.
BY_TOOLS = """
import sqlite3
import duckdb, pandas, pyarrow, pyarrow.ipc
frame = pandas.DataFrame({"name": ["Ada", "Bob"], "mass": [3.5, 99.0], "year": [2023, 2024]})
frame.to_parquet("parts", partition_cols=["year"])
frame.to_parquet("uneven", partition_cols=["year"])
frame[["name"]].to_parquet("uneven/year=2024/more.parquet")
frame.assign(raw=[b"\\xff", b"x"]).to_parquet("bytes.parquet")
frame.to_feather("a.feather")
open("cut.feather", "wb").write(open("a.feather", "rb").read()[:-9])
table = pyarrow.Table.from_pandas(frame)
with pyarrow.OSFile("stream.arrow", "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as writer:
    writer.write_table(table)
packed = pyarrow.compress(MANY, "zstd", asbytes=True)
open("a.csv.zst", "wb").write(pyarrow.compress(BOTH, "zstd", asbytes=True))
open("cut.csv.zst", "wb").write(packed[:-5])
with duckdb.connect("a.duckdb") as database:
    database.execute("CREATE TABLE m AS SELECT * FROM frame")
    database.execute("CREATE VIEW v AS SELECT * FROM read_csv('/etc/passwd', sep=':')")
with sqlite3.connect("a.sqlite") as database:
    frame.to_sql("m", database, index=False)
open("cut.sqlite", "wb").write(open("a.sqlite", "rb").read()[:5000])
"""


def zipped(files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return archive.getvalue()


def workbook(sheets: Mapping[str, Cells]) -> bytes:
    """Return an Excel workbook (ECMA-376): the parts that one must have, with text in its cells."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rels = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    named = list(enumerate(sheets, 1))
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        + "".join(f'<Override PartName="/xl/{n}.xml" ContentType="{kind}.worksheet+xml"/>' for n, _ in named)
        + "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{rels}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{rels}"><sheets>'
        + "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in named)
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        + "".join(f'<Relationship Id="r{n}" Type="{rels}/worksheet" Target="{n}.xml"/>' for n, _ in named)
        + "</Relationships>",
    }
    for number, name in named:
        rows = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in sheets[name])
        parts[f"xl/{number}.xml"] = f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>'
    return zipped({name: text.encode() for name, text in parts.items()})


def _cell(value: str | float) -> str:
    return f'<c t="inlineStr"><is><t>{value}</t></is></c>' if isinstance(value, str) else f"<c><v>{value}</v></c>"


TABLE: Cells = [["name", "mass"], ["Ada", 3.5], ["Bob", 99.0]]
# Of European data: what `read` says, what is not evaluated, and what a notice says.
EUROPEAN: dict[str, tuple[bytes, dict[str, Any], list[str], str]] = {
    "said.csv": (TEXT.encode(), SAID, [], ""),
    "latin.csv": (TEXT.encode("cp1252"), {**SAID, "encoding": "cp1252"}, [], ""),
    "packed.csv.xz": (lzma.compress(TEXT.encode()), SAID, [], ""),
    "sep.csv": (b"sep=;\n" + TEXT.encode(), {**SAID, "header": 1}, [], ""),
    "wide.csv": (
        TEXT.encode("utf-16"),
        SAID,
        [],
        "is text in UTF-16, and is read as that. To say so: `read: {encoding: utf-16}`.",
    ),
    "trailing.csv": (
        TEXT.replace("\n", ";\n").encode(),
        {"sep": ";", "dates": SAID["dates"]},
        ["9,5", "9,5", "1.234 can"],
        "",
    ),
    "padded.csv": (
        TEXT.replace("9,5", " 9,5").replace("10,5", "10,5 €").encode(),
        {**SAID, "sep": ";"},
        ["` 9,5`", "` 9,5`"],
        "",
    ),
    "found.csv": (
        TEXT.encode(),
        {},
        [
            "`Größe` is text with numbers such as `9,5`",
            "`Größe` is text with numbers such as `9,5`",
            "a number of `Anzahl` such as 1.234 can be 1.234 or 1234",
            "`Tag` is text, but not ISO dates of one form",
        ],
        'is separated by semicolons, and is read so. To say so: `read: {sep: ";"}`.',
    ),
    "texts.json": (
        json.dumps([dict(zip(NAMES, row, strict=True)) for row in ROWS]).encode(),
        {},
        ["`9,5`", "`9,5`", "`Anzahl` is text with numbers such as `1.234`", "`Tag` is text"],
        "",
    ),
    "said.json": (
        json.dumps([dict(zip(NAMES, row, strict=True)) for row in ROWS]).encode(),
        {name: option for name, option in SAID.items() if name != "sep"},
        [],
        "",
    ),
    "zero.csv": (
        TEXT.replace("12.500", "0").encode(),
        {"sep": ";", "dates": SAID["dates"]},
        ["9,5", "9,5", "1.234 can"],
        "",
    ),
    "decimals.csv": (
        TEXT.encode(),
        {"sep": ";", "decimal": ","},
        ["`Anzahl` is text with numbers such as `1.234`", "`Tag` is text, but not ISO dates of one form"],
        "",
    ),
    "cells.xlsx": (
        workbook({"Daten": [NAMES, *ROWS]}),
        {"decimal": ",", "dates": SAID["dates"]},
        ["`Anzahl` is text with numbers such as `1.234`"],
        "",
    ),
}
GOOD: dict[str, tuple[bytes | None, dict[str, Any]]] = {
    "a.csv.gz": (gzip.compress(BOTH.encode()), {}),
    "a.csv.bz2": (bz2.compress(BOTH.encode()), {}),
    "a.csv.xz": (lzma.compress(BOTH.encode()), {}),
    "a.csv.zst": (None, {}),
    "a.csv.zip": (zipped({"a.csv": BOTH.encode(), "__MACOSX/._a.csv": b"x"}), {}),
    "a.zip": (zipped({"a.jsonl": b'{"name": "Ada", "mass": 3.5}\n{"name": "Bob", "mass": 99}\n'}), {"format": "jsonl"}),
    "a.dat": (b"name mass\nAda   3.5\nBob  99\n", {"format": "csv", "sep": r"\s+"}),
    "noheader.csv": (b"Ada,3.5\nBob,99\n", {"names": ["name", "mass"]}),
    "missing.csv": (b"name;mass\nAda;3,5\nEve;k.A.\nBob;99\n", {"sep": ";", "decimal": ",", "na_values": ["k.A."]}),
    "a.feather": (None, {}),
    "a.duckdb": (None, {"table": "m"}),
    "a.sqlite": (None, {}),
    "parts": (None, {}),
    "one.xlsx": (workbook({"Sheet": TABLE}), {}),
    "two.xlsx": (workbook({"Sheet": [["x"], [1]], "Data": [["Report"], *TABLE]}), {"sheet": "Data", "header": 1}),
    "folder": (None, {}),
}
CUT = gzip.compress(MANY)[:-5]
ZIP = zipped({"a.csv": MANY})
BAD: dict[str, tuple[bytes | None, dict[str, Any], str]] = {
    "mixed.csv": ("é\n".encode() + b"\xe9\n", {}, "`mixed.csv` mixes UTF-8 and another encoding, in line 2."),
    "turned.csv": (BOTH.replace("Ada", "é").encode(), {"encoding": "cp1252"}, "`turned.csv` is text in UTF-8, but"),
    "half.csv": (TEXT.encode("utf-16")[:-1], {}, "`half.csv` is not text in `utf-16"),
    "nobom.csv": (BOTH.encode("utf-16-le"), {}, "`nobom.csv` is not csv, as its suffix says, but not text."),
    "greek.csv": (TEXT.encode("cp1252"), {"encoding": "shift_jis"}, "`greek.csv` is not text in `shift_jis`: "),
    "either.csv": (b"name, x;mass, y\n1,5;2,5\n", {}, "`either.csv` seems to be separated by semicolons, not commas."),
    "sepline.csv": (b"sep=;\nname;mass\nAda;3\n", {}, "The first line of `sepline.csv` is `sep=;`, for Excel."),
    "narrow.csv": (b"1,2\n", {"names": ["name"]}, "`names` in `read` has 1 names, but `narrow.csv` has 2 columns."),
    "wider.csv": (b"1,2\n", {"names": ["name", "mass", "x"]}, "`names` in `read` has 3 names, but `wider.csv` has 2"),
    "nocolumn.csv": (BOTH.encode(), {"text": ["nme"]}, "`nocolumn.csv` has no column `nme`, which `read` names."),
    "zeros.csv": (
        b"name,mass,day\nAda,3.5,01132024\n",
        {"dates": {"day": "%d%m%Y"}},
        "Row 1 of `zeros.csv` has `01132024` in `day`, not a date `%d%m%Y`.",
    ),
    "nodate.csv": (
        b"name,mass\n2024-02-30,1\n",
        {"dates": ["name"]},
        "Row 1 of `nodate.csv` has `2024-02-30` in `name`",
    ),
    "swapped.csv": (b"name\n12/31/2024\n", {"dates": {"name": "%d/%m/%Y"}}, "Row 1 of `swapped.csv` has `12/31/2024`"),
    "line.csv": (BOTH.encode(), {"header": 7}, "`line.csv` has no line 7, counted from 0, for its names."),
    "cut.csv.gz": (CUT, {}, "`cut.csv.gz` is not a complete gzip file: "),
    "cut.csv.bz2": (bz2.compress(MANY)[:-5], {}, "`cut.csv.bz2` is not a complete bzip2 file: "),
    "cut.csv.xz": (lzma.compress(MANY)[:-5], {}, "`cut.csv.xz` is not a complete xz file: "),
    "cut.csv.zst": (None, {}, "`cut.csv.zst` cannot be read as csv: `Truncated compressed stream`."),
    "cut.csv.zip": (ZIP[:-5], {}, "`cut.csv.zip` is not a complete ZIP file: "),
    "plain.csv.xz": (BOTH.encode(), {}, "`plain.csv.xz` is not a complete xz file: "),
    "html.csv.gz": (gzip.compress(b"<html>"), {}, "`html.csv.gz` is not csv, as its suffix says, but an HTML page"),
    "pair.csv.zip": (zipped({"a": b"x", "b": b"y"}), {}, "`pair.csv.zip` contains 2 files, not one: `a`, `b`."),
    "none.csv.zip": (zipped({}), {}, "`none.csv.zip` contains 0 files, not one: none."),
    "sheets.xlsx": (workbook({"A": TABLE, "B": TABLE}), {}, "`sheets.xlsx` has 2 sheets, not one."),
    "nosheet.xlsx": (workbook({"A": TABLE}), {"sheet": "a"}, "`nosheet.xlsx` has no sheet `a`."),
    "twice.xlsx": (workbook({"A": [["name", "name"]]}), {}, "`twice.xlsx` has several columns with the name `name`."),
    "cut.xlsx": (workbook({"A": TABLE})[:-99], {}, "`cut.xlsx` cannot be read as excel: "),
    "page.xls": (b"<html><table>", {}, "`page.xls` is not excel, as its suffix says, but an HTML page"),
    "text.xls": (BOTH.encode(), {}, "`text.xls` is not excel, as its suffix says, but text."),
    "cut.feather": (None, {}, "`cut.feather` cannot be read as arrow: "),
    "stream.arrow": (None, {}, "`stream.arrow` is not arrow, as its suffix says, but a stream of Arrow"),
    "uneven": (None, {}, "The files `year=2023/"),
    "tables.duckdb": (None, {}, "`tables.duckdb` has 2 tables, not one."),
    "outside.duckdb": (None, {"table": "v"}, "`outside.duckdb` cannot be read as database: `Permission Error"),
    "notable.duckdb": (None, {"table": "M"}, "`notable.duckdb` has no table `M`."),
    "cut.duckdb": (None, {}, "`cut.duckdb` cannot be read as database: `IO Error"),
    "cut.sqlite": (None, {}, "`cut.sqlite` cannot be read as database: `database disk image is malformed`."),
    "text.db": (BOTH.encode(), {}, "`text.db` is not database, as its suffix says, but text."),
}
SQL = "unexpected_rows_expectation"
QUERIES = [
    (stated(SQL, unexpected_rows_query="SELECT * FROM {batch} WHERE mass < 0"), ""),
    (
        stated(SQL, unexpected_rows_query="FROM {batch} WHERE mass > 50"),
        f'1 of 2 rows of the table (50 %) fail {SQL} (`unexpected_rows_query: "FROM {{batch}} WHERE mass > 50"`): `{{',
    ),
    (stated(SQL, unexpected_rows_query="SELECT * FROM {batch}, '/etc/passwd'"), "Table with name /etc/passwd does not"),
    (stated(SQL, unexpected_rows_query="SELECT {batch}; SELECT 1"), "`unexpected_rows_query` is not one SELECT"),
    (stated(SQL, unexpected_rows_query="SELECT * FROM {batch} WHERE day < '2'"), "`day` is text, but not ISO dates"),
    (
        stated("expect_column_values_to_be_between", column="mass", max_value={"$PARAMETER": "most"}),
        'most`. Add its value to the suite: `"suite_parameters": {"name": value}`.',
    ),
    (stated("expect_our_own_rule", column="mass"), "`expectations of your own, written in Python, are not run`"),
    (stated("expect_column_pair_values_a_to_be_greater_than_b", column_A="day", column_B="name"), "`day` is text, but"),
    (stated("expect_column_max_to_be_between", column="mass", max_value=99, severity="info"), ""),
]


OF_EUROPEAN = [
    stated("expect_column_values_to_not_be_in_set", column="Größe", value_set=[11.5]),
    stated("expect_column_values_to_be_between", column="Größe", min_value=9, max_value=11),
    stated("expect_column_sum_to_be_between", column="Anzahl", min_value=13734, max_value=13734),
    stated(
        "expect_column_values_to_not_be_null",
        column="Land",
        row_condition="Tag > '2024-01-01'",
        condition_parser="pandas",
    ),
    stated("expect_column_values_to_match_regex", column="Land", regex="^[A-Z]{2}$"),
]


def test_reading(workspace: Workspace) -> None:
    """One run for everything: loading Great Expectations takes most of its time."""
    with_tools(BY_TOOLS.replace("MANY", repr(MANY)).replace("BOTH", repr(BOTH.encode())), workspace.folder)
    database = (workspace.folder / "a.duckdb").read_bytes()
    copies = dict.fromkeys(("tables.duckdb", "outside.duckdb", "notable.duckdb"), database)
    others = {"cut.duckdb": database[:9000], "folder/below/a.csv": BOTH.encode(), "folder/.hidden": b""}
    data = {name: content for name, (content, *_) in (EUROPEAN | GOOD | BAD).items()}
    for name, content in (data | copies | others).items():
        if content is not None:
            workspace.write(name, content)
    workspace.write("european.json", suite(*OF_EUROPEAN))
    workspace.write("s.json", suite(stated("expect_column_values_to_be_between", column="mass", max_value=4)))
    year = stated("expect_column_values_to_be_between", column="year", min_value=2023, max_value=2024)
    workspace.write("year.json", suite(year))
    workspace.write("bytes.json", suite(stated("expect_column_values_to_be_unique", column="raw")))
    workspace.write("queries.json", suite(*(each for each, _ in QUERIES)))
    workspace.write("queries.csv", "name,mass,day\nAda,3.5,31.01.2024\nBob,99.0,31.01.2024\n")
    rules = {
        "queries.csv": {"suite": "queries.json"},
        **{name: {"suite": "european.json", "read": read} for name, (_, read, *_) in EUROPEAN.items()},
        "part*": {"suite": "year.json"},
        "bytes.parquet": {"suite": "bytes.json"},
        **{name: {"suite": "s.json", "read": read} for name, (_, read, *_) in (GOOD | BAD).items()},
    }
    done = workspace.run(STAGE, {"rules": json.dumps(rules)})
    assert done.code == 1, done.log
    found, notices = results(done), {each.place[0]: each.message for each in done.annotations("notice")}
    for name, (_, _, doubts, notice) in EUROPEAN.items():
        result = found[name]
        assert (result["error"], result["rows"], result["evaluated"]) == ("", 2, 5), name
        assert_messages(result, doubts)
        assert all(each["kind"] == "not-evaluated" for each in result["violations"]), name
        assert notices.get(name, "") == (notice and f"`{name}` {notice}")
    assert [each["success"] for each in done.record["results"] if each["suite"] == "year.json"] == [True]
    assert found["bytes.parquet"]["success"]
    for name in GOOD:
        result = found["folder/below/a.csv" if name == "folder" else name]
        assert (result["error"], result["rows"]) == ("", 3 if name == "missing.csv" else 2), name
        assert [each["value"] for each in result["violations"][0]["examples"]] == ["99.0"], name
    for name, (_, _, message) in BAD.items():
        assert found[name]["error"].startswith(message), name
        assert not found[name]["success"]
    assert_messages(found["queries.csv"], [message for _, message in QUERIES if message])
    assert len([name for name in done.record["read"] if name.startswith("parts/year=")]) == 2
    assert not [line for line in done.log.splitlines() if "Traceback" in line or "root:" in line]


def assert_messages(result: dict[str, Any], expected: list[str]) -> None:
    said = [violation["message"] for violation in result["violations"]]
    assert len(said) == len(expected), (result["data"], said)
    for text, message in zip(expected, said, strict=True):
        assert text in message, result["data"]
