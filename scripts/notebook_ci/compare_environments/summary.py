"""The summary of compare-environments."""

from collections import Counter

from notebook_ci.base.markdown import count, name, table, title
from notebook_ci.records.compare_environments import CompareEnvironmentsRecord

ICONS = {"differs": "❌", "broken": "❌", "nondeterministic": "⚠️", "fails in both": "⚠️", "not compared": "⚠️"}


def note(record: CompareEnvironmentsRecord) -> str:
    if not record.notebooks:
        return "the same environment"
    found = Counter(each.verdict for each in record.notebooks)
    changed = count(len(record.changes), "package")
    return f"{', '.join(f'{number} {verdict}' for verdict, number in found.items())} ({changed} changed)"


def section(record: CompareEnvironmentsRecord) -> list[str]:
    """Return the table of notebooks."""
    rows = [
        [f"{ICONS.get(each.verdict, '✅')} {name(each.name)}", title(each.result), title(each.reason)]
        for each in record.notebooks
    ]
    changes = [[name(each.name), each.before, each.after] for each in record.changes]
    return [
        table([f"{record.base} -> {record.head}", "verdict", ""], rows) if rows else "",
        table(["package", "before", "after"], changes) if changes else "",
    ]


def lines(record: CompareEnvironmentsRecord) -> list[str]:
    widest = max((len(each.name) for each in record.notebooks), default=0)
    return [f"{each.name:<{widest}}  {each.result}" for each in record.notebooks]
