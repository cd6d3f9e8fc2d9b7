"""What differs between a run and its baseline."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from notebook_ci.base.markdown import difference
from notebook_ci.records.build_image import BuildImageRecord
from notebook_ci.records.dvc_pull import DvcPullRecord
from notebook_ci.records.execute_notebook import NotebooksRecord
from notebook_ci.records.record import Record
from notebook_ci.records.setup_env import SetupEnvRecord
from notebook_ci.records.test_notebook import PytestRecord
from notebook_ci.records.validate_data import ValidateRecord

Records = Sequence[Record]
Value = float | str
DIGITS = 12  # of a commit or a digest


@dataclass(frozen=True, kw_only=True)
class Change:
    """A value of this run that the baseline may have, too."""

    name: str
    value: str
    baseline: str = ""
    delta: str = ""
    has_changed: bool = False


def compared(records: Records, baseline: Records, values: Callable[[Records], Mapping[str, Value]]) -> list[Change]:
    new, old = values(records), values(baseline)
    return [_change(name, new.get(name, ""), old.get(name, "")) for name in {**new, **old}]


def metrics(records: Records) -> dict[str, float]:
    return {name: value for record in records for name, value in record.metrics.items()}


def packages(records: Records) -> dict[str, str]:
    found = (record for record in records if isinstance(record, SetupEnvRecord))
    return {name: version for record in found for name, version in {**record.conda_packages, **record.packages}.items()}


def facts(records: Records) -> dict[str, Value]:
    """Return all else that a run used, and what came of it."""
    found: dict[str, Value] = {}
    for record in records:
        found |= {"commit": record.source.get("commit", "")[:DIGITS]}
        match record:
            case SetupEnvRecord():
                found |= {"Python": record.python_version, "environment": record.env_digest[:DIGITS]}
            case DvcPullRecord():
                found |= {each.path: each.hash[:DIGITS] for each in record.data}
            case ValidateRecord():
                found |= {f"{each.data}: rows": each.rows for each in record.results}
                found |= {f"{each.data}: {name}": "met" for each in record.results for name in each.met}
                broken = ((each.data, violation) for each in record.results for violation in each.violations)
                found |= {f"{data}: {violation.name}": "not met" for data, violation in broken}
            case NotebooksRecord():
                for each in record.notebooks:
                    found[each.name] = each.status
                    found |= {f"{each.name}: {name}": json.dumps(value) for name, value in each.parameters.items()}
            case PytestRecord():
                found |= {each.test: each.status for each in record.cases}
            case BuildImageRecord():
                digest = (record.digest or record.image_id).removeprefix("sha256:")
                found |= {
                    record.image: digest[:DIGITS],
                    "base image": record.base_digest.removeprefix("sha256:")[:DIGITS],
                }
    return found


def _change(name: str, value: Value, before: Value) -> Change:
    return Change(
        name=name,
        value=_shown(value),
        baseline=_shown(before),
        delta="" if isinstance(value, str) or isinstance(before, str) else difference(value, before),
        has_changed=value != before,
    )


def _shown(value: Value) -> str:
    match value:
        case str():
            return value
        case int():  # as of rows
            return f"{value:,}"
    return f"{value:.6g}"
