"""Runs expectations. The only module that uses Great Expectations, which takes a second or two to import.

Seen in 1.24: `ExpectationSuite` drops what it does not know, so each expectation is created by itself. Results come in
another order, so each has a number as its `id`. `to_json_dict` leaves numpy values. Errors of its parts have no common
type. Its progress bars, logs and warnings on standard error quote data, so all of them are suppressed.
"""

import contextlib
import io
import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from notebook_ci.base.errors import InputError, NotebookCiError, located, together
from notebook_ci.base.loading import loading
from notebook_ci.base.texts import did_you_mean, quote
from notebook_ci.validate_data import databases
from notebook_ci.validate_data.suites import QUERY, QUERY_KEY, Stated, Suite

os.environ["GX_ANALYTICS_ENABLED"] = "False"  # otherwise it sends usage data
with loading("altair", "scipy.stats"):  # half of its time, for three expectations
    import great_expectations

MOST_EXAMPLES = 20
RESULT_FORMAT = {"result_format": "SUMMARY", "partial_unexpected_count": MOST_EXAMPLES}
CUSTOM = "expectations of your own, written in Python, are not run"
TAKEN = ("meta", "notes", "description", "severity")
NOT_TAKEN = ("result_format", "catch_exceptions", "batch_id")  # arguments that this module sets


@dataclass
class Prepared:
    """A suite, ready to be run."""

    suite: Any  # what Great Expectations runs of it
    queries: list[tuple[int, str]]  # numbers and queries of `unexpected_rows_expectation`
    custom: list[int]  # numbers of expectations that are not Great Expectations' own


