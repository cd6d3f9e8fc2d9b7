"""What the summary says of dvc-pull."""

from typing import Any

from notebook_ci.base.errors import CheckFailed
from notebook_ci.dvc_pull import summary
from notebook_ci.records.dvc_pull import DvcPullRecord, PulledData
from notebook_ci.summary.of_run import render

RAW = PulledData(path="data/raw.csv", pointer="data/raw.csv.dvc", hash_name="md5", hash="049da1", bytes=53_098, files=1)


def record(**fields: Any) -> DvcPullRecord:
    return DvcPullRecord(stage="dvc-pull", **fields)


def test_what_was_pulled() -> None:
    pulled = record(
        remote_url="s3://bucket/x",
        verified=True,
        data_digest="d" * 64,
        files=1,
        bytes=53_098,
        downloaded_files=1,
        downloaded_bytes=53_098,
        data=[RAW],
    )
    assert summary.note(pulled) == "1 file, 53.1 kB"
    text = "\n\n".join(summary.section(pulled))
    assert "| tracked    | 1 output: 1 file, 53.1 kB |" in text
    assert "| downloaded | 1 from `s3://bucket/x`    |" in text
    assert "| digest     | `dddddddddddddddd`        |" in text
    assert "| `data/raw.csv` | 1     | 53.1 kB | `049da1` |" in text


def test_what_was_there_and_not_checked() -> None:
    text = "\n".join(summary.section(record(files=1, bytes=1, data=[RAW])))
    assert "| downloaded | none " in text
    assert "| content    | not checked (`verify` is `false`) |" in text


def test_nothing() -> None:
    assert summary.section(record()) == []


def test_the_headline_counts_faults() -> None:
    failed = record()
    failed.add(CheckFailed("`a` is corrupt."))
    assert render([failed]).startswith("### ❌ dvc-pull failed: `a` is corrupt, after")
    failed.add(CheckFailed("`b` is missing."))
    assert render([failed]).startswith("### ❌ dvc-pull failed: `a` is corrupt (and 1 more failure), after")
