"""Runs expectations. The one adapter of Great Expectations, which takes some seconds to import.

Seen in 1.24: `ExpectationSuite` drops what it does not know, so each expectation is made by itself; results come in
another order, so each has a number for its `id`; `to_json_dict` leaves values of numpy; no type tells errors of its
parts apart. It shows progress bars, logs and warns on standard error, where it quotes data: nothing of it is let
through.
"""

import contextlib
import difflib
import io
import json
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from notebook_ci.base.errors import CheckFailed, InputError, NotebookCiError
from notebook_ci.base.texts import quote
from notebook_ci.validate_data.projects import Batch
from notebook_ci.validate_data.suites import Stated, Suite, unknown_type

if TYPE_CHECKING:
    import pandas as pd

MOST_EXAMPLES = 20
RESULT_FORMAT = {"result_format": "SUMMARY", "partial_unexpected_count": MOST_EXAMPLES}
TAKEN = ("meta", "notes", "description", "severity")
NOT_TAKEN = ("result_format", "catch_exceptions", "batch_id")  # arguments that are decided here


@dataclass(frozen=True)
class Table:
    """Data of a project.

    Attributes:
        frame: The data.
        file: The file they come from, if they come from one that is here.
    """

    frame: "pd.DataFrame"
    file: Path | None


