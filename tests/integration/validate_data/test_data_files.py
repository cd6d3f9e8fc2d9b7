"""Files of data: their formats, broken ones, and hostile text in them."""

import csv
import gzip
import io
import json
import re
from pathlib import Path

from integration.suite import Workspace
from integration.validate_data.projects import STAGE, exists, results, stated, suite, validate, with_tools


def test_formats(workspace: Workspace) -> None:
    rows = [{"name": "Ada", "mass": 3.5}, {"name": "Bob", "mass": 99.0}]
    as_csv = "name,mass\nAda,3.5\nBob,99.0\n"
    as_lines = "".join(json.dumps(row) + "\n" for row in rows)
    texts = {
        "a.csv": as_csv,
        "a.tsv": as_csv.replace(",", "\t"),
        "a.json": json.dumps(rows),
        "a.jsonl": as_lines,
        "a.ndjson": as_lines,
    }
    for name, text in texts.items():
        workspace.write(f"data/{name}", text)
        workspace.write(f"data/{name}.gz", gzip.compress(text.encode()))
    workspace.write("data/BOM.CSV", b"\xef\xbb\xbf" + as_csv.encode())
    with_tools(
        "import pandas\n"
        f"frame = pandas.DataFrame({rows!r})\n"
        "frame.to_parquet('a.parquet')\n"
        "frame.set_axis(['x', 'y']).to_parquet('labels.parquet')\n",
        workspace.folder / "data",
    )
    expectation = stated("expect_column_values_to_be_between", column="mass", max_value=4)
    workspace.write("s.json", suite(expectation))
    done = workspace.run(STAGE, {"data": "data/*\n", "suite": "s.json"})
    assert done.code == 1, done.log
    assert len(done.record["results"]) == 13
    for data, result in results(done).items():
        assert (result["error"], result["rows"], result["columns"]) == ("", 2, 2), data
        row = None if data == "data/labels.parquet" else 2
        assert result["violations"][0]["examples"] == [{"row": row, "value": "99.0"}], data


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty.csv": (b"", "is empty."),
    "blank.csv": (b" \n\n", "is empty."),
    "header.csv": (b"name\n", "has no rows: there is nothing to validate."),
    "norows.json": (b"[]", "has no rows: there is nothing to validate."),
    "ragged.csv": (b"name,b\n1,2\n1,2,3\n", "cannot be read as csv: `Expected 2 fields in line 3, saw 3`."),
    "repeated.csv": (b"name,name\n1,2\n", "has several columns with the name `name`."),
    "shifted.csv": (b"name,b\n1,2,3\n4,5,6\n", "cannot be read as csv: its rows have more fields than its header."),
    "quote.csv": (b'name\n"a\n', "cannot be read as csv: `EOF inside string starting at row 1`."),
    "latin.csv": (
        "name\nü\n".encode("latin-1"),
        "is not UTF-8 text: line 2 has `ü` in cp1252 (Western Europe), `ü` in",
    ),
    "semicolons.csv": (b"name;b\n1;2\n3\n", "seems to be separated by semicolons, not commas."),
    "commas.tsv": (b"name,b\n1,2\n3\n", "seems to be separated by commas, not tabs."),
    "parquet.csv": (b"PAR1\x15\x04\x15\x10PAR1", "is not csv, as its suffix says, but a Parquet file."),
    "image.csv": (b"\x89PNG\r\n\x1a\n\0\0", "is not csv, as its suffix says, but a PNG image."),
    "excel.csv": (b"PK\x03\x04\x14\0", "is not csv, as its suffix says, but a ZIP archive (an Excel workbook is one"),
    "zeros.csv": (b"name\n\0\0\n", "is not csv, as its suffix says, but not text."),
    "login.csv": (b"<!DOCTYPE html><html></html>", "is not csv, as its suffix says, but an HTML page"),
    "object.csv": (b'{"name": [1]}', "is not csv, as its suffix says, but JSON."),
    "packed.csv": (gzip.compress(b"name\n1\n"), "is not csv, as its suffix says, but gzip data."),
    "lfs.csv": (b"version https://git-lfs.github.com/spec/v1\noid", "is a Git LFS pointer, not the data."),
    "plain.csv.gz": (b"name\n1\n", "is not a complete gzip file"),
    "cut.csv.gz": (gzip.compress(b"name\n" + bytes(range(32, 127)) * 99)[:-9], "is not a complete gzip file"),
    "csv.parquet": (b"name\n1\n", "is not parquet, as its suffix says, but text."),
    "cut.parquet": (
        b"PAR1\x15\x04" + b"\0" * 90,
        "cannot be read as parquet: `Parquet magic bytes not found in footer",
    ),
    "csv.json": (b"name,b\n1,2\n", "is not json, as its suffix says, but not JSON rows or columns."),
    "cut.json": (b'[{"name": 1}, {"na', "cannot be read as json: "),
    "uneven.json": (b'{"name": [1, 2], "b": [1]}', "cannot be read as json: `All arrays must be of the same length`."),
    "csv.jsonl": (b"name,b\n1,2\n", "is not jsonl, as its suffix says, but not JSON rows or columns."),
    "cut.jsonl": (b'{"name": 1}\n{"na', "cannot be read as jsonl: "),
}


