"""Large libraries are imported without what they rarely use."""

import gc
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from notebook_ci.base.loading import loading

NAMES = ("lazy_library", "lazy_library.often", "lazy_library.rarely")


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The modules of a library that have run so far."""
    monkeypatch.syspath_prepend(tmp_path)
    noted: list[str] = []
    monkeypatch.setattr(sys, "ran", noted, raising=False)
    for name, code in zip(NAMES, ("from lazy_library import often, rarely", "", "X = 1"), strict=True):
        path = tmp_path / "lazy_library" / f"{name.partition('.')[2] or '__init__'}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"import sys\nsys.ran.append(__name__)\n{code}\n")
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield noted
    gc.unfreeze()


def test_what_is_rarely_used_runs_when_it_is_used(ran: list[str]) -> None:
    with loading(NAMES[-1]):
        assert not gc.isenabled()
        library = import_module(NAMES[0])
    assert gc.isenabled()
    assert ran == list(NAMES[:-1])
    assert library.rarely.X == 1
    assert ran == list(NAMES)


def test_after_a_failure_all_is_as_before(ran: list[str]) -> None:
    finders = list(sys.meta_path)
    with pytest.raises(ModuleNotFoundError), loading("lazy_library.no_such"):
        import_module("lazy_library.no_such")
    assert (gc.isenabled(), sys.meta_path) == (True, finders)
    assert ran == list(NAMES)
