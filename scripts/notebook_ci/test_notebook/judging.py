"""Says whether the tests passed: from the report and from how pytest ended, of which neither is trusted alone."""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from notebook_ci.base.errors import CheckFailed, InputError, NotebookCiError, Problem, SurroundingsError
from notebook_ci.base.masking import masked
from notebook_ci.base.process import Completed
from notebook_ci.base.signals import how_it_ended
from notebook_ci.base.texts import listed, quote
from notebook_ci.notebooks.tracebacks import shorten
from notebook_ci.records.test_notebook import CaseResult, CaseStatus
from notebook_ci.test_notebook import locating
from notebook_ci.test_notebook.plan import PytestPlan
from notebook_ci.test_notebook.session import SILENCE, Event, Session

# Exit codes of pytest.
WRONG_USE, NO_TESTS = 4, 5
MOST_TRACEBACK, MOST_MESSAGE = 10_000, 1000
MOST_NAMED = 3
_REFUSAL = re.compile(r"^(?:ERROR: (?!usage:)|.*?: error: )(.*\S)", re.MULTILINE)


def problems(cases: list[CaseResult]) -> Iterator[Problem]:
    """Yield a problem per failed test, and per file that could not be imported."""
    for case in cases:
        if case.status == "failed":
            _, is_test, name = case.test.partition("::")
            title = f"Test failed: {name}" if is_test else f"Tests not collected: {case.test}"
            yield Problem(severity="error", title=title, message=case.message, file=case.file or None, line=case.line)


class NothingTestedError(InputError):
    """There are no tests, and no input names any."""


