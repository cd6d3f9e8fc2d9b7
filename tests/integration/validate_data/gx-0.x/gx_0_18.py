"""Prints the verdicts of Great Expectations 0.18 on the suites and data of a folder.

Its profiler and its assistant first add the suites that they make of `good.csv`: most people got theirs so.
"""

import json
import os
import sys
from pathlib import Path

os.environ["GE_USAGE_STATS"] = "False"
import great_expectations as gx
import pandas as pd
from great_expectations.core.expectation_suite import ExpectationSuite, expectationSuiteSchema
from great_expectations.datasource.fluent import BatchRequest
from great_expectations.profile.user_configurable_profiler import UserConfigurableProfiler

FOLDER = Path(sys.argv[1])
CONTEXT = gx.get_context(mode="ephemeral")
CONTEXT.variables.progress_bars = {"globally": False}
ASSET = CONTEXT.sources.add_pandas("data").add_dataframe_asset("data")


def request(data: Path) -> BatchRequest:
    return ASSET.build_batch_request(dataframe=pd.read_csv(data))


def add_suites(data: Path) -> None:
    profiler = UserConfigurableProfiler(CONTEXT.get_validator(batch_request=request(data)))
    assistant = CONTEXT.assistants.onboarding.run(batch_request=request(data))
    made = {"profiler": profiler.build_suite(), "assistant": assistant.get_expectation_suite("assistant")}
    for name, suite in made.items():
        (FOLDER / f"suite-{name}.json").write_text(json.dumps(suite.to_json_dict(), indent=2))


def verdicts(suite: Path, data: Path) -> list[bool]:
    """Return whether each expectation is met, in the order of the suite; one that raises is not."""
    loaded = ExpectationSuite(**expectationSuiteSchema.load(json.loads(suite.read_text())), data_context=CONTEXT)
    for number, expectation in enumerate(loaded.expectations):
        expectation.meta["number"] = number  # results come in another order
    validator = CONTEXT.get_validator(batch_request=request(data), expectation_suite=loaded)
    results = validator.validate(evaluation_parameters=loaded.evaluation_parameters).results
    results = sorted(results, key=lambda result: result.expectation_config.meta["number"])
    return [bool(result.success) for result in results]


files = sorted(FOLDER.glob("*.csv"))
add_suites(FOLDER / "good.csv")
suites = sorted(FOLDER.glob("suite-*.json"))
print(json.dumps({f"{suite.stem} {data.stem}": verdicts(suite, data) for suite in suites for data in files}))
