"""The driver of comment-run and its server, also for the chain."""

from integration.comment_run.conftest import api, driver  # noqa: F401 - fixtures
