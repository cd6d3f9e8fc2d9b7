"""What compare-environments takes and gives."""

from dataclasses import dataclass

from notebook_ci.base.inputs import given
from notebook_ci.base.values import PATH, YAML_MAP
from notebook_ci.base.yaml12 import Values
from notebook_ci.notebooks.inputs import SelectedNotebooks

OUTPUTS = {
    "differing": "Number of notebooks whose results differ.",
    "broken": "Number of notebooks that fail only with `head`.",
}


@dataclass(frozen=True, kw_only=True)
class CompareEnvironmentsInputs(SelectedNotebooks):
    """Run the notebooks with two locks, compare the results, and name the package that changed or broke each."""

    base: str = given(
        PATH,
        "File that lists the packages as they are: any that setup-env can install from.",
        default="",
        shown_default="the one that setup-env finds",
    )
    head: str = given(PATH, "File that lists the packages as they will be. Required.", default="")
    parameters: Values = given(
        YAML_MAP,
        "Parameters for the notebooks, as in execute-notebook.",
        default={},
        shown_default="those in `[execute-notebook]`",
    )
