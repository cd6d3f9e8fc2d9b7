"""Options of all tests."""

import os
import signal
import sys
from pathlib import Path

import pytest

from notebook_ci.base import pip_settings

# Not imported: two conftest.py that import a shared fixture would have one each, which would wait for each other.
pytest_plugins = ["servers.shared_fixtures"]

# launch.sh forbids byte-code, which would change its environments. Without it, each worker compiles all tests in each
# run: most of the time of the collection.
sys.pycache_prefix, sys.dont_write_bytecode = str(Path(__file__).parents[1] / ".notebook-ci" / "bytecode"), False

# A shell ignores the signal for what it starts in the background, and so would all that these tests start and cancel.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests also start uv themselves, which does not know where pip's settings keep the certificates of a company.
if certificates := pip_settings.read(os.environ).certificates:
    os.environ.setdefault("SSL_CERT_FILE", certificates)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail where a test is skipped, as CI does")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that has left something out: what CI does not run, nobody runs."""
    if not session.config.getoption("--no-skips"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", [])) if reporter else 0
    if reporter and skipped and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"{skipped} skipped, and --no-skips was given: failed.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
