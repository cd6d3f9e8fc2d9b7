"""Records with any values of the right types, as strangers may write them, are shown without an exception."""

import builtins
import dataclasses
import io
import types
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from explain import Explain
from notebook_ci.base.inputs import StageInputs
from notebook_ci.base.typed_json import from_json, to_json
from notebook_ci.base.workspace import Workspace
from notebook_ci.records.record import SCHEMA, Record
from notebook_ci.records.run_directory import OF_STAGE, StageFiles
from notebook_ci.report_run import view
from notebook_ci.summary.of_run import summarize

QUICK = settings(deadline=None, database=None, derandomize=True, phases=[Phase.generate])
TEXTS = st.sampled_from(
    ["", "a.ipynb", "a\nb", "<b>|`x`*", "::error::x", "https://x/y", "{}", "\x1b[1m", "é", "1" * 99]
)
PLAIN: dict[object, st.SearchStrategy[Any]] = {
    str: TEXTS,
    object: TEXTS,
    bool: st.booleans(),
    int: st.sampled_from([0, -1, 1, 10**18]),
    float: st.sampled_from([0.0, -1.0, 1e300, float("nan"), float("inf")]),
}


def of(hint: Any) -> st.SearchStrategy[Any]:
    """Return any values of a type; of dataclasses also for the fields that have a default."""
    inner = get_args(hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        return st.builds(hint, **{field.name: of(hints[field.name]) for field in dataclasses.fields(hint)})
    match get_origin(hint):
        case builtins.list:
            return st.lists(of(inner[0]), max_size=2)
        case builtins.dict:
            return st.dictionaries(TEXTS, of(inner[1]), max_size=2)
        case types.UnionType:
            return st.none() | of(inner[0])
    return st.sampled_from(inner) if inner else PLAIN[hint]


def of_stage(stage: str) -> st.SearchStrategy[Record]:
    """Return records as they are read from their files."""
    kind = OF_STAGE[stage]
    made = of(kind).map(lambda record: dataclasses.replace(record, stage=stage, slug="", schema=SCHEMA))
    return made.map(lambda record: from_json(kind, to_json(record)))


@pytest.mark.parametrize("stage", OF_STAGE)
@settings(QUICK, max_examples=25)
@given(data=st.data())
def test_the_summary_and_the_page_show_it(stage: str, data: st.DataObject) -> None:
    record, baseline = (data.draw(of_stage(stage)) for _ in range(2))
    assert summarize([record, baseline], Workspace(Path(), {})).markdown
    assert view.make([record], [baseline], {"n1": {1: "x"}}).records == [record]


@settings(QUICK, max_examples=5)
@given(records=st.tuples(*map(of_stage, OF_STAGE)))
def test_explain_prints_it(records: tuple[Record, ...]) -> None:
    with TemporaryDirectory() as folder:
        for record in records:
            StageFiles(record.stage, Path(folder)).write(record)
        for flags in ([], ["--json"]):
            assert (
                Explain(name="explain", inputs=StageInputs, outputs={}).main([folder, *flags], {}, io.StringIO()) == 0
            )
