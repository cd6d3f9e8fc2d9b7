"""Why a notebook fails that passed in another environment of the same run: the packages whose versions differ."""

from collections.abc import Collection, Iterator

from notebook_ci.base.errors import Problem
from notebook_ci.base.texts import listed, quote
from notebook_ci.records.execute_notebook import ExecuteRecord
from notebook_ci.records.record import Record
from notebook_ci.records.setup_env import SetupEnvRecord

MOST_NAMED = 20


def differences(record: ExecuteRecord, others: Collection[Record]) -> Iterator[Problem]:
    """Yield what differs for each slug of the run. `others` were read before a notebook could change them."""
    packages = {each.slug: each.conda_packages | each.packages for each in others if isinstance(each, SetupEnvRecord)}
    failed = _named(record, "failed")
    for other in others:
        if isinstance(other, ExecuteRecord) and {record.slug, other.slug} <= packages.keys():
            here, there = packages[record.slug], packages[other.slug]
            differ = [name for name in sorted(here | there) if here.get(name) != there.get(name)]
            if differ and (broken := [name for name in failed if name in _named(other, "passed")]):
                versions = [f"`{name}` {there.get(name, 'missing')} -> {here.get(name, 'missing')}" for name in differ]
                yield Problem(
                    severity="notice",
                    title=f"Passed in {other.slug}",
                    message=f"{listed(list(map(quote, broken)), MOST_NAMED)} passed in {quote(other.slug)}. These "
                    f"packages differ: {listed(versions, MOST_NAMED)}.",
                )


def _named(record: ExecuteRecord, status: str) -> list[str]:
    return [each.name for each in record.notebooks if each.status == status]
