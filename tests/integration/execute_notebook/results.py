"""What tests read from a finished execute-notebook."""

from collections.abc import Mapping
from typing import Any


def statuses(executed: Mapping[str, Any]) -> list[str | None]:
    """Return papermill's status of each code cell."""
    return [cell["metadata"]["papermill"].get("status") for cell in executed["cells"] if cell["cell_type"] == "code"]


def exceptions(executed: Mapping[str, Any]) -> list[bool | None]:
    """Return whether papermill's metadata has an exception: of the notebook, then of each cell."""
    return [each["metadata"]["papermill"]["exception"] for each in (executed, *executed["cells"])]
