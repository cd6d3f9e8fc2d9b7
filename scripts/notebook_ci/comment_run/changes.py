"""Which notebooks, tests and data failed, to compare them with those of the run before."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from notebook_ci.base.markdown import MOST_LISTED, count, name
from notebook_ci.base.texts import listed
from notebook_ci.records.execute_notebook import NotebooksRecord
from notebook_ci.records.record import Record
from notebook_ci.records.test_notebook import PytestRecord
from notebook_ci.records.validate_data import ValidateRecord

MOST_KEPT = 500  # IDs with 19 characters: see `MOST_BYTES` of the text


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A notebook, a test, data or a stage that ran."""

    name: str
    has_failed: bool


def checked(records: Sequence[Record]) -> dict[str, Checked]:
    """Return what ran, by IDs: hashes of the stage and of the name. What was skipped is left out."""
    return {
        f"{_hash(_stage(record))[:6]}:{_hash(each.name)[:12]}": each
        for record in records
        if record.status != "skipped"
        for each in _of(record)
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _stage(record: Record) -> str:
    return f"{record.stage}-{record.slug}" if record.slug else record.stage


def _of(record: Record) -> Iterator[Checked]:
    found: Mapping[str, bool] = {}
    match record:
        case NotebooksRecord():
            found = {each.name: each.status == "failed" for each in record.begun if each.status != "allowed"}
        case PytestRecord():
            found = {each.test: each.status == "failed" for each in record.of("passed", "failed")}
        case ValidateRecord():
            failed = {each.data for each in record.results if not each.success}
            found = {each.data: each.data in failed for each in record.results}
    for subject, has_failed in found.items():
        yield Checked(name=subject, has_failed=has_failed)
    yield Checked(name=_stage(record), has_failed=record.has_failed and not any(found.values()))  # the stage itself


def kept(before: Collection[str], found: Mapping[str, Checked]) -> list[str]:
    """Return what is known to fail after this run. Of stages that did not run, that is what failed before."""
    ran = {each.rpartition(":")[0] for each in found}
    failed = {each for each, now in found.items() if now.has_failed}
    return sorted(failed | {each for each in before if each.rpartition(":")[0] not in ran})[:MOST_KEPT]


def describe(before: Collection[str], found: Mapping[str, Checked]) -> str:
    """Say what has changed since the run before, in Markdown; empty if nothing failed then or now.

    Fixed is only what ran again and passed.
    """
    if len(before) >= MOST_KEPT:
        return ""
    failed = [each for each, now in found.items() if now.has_failed]
    parts = [
        _part([found[each] for each in found if each in before and each not in failed], "{} fixed"),
        _part([found[each] for each in failed if each not in before], "{}", "new failure"),
        _part([found[each] for each in failed if each in before], "{} as before", "failure"),
    ]
    if left := sum(each not in found for each in before):
        parts.append(f"{left} did not run again")
    return ", ".join(filter(None, parts))


def _part(found: Sequence[Checked], template: str, noun: str = "") -> str:
    if not found:
        return ""
    number = count(len(found), noun) if noun else f"{len(found):,}"
    return f"{template.format(number)} ({listed([name(each.name) for each in found], MOST_LISTED // 4)})"
