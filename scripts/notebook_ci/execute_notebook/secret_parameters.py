"""Parameters whose values are secrets: they reach the kernel, and are shown as `***` everywhere else."""

import re
from collections.abc import Mapping

from notebook_ci.base.errors import InputError
from notebook_ci.base.masking import hide
from notebook_ci.base.texts import quote
from notebook_ci.base.values import YamlKind
from notebook_ci.base.yaml12 import Value, as_map

HINT = "Write `password: DB_PASSWORD`, and set the variable `DB_PASSWORD` in `env:` of the step."


def _variables(value: Value, origin: str) -> dict[str, str]:
    found = as_map(value, origin)
    for parameter, variable in found.items():
        if not isinstance(variable, str) or not re.fullmatch(r"[A-Za-z_]\w*", variable):
            # It is not quoted: it may be the secret itself.
            raise InputError(f"{origin} has no name of a variable for {quote(parameter)}.", hint=HINT)
    return {parameter: str(variable) for parameter, variable in found.items()}


VARIABLES = YamlKind("YAML: `parameter: VARIABLE`, one per line", _variables, "YAML", hint=HINT)


def values(variables: Mapping[str, str], others: Mapping[str, object], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets by the names of their parameters, and hide them from now on. `others` are other parameters.

    Raises InputError if one is not set, or is also another parameter.
    """
    for parameter, variable in variables.items():
        if parameter in others:
            what = f"The parameter {quote(parameter)} is in `secret-parameters` and among the other parameters."
            raise InputError(what, hint="Remove it from one of them.")
        if not environ.get(variable):
            what = f"The variable that `secret-parameters` names for {quote(parameter)} is not set, or is empty."
            raise InputError(what, hint="Set it in `env:` of the step. Pull requests from forks get no secrets.")
        hide(parameter, environ[variable])
    return {parameter: environ[variable] for parameter, variable in variables.items()}
