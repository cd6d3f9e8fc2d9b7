"""Records in `verdicts.json` what Great Expectations 0.18 says of these suites and data. It runs up to Python 3.11:

uv run --no-project --python 3.11 --with great-expectations==0.18.22 --with 'pandas<2.2' python record.py
"""

import json
import os
from pathlib import Path
from typing import Any

os.environ["GE_USAGE_STATS"] = "False"
FOLDER = Path(__file__).parent


def verdicts(suite: Path, data: Path) -> list[bool]:
    """Return whether each expectation is met, in the order of the suite; one that raises is not."""
    import great_expectations as gx
    import pandas as pd
    from great_expectations.core.expectation_suite import ExpectationSuite, expectationSuiteSchema

    context = gx.get_context(mode="ephemeral")
    asset = context.sources.add_pandas("data").add_dataframe_asset("data")
    request = asset.build_batch_request(dataframe=pd.read_csv(data))
    loaded = ExpectationSuite(**expectationSuiteSchema.load(json.loads(suite.read_text())), data_context=context)
    found = []
    for expectation in loaded.expectations:
        alone = ExpectationSuite(
            "alone", expectations=[expectation], evaluation_parameters=loaded.evaluation_parameters
        )
        validator = context.get_validator(batch_request=request, expectation_suite=alone)
        (result,) = validator.validate(evaluation_parameters=loaded.evaluation_parameters).results
        found.append(bool(result.success))
    return found


if __name__ == "__main__":
    found: dict[str, Any] = {
        f"{suite.stem} {data.stem}": verdicts(suite, data)
        for suite in sorted(FOLDER.glob("suite-*.json"))
        for data in sorted(FOLDER.glob("*.csv"))
    }
    (FOLDER / "verdicts.json").write_text(json.dumps(found, indent=1) + "\n")