class Engine:
    def __init__(self) -> None:
        logging.getLogger("great_expectations").addHandler(logging.NullHandler())
        logging.getLogger("great_expectations").propagate = False
        self._gx = great_expectations
        self.version: str = great_expectations.__version__
        self.pandas_version: str = pd.__version__
        self._context = great_expectations.get_context(mode="ephemeral")
        asset = self._context.data_sources.add_pandas("data").add_dataframe_asset("data")
        self._definition = asset.add_batch_definition_whole_dataframe("data")

    def suites(self, suites: Iterable[Suite]) -> dict[str, Prepared]:
        """Return the suites by file, ready to be run.

        Raises InputError for wrong arguments of expectations, and for types that look misspelled.
        """
        errors: list[NotebookCiError] = []
        by_file = {}
        for suite in suites:
            created: list[Any] = []
            queries, custom = [], []
            for number, stated in enumerate(suite.expectations):
                try:
                    with located(suite.file, stated.line):
                        if not _is_known(stated.type):
                            custom.append(number)
                            continue
                        expectation = self._expectation(stated, number)
                except InputError as error:
                    errors.append(error)
                    continue
                if stated.type == QUERY:
                    queries.append((number, stated.kwargs[QUERY_KEY]))
                else:
                    created.append(expectation)
            runnable = self._gx.ExpectationSuite(name=suite.name, expectations=created)
            by_file[suite.file] = Prepared(runnable, queries, custom)
        if errors:
            raise together(errors)
        return by_file

    def validate(
        self, frame: pd.DataFrame, prepared: Prepared, parameters: dict[str, Any], dates: Mapping[int, "pd.Series[Any]"]
    ) -> dict[str, Any]:
        """Check data against a suite that `suites` returned; `parameters` are values for `{"$PARAMETER": name}`.

        Each of `dates` replaces a column of text, for the expectation of that number. The result is JSON in the order
        of the suite; the `id` of each expectation is its number there, from 0. Raises MemoryError.
        """
        content = self._validated(self._definition.get_batch({"dataframe": frame}), prepared.suite, parameters)
        others = (each for each in content["results"] if int(each["expectation_config"]["id"]) not in dates)
        content["results"] = list(others)
        for number, column in dates.items():
            # Each by itself: its condition may be about another of these columns, as text.
            only = [each.configuration for each in prepared.suite.expectations if int(each.id) == number]
            suite = self._gx.ExpectationSuite(name=prepared.suite.name, expectations=only)
            batch = self._definition.get_batch({"dataframe": frame.assign(**{str(column.name): column})})
            content["results"] += self._validated(batch, suite, parameters)["results"]
        content["results"] += [_raised(number, "", CUSTOM) for number in prepared.custom]
        content["results"] += [_queried(number, query, frame) for number, query in prepared.queries]
        content["success"] = all(each["success"] for each in content["results"])
        content["results"].sort(key=lambda each: int(each["expectation_config"]["id"]))
        return content

    def _validated(self, batch: Any, suite: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            with _silenced():
                result = batch.validate(suite, result_format=RESULT_FORMAT, expectation_parameters=parameters)
            content: dict[str, Any] = json.loads(json.dumps(result.to_json_dict(), default=_plain))
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - some exceptions escape its own handling
            configurations = [expectation.configuration for expectation in suite.expectations]
            if len(configurations) == 1:
                results = [_raised(configurations[0].id, configurations[0].type, str(error) or type(error).__name__)]
            else:
                # Each by itself, so that the others still count.
                alone = (self._gx.ExpectationSuite(name=suite.name, expectations=[each]) for each in configurations)
                results = [each for one in alone for each in self._validated(batch, one, parameters)["results"]]
            return {"suite_name": suite.name, "success": all(each["success"] for each in results), "results": results}
        return content

    def _expectation(self, stated: Stated, number: int) -> Any:
        """Return one expectation; its number is its `id`."""
        from great_expectations.expectations import registry
        from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

        taken = {key: stated.content[key] for key in TAKEN if stated.content.get(key) is not None}
        kwargs = {key: value for key, value in stated.kwargs.items() if key not in NOT_TAKEN}
        try:
            configuration = ExpectationConfiguration(type=stated.type, kwargs=kwargs, id=str(number), **taken)
            configuration.to_domain_obj()
        except Exception as error:  # from pydantic, from itself, or a TypeError
            fields = registry.get_expectation_impl(stated.type).__fields__
            arguments = [name for name in fields if name not in (*TAKEN, *NOT_TAKEN)]
            meant = did_you_mean(arguments, *(name for name in kwargs if name not in arguments))
            raise InputError(
                f"The suite is wrong about `{stated.type}`: {_said(error)}.",
                hint=f"{meant} Its arguments: {quote(stated.kwargs)}.",
            ) from error
        return configuration


def _is_known(name: str) -> bool:
    """Return whether Great Expectations has an expectation. Raises InputError if the name looks misspelled."""
    from great_expectations.expectations import registry

    known = registry.list_registered_expectation_implementations()
    snake_case = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()  # people often write the class name
    # Closer than names that people give to their own: those have the long beginning in common, too.
    if name not in known and (meant := did_you_mean(known, snake_case, cutoff=0.93)):
        raise InputError(f"{quote(name)} is not an expectation.", hint=meant)
    return name in known


def _raised(number: int | str, name: str, message: str) -> dict[str, Any]:
    """Return the result of an expectation that could not be evaluated, in the form of Great Expectations."""
    return {
        "success": False,
        "expectation_config": {"id": str(number), "type": name},
        "exception_info": {"raised_exception": True, "exception_message": message},
        "result": {},
    }


def _queried(number: int, query: str, frame: pd.DataFrame) -> dict[str, Any]:
    """Return the result of `unexpected_rows_expectation`, which Great Expectations (1.24) runs only in databases."""
    try:
        count, rows = databases.unexpected_rows(frame, query, MOST_EXAMPLES)
    except ValueError as error:
        return _raised(number, QUERY, str(error))
    found = {"element_count": len(frame), "unexpected_count": count, "partial_unexpected_list": rows}
    return {
        "success": not count,
        "expectation_config": {"id": str(number), "type": QUERY},
        "result": json.loads(json.dumps(found, default=_plain)),
    }


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    nowhere = io.StringIO()
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


def _said(error: Exception) -> str:
    """Return a library's message; for pydantic the first complaint about each argument."""
    complaints: Iterable[dict[str, Any]] = error.errors() if hasattr(error, "errors") else ()
    first: dict[str, str] = {}
    for each in complaints:
        first.setdefault(".".join(map(str, each["loc"])), str(each["msg"]))
    listed = "; ".join(msg if loc == "__root__" else f"{loc}: {msg}" for loc, msg in first.items())
    return quote(listed or " ".join(str(error).split()).rstrip(".") or type(error).__name__)


def _plain(value: Any) -> Any:
    """Return a numpy value as a Python value, and anything else as text."""
    return value.item() if hasattr(value, "item") else str(value)
