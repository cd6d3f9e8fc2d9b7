"""Runs expectations. The only module that uses Great Expectations, which takes some seconds to import.

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
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from notebook_ci.base.errors import CheckFailed, InputError, NotebookCiError, located, together
from notebook_ci.base.texts import did_you_mean, quote
from notebook_ci.validate_data.sources import Batch
from notebook_ci.validate_data.suites import Stated, Suite

MOST_EXAMPLES = 20
RESULT_FORMAT = {"result_format": "SUMMARY", "partial_unexpected_count": MOST_EXAMPLES}
TAKEN = ("meta", "notes", "description", "severity")
NOT_TAKEN = ("result_format", "catch_exceptions", "batch_id")  # arguments that this module sets


class Engine:
    def __init__(self) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "False"  # otherwise it sends usage data
        import great_expectations

        logging.getLogger("great_expectations").addHandler(logging.NullHandler())
        logging.getLogger("great_expectations").propagate = False
        self._gx = great_expectations
        self.version: str = great_expectations.__version__
        self.pandas_version: str = pd.__version__
        self._context = great_expectations.get_context(mode="ephemeral")
        asset = self._context.data_sources.add_pandas("data").add_dataframe_asset("data")
        self._definition = asset.add_batch_definition_whole_dataframe("data")

    def suites(self, suites: Iterable[Suite]) -> dict[str, Any]:
        """Return the suites as Great Expectations' own objects, by file.

        Raises InputError for unknown types and wrong arguments of expectations.
        """
        errors: list[NotebookCiError] = []
        by_file = {}
        for suite in suites:
            created: list[Any] = []
            for number, stated in enumerate(suite.expectations):
                try:
                    with located(suite.file, stated.line):
                        created.append(self._expectation(stated, number))
                except InputError as error:
                    errors.append(error)
            by_file[suite.file] = self._gx.ExpectationSuite(name=suite.name, expectations=created)
        if errors:
            raise together(errors)
        return by_file

    def validate(self, frame: pd.DataFrame, suite: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        """Check data against a suite that `suites` returned; `parameters` are values for `{"$PARAMETER": name}`.

        The result is JSON in the order of the suite; the `id` of each expectation is its number there, from 0. Raises
        MemoryError.
        """
        content = self._validated(self._definition.get_batch({"dataframe": frame}), suite, parameters)
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
                raised = {"raised_exception": True, "exception_message": str(error) or type(error).__name__}
                stated = {"id": configurations[0].id, "type": configurations[0].type}
                results = [{"success": False, "expectation_config": stated, "exception_info": raised, "result": {}}]
            else:
                # Each by itself, so that the others still count.
                alone = (self._gx.ExpectationSuite(name=suite.name, expectations=[each]) for each in configurations)
                results = [each for one in alone for each in self._validated(batch, one, parameters)["results"]]
            return {"suite_name": suite.name, "success": all(each["success"] for each in results), "results": results}
        return content

    def load(self, batch: Batch) -> tuple[pd.DataFrame, Path | None]:
        """Return a project's data, and the local file that it was read from.

        Paths are relative to the current working directory. Raises InputError if the project has no such data,
        CheckFailed if it cannot be read.
        """
        where = f"The data {quote(str(batch))} of the project `gx`"
        try:
            source, asset = self._asset(batch)
            definition = asset.get_batch_definition(batch.definition["name"])
            definition.set_data_asset(asset)
        except Exception as error:  # its parts raise any type
            raise InputError(f"{where} cannot be found: {_said(error)}.", hint="Correct the project `gx`.") from error
        try:
            with _silenced():
                loaded = definition.get_batch()
        except MemoryError:
            raise
        except Exception as error:
            raise CheckFailed(f"{where} cannot be read: {_said(error)}.") from error
        return loaded.data.dataframe, _file(source, asset, loaded.metadata)

    def _asset(self, batch: Batch) -> tuple[Any, Any]:
        """Return a data source and its asset, both created from the settings: the project is never opened."""
        sources = self._context.data_sources
        name = f"project {len(sources.all())}"
        source = getattr(sources, f"add_{batch.source_type}")(name, **batch.source_options)
        add = getattr(source, f"add_{batch.asset_type}_asset")
        return source, add(name=batch.asset, batch_definitions=[batch.definition], **batch.asset_options)

    def _expectation(self, stated: Stated, number: int) -> Any:
        """Return one expectation; its number is its `id`."""
        from great_expectations.expectations import registry
        from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

        known = registry.list_registered_expectation_implementations()
        if stated.type not in known:
            snake_case = re.sub(r"(?<!^)(?=[A-Z])", "_", stated.type).lower()  # people often write the class name
            hint = did_you_mean(known, snake_case, cutoff=0.85) or "Great Expectations 1.x has none of this name."
            raise InputError(
                f"{quote(stated.type)} is not an expectation.",
                hint=f"{hint} Expectations written in Python are not supported.",
            )
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


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    nowhere = io.StringIO()
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


def _file(source: Any, asset: Any, metadata: dict[str, Any]) -> Path | None:
    """Return the data's file: a path in the folder of the data source, or the asset's own path."""
    folder, name = getattr(source, "base_directory", None), metadata.get("path")
    path = Path(folder) / name if folder and name else getattr(asset, "filepath_or_buffer", None)
    is_file = isinstance(path, str | Path) and Path(path).is_file()
    return Path(path) if is_file and path else None


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