def test_broken_data_are_told_and_the_others_validated(workspace: Workspace) -> None:
    for name, (content, _) in BROKEN.items():
        workspace.write(f"data/{name}", content)
    workspace.write("data/good.csv", "name\n1\n")
    workspace.write("few.csv", "name\n")
    workspace.write("s.json", exists("name"))
    workspace.write("count.json", suite(stated("expect_table_row_count_to_be_between", max_value=3)))
    done = validate(workspace, {"data/*": "s.json", "few.csv": "count.json"})
    assert done.code == 1, done.log
    assert done.outputs["status"] == "failed"
    found = results(done)
    for name, (_, message) in BROKEN.items():
        assert found[f"data/{name}"]["error"].startswith(f"`data/{name}` {message}")
        assert not found[f"data/{name}"]["success"]
    assert found["data/good.csv"]["success"]
    assert found["few.csv"]["success"], "the suite says that there can be no rows"
    told = [problem for problem in done.record["problems"] if problem["severity"] == "error"]
    assert sorted(problem["file"] for problem in told) == sorted(f"data/{name}" for name in BROKEN)
    assert (done.outputs["evaluated"], done.outputs["failed"]) == ("2", "0")
    assert "Traceback" not in done.log
    assert str(workspace.folder) not in "".join(problem["message"] for problem in told)


def test_hostile_text_shows_and_does_nothing(workspace: Workspace) -> None:
    hostile = [
        "::error::owned",
        "x\n::error::owned",
        "x\r::set-output name=success::true",
        "##[error]owned",
        "\x1b[31mred",
        "</details><img src=x>|`a` [l](http://x) @team",
        "A" * 100_000,
        "%0A::error::owned",
        "\u202egnp.exe",
    ]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["id", *hostile[:6]])
    writer.writerows([value, *"123456"] for value in hostile)
    workspace.write("::error::a.csv", text.getvalue())
    expectations = [
        stated(
            "expect_column_values_to_be_in_set", column="id", value_set=["::error::b"], notes="::error::c\n::error::d"
        ),
        stated("expect_column_values_to_be_between", column=hostile[1], min_value=10),
        stated("expect_column_values_to_be_between", column=hostile[5], min_value=10),
        stated("expect_column_values_to_be_between", column="\n::error::nix", min_value=10),
        stated("expect_column_to_exist", column="<b>nix</b>"),
        stated("expect_column_values_to_match_regex", column="id", regex="[\n::error::e"),
    ]
    workspace.write("s.json", suite(*expectations))
    done = workspace.run(STAGE, {"data": "::error::a.csv", "suite": "s.json"})
    assert done.code == 1, done.log
    assert {command.name for command in done.commands} == {"error"}
    assert len(done.annotations()) == len(expectations)
    assert all(command.properties["file"] == "s.json" for command in done.annotations())
    assert not [line for line in done.log.splitlines() if "\x1b" in line or "\u202e" in line]
    assert max(map(len, done.log.splitlines())) < 3000
    assert "`<b>nix</b>`" in done.summary, "as code"
    prose = re.sub("`[^`]*`", "", done.summary)
    for forbidden in ("<img", "<b>", "@team", "\x1b", "AAAA" * 100):
        assert forbidden not in prose
    assert len(done.outputs["record"]) < 500
    assert len(Path(done.outputs["record"]).read_text()) < 50_000