class Engine:
    """Great Expectations, imported and set up."""

    def __init__(self) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "False"  # else it sends what is done
        import great_expectations
        import pandas as pd

        logging.getLogger("great_expectations").addHandler(logging.NullHandler())
        logging.getLogger("great_expectations").propagate = False
        self._gx = great_expectations
        self.version: str = great_expectations.__version__
        self.pandas_version: str = pd.__version__
        self._context = great_expectations.get_context(mode="ephemeral")
        asset = self._context.data_sources.add_pandas("data").add_dataframe_asset("data")
        self._definition = asset.add_batch_definition_whole_dataframe("data")

    def suite(self, suite: Suite) -> tuple[Any, list[NotebookCiError]]:
        """Return a suite as Great Expectations has it, and what in it is unknown, or has arguments that do not fit."""
        made: list[Any] = []
        errors: list[NotebookCiError] = []
        for number, stated in enumerate(suite.expectations):
            try:
                made.append(self._expectation(stated, number, suite.file))
            except InputError as error:
                errors.append(error)
        return self._gx.ExpectationSuite(name=suite.name, expectations=made), errors

    def validate(self, frame: "pd.DataFrame", suite: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        """Hold data against a suite.

        Args:
            frame: The data.
            suite: What `suite` returned.
            parameters: Values for `{"$PARAMETER": name}`.

        Returns:
            The result as JSON, in the order of the suite; the `id` of each is its number there, from 0.

        Raises:
            MemoryError: The memory does not suffice.
        """
        batch = self._definition.get_batch({"dataframe": frame})
        try:
            content = self._validated(batch, suite, parameters)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - some expectations raise past its own catching, and take the others along
            content = self._one_by_one(batch, suite, parameters)
        content["results"].sort(key=lambda each: int(each["expectation_config"]["id"]))
        return content

    def _validated(self, batch: Any, suite: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        with _silenced():
            result = batch.validate(suite, result_format=RESULT_FORMAT, expectation_parameters=parameters)
        content: dict[str, Any] = json.loads(json.dumps(result.to_json_dict(), default=_plain))
        return content

    def _one_by_one(self, batch: Any, suite: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        """Hold data against each expectation by itself, so that one that raises is told, and the others are judged."""
        results: list[dict[str, Any]] = []
        for expectation in suite.expectations:
            configuration = expectation.configuration
            alone = self._gx.ExpectationSuite(name=suite.name, expectations=[configuration])
            try:
                results += self._validated(batch, alone, parameters)["results"]
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - its parts raise what they like
                told = {"raised_exception": True, "exception_message": str(error) or type(error).__name__}
                stated = {"id": configuration.id, "type": configuration.type}
                results.append({"success": False, "expectation_config": stated, "exception_info": told, "result": {}})
        return {"suite_name": suite.name, "success": all(each["success"] for each in results), "results": results}

    def load(self, batch: Batch) -> Table:
        """Return data of the project, whose paths are relative to the folder in which this runs.

        Raises:
            InputError: The project has no such data.
            CheckFailed: They cannot be read.
        """
        where = f"The data {quote(str(batch))} of the project gx"
        try:
            source, asset = self._asset(batch)
            definition = asset.get_batch_definition(batch.definition)
            definition.set_data_asset(asset)
        except Exception as error:  # its parts raise what they like
            raise InputError(f"{where} cannot be found: {_said(error)}.", hint="Correct the project.") from error
        try:
            with _silenced():
                made = definition.get_batch()
        except MemoryError:
            raise
        except Exception as error:
            raise CheckFailed(f"{where} cannot be read: {_said(error)}.") from error
        return Table(made.data.dataframe, _file(source, asset, made.metadata))

    def _asset(self, batch: Batch) -> tuple[Any, Any]:
        """Return a data source of the project, and the asset of it, both made anew: the project is not opened."""
        settings, sources = batch.settings, self._context.data_sources
        name = f"project {len(sources.all())}"
        if settings.type == "pandas":
            source: Any = sources.add_pandas(name)
        else:
            source = sources.add_pandas_filesystem(name, **settings.options)
        add = getattr(source, f"add_{settings.asset_type}_asset")
        return source, add(name=batch.asset, batch_definitions=[settings.batch], **settings.asset_options)

    def _expectation(self, stated: Stated, number: int, file: str) -> Any:
        """Return one expectation, with its number as its `id`."""
        from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
        from great_expectations.expectations.registry import list_registered_expectation_implementations

        known = list_registered_expectation_implementations()
        if stated.type not in known:
            raise unknown_type(stated.type, known, file, stated.line)
        taken = {key: stated.content[key] for key in TAKEN if stated.content.get(key) is not None}
        kwargs = {key: value for key, value in stated.kwargs.items() if key not in NOT_TAKEN}
        try:
            configuration = ExpectationConfiguration(type=stated.type, kwargs=kwargs, id=str(number), **taken)
            configuration.to_domain_obj()
        except Exception as error:  # pydantic's, its own, TypeErrors
            raise InputError(
                f"{stated.type} cannot be made of what the suite states: {_said(error)}.",
                hint=f"{self._meant(stated, kwargs)}Given are {quote(stated.kwargs)}.",
                file=file,
                line=stated.line,
            ) from error
        return configuration

    def _meant(self, stated: Stated, kwargs: Iterable[str]) -> str:
        """Return which arguments could be meant by those that an expectation does not have."""
        from great_expectations.expectations.registry import get_expectation_impl

        known = [name for name in get_expectation_impl(stated.type).__fields__ if name not in (*TAKEN, *NOT_TAKEN)]
        close = {name: difflib.get_close_matches(name, known, n=1) for name in kwargs if name not in known}
        meant = [found[0] for found in close.values() if found]
        return f"Did you mean {' and '.join(meant)}? " if meant else ""


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Drop what is printed meanwhile."""
    nowhere = io.StringIO()
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


def _file(source: Any, asset: Any, metadata: dict[str, Any]) -> Path | None:
    """Return the file that data come from: a path in the folder of the data source, or that of the asset."""
    folder, name = getattr(source, "base_directory", None), metadata.get("path")
    path = Path(folder) / name if folder and name else getattr(asset, "filepath_or_buffer", None)
    is_file = isinstance(path, str | Path) and Path(path).is_file()
    return Path(path) if is_file and path else None


def _said(error: Exception) -> str:
    """Return what a library says, for a message; of pydantic the first complaint about each argument."""
    complaints: Iterable[dict[str, Any]] = error.errors() if hasattr(error, "errors") else ()
    first: dict[str, str] = {}
    for each in complaints:
        first.setdefault(".".join(map(str, each["loc"])), str(each["msg"]))
    listed = "; ".join(msg if loc == "__root__" else f"{loc}: {msg}" for loc, msg in first.items())
    return quote(listed or " ".join(str(error).split()).rstrip(".") or type(error).__name__)


def _plain(value: Any) -> Any:
    """Return a value of numpy as Python has it, and all else as text."""
    return value.item() if hasattr(value, "item") else str(value)
