"""What tests of the chain share with those of stages: the driver of comment-run and its server, a checkout with DVC."""

from integration.comment_run.conftest import api, driver  # noqa: F401 - fixtures
from integration.dvc_pull.conftest import checkout, made  # noqa: F401 - fixtures
