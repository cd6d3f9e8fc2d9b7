"""Finds expectations that cannot be trusted on data whose text was probably meant as numbers or dates.

Great Expectations (1.24) compares text with text: `9,5` is greater than `10,5`, and `31.01.2024` than `01.02.2024`. It
also finds no `9.5` in text with `9,5`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from notebook_ci.base.texts import quote
from notebook_ci.validate_data.suites import BETWEEN, Stated

if TYPE_CHECKING:
    import pandas as pd

SORTABLE = "Write all dates in one ISO form, such as `2024-01-31`, or name the column in `dates` of `read`."
AS_TIMES = "Name the column in `dates` of `read`, and write the bounds with the time: `2024-01-31T00:00:00`."
# A date, or a time with its separator and zone.
ISO_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:([T ])[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
DAY = len("2024-01-31")
DATE = r"[0-9]{1,4}[-./ ][0-9]{1,2}[-./ ][0-9]{1,4}"  # in any order
# Numbers as text, perhaps with a unit; those that are more than digits.
NUMBER = r"\s*[€$£]?\s?[+-]?(?:[0-9]+|[1-9][0-9]{0,2}(?:[.,'’ \u00a0\u202f][0-9]{3})+)(?:[.,][0-9]+)?\s?[%€$£]?\s*"  # noqa: RUF001 - intended
WRITTEN = r"[0-9][.,'’ \u00a0\u202f][0-9]"  # noqa: RUF001 - intended
MOSTLY = 0.5  # the least share of numbers in a column that is doubted
# Kinds of numpy's types: booleans, numbers and times. All others can contain text: `str`, categories, `object`.
NOT_TEXT = "biufcmM"


@dataclass(frozen=True)
class Table:
    """Data, and what is known about how it was read."""

    frame: "pd.DataFrame"
    notes: tuple[str, ...] = ()  # what a person should know; each goes on after the name of the data
    either: frozenset[str] = frozenset()  # columns such as `1.234`, which can be 1234 or 1.234
    text: frozenset[str] = frozenset()  # columns that were said to be text
    _numbers: dict[str, str] = field(default_factory=dict, init=False)

    def doubts(self, expectations: Iterable[Stated]) -> dict[int, tuple[str, str]]:
        """Return why expectations cannot be evaluated, and what to do, by their number from 0."""
        return {number: doubt for number, each in enumerate(expectations) for doubt in islice(self._of(each), 1)}

    def dates(self, expectations: Iterable[Stated]) -> "dict[int, pd.Series[Any]]":
        """Return columns of ISO dates in text, as dates, by the numbers of the expectations that need them so."""
        ranges = ((number, each) for number, each in enumerate(expectations) if each.type == BETWEEN and each.has_dates)
        # A condition compares text with text: on dates, it would select no row, and nothing would be checked.
        names = ((number, name) for number, each in ranges for name in each.columns if not each.filters(name))
        columns = ((number, self._dates(name)) for number, name in names)
        return {number: dates for number, dates in columns if dates is not None}

    def _dates(self, name: str) -> "pd.Series[Any] | None":
        import pandas as pd

        if name not in self.text_columns or self.is_unordered(name):
            return None
        values = self.text_columns[name]
        dates = pd.to_datetime(values, format="ISO8601", errors="coerce")
        if (dates.isna() & values.notna()).any():  # such as the 30th of February
            return None
        # Great Expectations (1.24) takes bounds without a time for days, which Python does not compare with times.
        return dates.dt.date if self._texts(name).str.len().eq(DAY).all() else dates

    def _of(self, stated: Stated) -> Iterator[tuple[str, str]]:
        for name in stated.uses(self.names):
            if name in self.either:
                hint = 'Write `read: {decimal: "."}`, or `read: {decimal: ",", thousands: "."}`.'
                yield f"a number of {quote(name)} such as 1.234 can be 1.234 or 1234", hint
            elif number := self.number(name):
                hint = f'Say how numbers are written (`read: {{decimal: ","}}`), or that it is text (`text: [{name}]`).'
                yield f"{quote(name)} is text with numbers such as {quote(number)}", hint
        for name in (*stated.orders, *filter(self.has_dates, stated.compares(self.names))):
            if self.is_unordered(name):
                yield f"{quote(name)} is text, but not ISO dates of one form", SORTABLE
        for name in stated.columns if stated.type == BETWEEN and stated.has_dates else ():
            if self.has_dates(name) and stated.filters(name):
                yield f"{quote(name)} is text with dates, and `row_condition` mentions it, too", AS_TIMES

    @property
    def names(self) -> list[str]:
        return [str(name) for name in self.frame.columns]

    @cached_property
    def text_columns(self) -> dict[str, Any]:
        """The columns that contain text, by name."""
        kinds = self.frame.dtypes.items()
        return {str(name): self.frame[name] for name, kind in kinds if kind.kind not in NOT_TEXT}

    def number(self, name: str) -> str:
        """Return a number, such as `9,5`, of a column of text that mostly has numbers; or nothing."""
        if name not in self._numbers:
            has_text = name in self.text_columns and name not in self.text
            self._numbers[name] = _number(self._texts(name)) if has_text else ""
        return self._numbers[name]

    def has_dates(self, name: str) -> bool:
        """Return whether most of a column is text that begins like a date."""
        return name in self.text_columns and bool(self._texts(name).str.match(DATE).mean() >= MOSTLY)

    def is_unordered(self, name: str) -> bool:
        """Return whether a column has text whose order may not be its order in time."""
        if name not in self.text_columns:
            return False
        texts = list(self._texts(name))
        # Their order decides, not that of their text.
        categories = getattr(self.text_columns[name].dtype, "categories", None)
        has_own_order = categories is not None and not categories.is_monotonic_increasing
        return bool(texts) and (has_own_order or not sorts_by_time(texts))

    def _texts(self, name: str) -> Any:
        """Return the values of a column that are text, not bytes or lists."""
        values = self.text_columns[name].dropna()
        return values if values.dtype == "str" else values[[isinstance(each, str) for each in values]].astype("str")


def _number(texts: Any) -> str:
    written = texts[texts.str.contains(WRITTEN)]
    if not len(written) or texts.str.fullmatch(NUMBER).mean() < MOSTLY:
        return ""
    numbers = written[written.str.fullmatch(NUMBER)]
    return str(numbers.iloc[0]) if len(numbers) else ""


def sorts_by_time(texts: Iterable[str]) -> bool:
    """Return whether all texts are ISO dates, or times, of one form: with one separator, length and zone."""
    forms = set(map(_form_of_date, texts))
    return len(forms) == 1 and None not in forms


def _form_of_date(text: str) -> tuple[object, ...] | None:
    found = ISO_DATE.fullmatch(text)
    return (len(text), *found.groups()) if found else None