@dataclass(frozen=True)
class Judgement:
    session: Session
    ended: Completed
    planned: PytestPlan
    measures: bool  # coverage
    cwd: Path

    def cases(self) -> list[CaseResult]:
        """Return the result of each test that was collected or ran."""
        reports: dict[str, list[Event]] = {}
        for event in self.session.of("report"):
            reports.setdefault(event.test, []).append(event)
        collected = dict.fromkeys(test for event in self.session.of("collected") for test in event.tests)
        ran = [self._case(test, reports.get(test, [])) for test in {**reports, **collected, **self._stopped}]
        refused = {event.test: event for event in self.session.of("not-collected")}  # each worker says it
        return ran + [self._failed(test, event) for test, event in refused.items()]

    def _case(self, test: str, reports: list[Event]) -> CaseResult:
        duration = sum(event.duration for event in reports)
        if failed := next((event for event in reports if event.outcome == "failed"), None):
            return self._failed(test, failed, duration)
        if test in self._stopped:
            return self._failed(test, self._stop(test), duration)
        return CaseResult(test=test, status=_status(reports), duration=duration)

    def _failed(self, test: str, event: Event, duration: float = 0.0) -> CaseResult:
        file, line = locating.spot(event, self.session.root, self.cwd) or ("", None)
        message, traceback = masked(locating.message(event))[:MOST_MESSAGE], shorten([event.text], MOST_TRACEBACK)
        case = CaseResult(test=test, status="failed", duration=duration, file=file, line=line, message=message)
        return replace(case, traceback=traceback)

    @functools.cached_property
    def _is_finished(self) -> bool:
        return any(self.session.of("finished"))

    @functools.cached_property
    def _stopped(self) -> dict[str, float]:
        """The tests that were running when pytest ended."""
        return {} if self._is_finished else self.session.running

    def _stop(self, test: str) -> Event:
        """Return why such a test failed."""
        begun = next(event for event in self.session.of("test") if event.test == test)
        if self.ended.timed_out:
            message = "It ran too long (see `test-timeout`) and could not be interrupted, so pytest was killed."
        else:
            how = how_it_ended(self.ended.returncode)
            message = f"pytest {how} while this test ran. Look for `os._exit`, or a crash of a library."
        return replace(begun, message=message)

    def error(self, cases: list[CaseResult], *, has_failures: bool) -> NotebookCiError | None:
        """Return what else is wrong: why the results are not complete, or what pytest failed for besides its tests."""
        if broken := next(self.session.of("broken"), None):
            return self._broken(broken)
        if self.ended.timed_out or not self._is_finished:
            return None if self._stopped else self._unfinished()
        not_run = [case.test for case in cases if case.status == "not-run"]
        if has_failures:  # after which pytest may stop
            return None
        if not_run or not cases:
            return self._not_run(not_run, len(cases))
        if self.ended.returncode:
            message = f"pytest {how_it_ended(self.ended.returncode)}, although no test failed."
            hint = "The lines above say why: the threshold of a plugin, for example."
            return CheckFailed(message, hint=hint)
        return self._not_measured() if self.measures else None

    def _silent(self) -> NotebookCiError:
        file, line = locating.innermost(locating.dumped(self.ended.output), self.cwd) or (None, None)
        message = (
            f"pytest was killed: it ran no test and imported no file for more than {SILENCE} times `test-timeout`."
        )
        hint = "Look for code that runs on import, and for threads that do not end, or increase `test-timeout`."
        return CheckFailed(message, hint=hint, file=file, line=line)

    def _not_measured(self) -> NotebookCiError | None:
        found = next(self.session.of("coverage"), None)
        if found and found.is_enough and not found.message:
            return None
        if found and not found.message:
            message = f"{found.percent:.1f}% of the lines ran, which is less than `fail_under` of coverage.py."
            return CheckFailed(message, hint="Test more, or change `fail_under`.")
        why = found.message if found else "see the lines above"
        return CheckFailed(f"Coverage could not be measured: {why}.", hint="Check the settings of coverage.py.")

    def _broken(self, event: Event) -> NotebookCiError:
        frames = [(each.path, each.line) for each in event.frames]
        file, line = locating.innermost(frames, self.cwd) or (None, None)
        why = masked(event.message)[:MOST_MESSAGE]
        if event.what == "conftest" or file:
            return CheckFailed(f"pytest cannot run: {why}", file=file, line=line)
        where = f" in `{frames[-1][0]}`, line {frames[-1][1]}" if frames else ""
        message = f"pytest cannot run in this environment: {why}{where}."
        hint = "If it is a plugin of pytest, update it, remove it, or turn it off: `-p no:NAME` in `pytest-args`."
        return SurroundingsError(message, hint=hint)

    def _unfinished(self) -> NotebookCiError:
        if self.ended.timed_out:
            return self._silent()
        refusals: list[str] = _REFUSAL.findall(self.ended.output)
        if self.ended.returncode == WRONG_USE and refusals:
            hint = "Correct `tests`, `pytest-args`, or the configuration of pytest."
            return InputError(f"pytest refuses to run: {masked(refusals[-1])[:MOST_MESSAGE]}.", hint=hint)
        how = how_it_ended(self.ended.returncode)
        if not any(self.session.of("began")):
            last = quote(self.ended.output.strip().rpartition("\n")[2])
            message = f"pytest {how} before it began: {last}."
            return SurroundingsError(message, hint="The lines above say more.")
        hint = "Look for `os._exit` or `sys.exit` in your tests, and for `--help` in `pytest-args`."
        return CheckFailed(f"pytest {how} before the tests did.", hint=hint)

    def _not_run(self, not_run: list[str], count: int) -> NotebookCiError:
        if len(not_run) < count:
            message = f"pytest collected {len(not_run)} tests that did not run: {_listed(not_run)}."
            return CheckFailed(message, hint="Look for `pytest.exit` in your tests and plugins.")
        if not_run:
            message = f"pytest collected {count} tests, and ran none: {_listed(not_run)}."
            return InputError(message, hint="Remove `--collect-only` and similar arguments.")
        where = listed(list(map(quote, (*self.planned.tests, *self.planned.notebooks))), MOST_NAMED)
        hint = "Names of files begin with `test_`, and so do names of functions. `pytest-args` may leave out all."
        is_empty = self.ended.returncode == NO_TESTS and not self.planned.is_named
        kind = NothingTestedError if is_empty else InputError
        return kind(f"pytest found no tests in {where}.", hint=hint)


def _status(reports: list[Event]) -> CaseStatus:
    if skipped := [event for event in reports if event.outcome == "skipped"]:
        return "expected-failure" if skipped[0].is_expected else "skipped"
    return "passed" if any((event.when, event.outcome) == ("call", "passed") for event in reports) else "not-run"


def _listed(tests: list[str]) -> str:
    return listed(list(map(quote, tests)), MOST_NAMED)
