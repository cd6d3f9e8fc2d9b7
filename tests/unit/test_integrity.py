"""How a change of an environment is found."""

import os
from pathlib import Path

from notebook_ci.tools import integrity


def test_no_time_that_can_be_set_counts(tmp_path: Path) -> None:
    """In a sum it would make up for the time of change, which cannot be set."""
    module = tmp_path / "module.py"
    module.write_text("1\n")
    before = int(integrity._stamp(str(tmp_path)))
    hour = 3600 * 10**9
    os.utime(module, ns=(0, module.stat().st_mtime_ns - hour))
    assert 0 < int(integrity._stamp(str(tmp_path))) - before < hour


def test_a_file_that_was_restored_is_unchanged_but_not_untouched(tmp_path: Path) -> None:
    """A process may have read it meanwhile."""
    module, folder = tmp_path / "module.py", str(tmp_path)
    module.write_text("1\n")
    integrity.seal(folder, integrity.contents(folder))
    assert integrity.is_untouched(folder)
    for text in ("2\n", "1\n"):
        module.write_text(text)
        assert not integrity.is_untouched(folder)
    assert integrity.is_unchanged(folder)
