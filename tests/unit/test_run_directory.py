"""Tests of `records/run_directory.py`: what stages leave in it."""

from pathlib import Path

from notebook_ci.records.run_directory import StageFiles


def test_links_are_removed_however_deep_they_are(tmp_path: Path) -> None:
    files = StageFiles("setup-env", tmp_path)
    deep = files.artifacts
    for _ in range(1100):
        deep.mkdir()
        deep /= "d"
    kept = tmp_path / "kept.txt"
    kept.write_text("kept")
    deep.parent.joinpath("to-file").symlink_to(kept)
    files.artifacts.joinpath("to-folder").symlink_to(tmp_path)
    files.artifacts.joinpath("to-nothing").symlink_to("nothing")
    removed = files.remove_links()
    assert [Path(each).name for each in removed] == ["to-file", "to-folder", "to-nothing"]
    assert kept.read_text() == "kept"
    assert files.remove_links() == []
    while (deep := deep.parent) != tmp_path:  # pytest cannot remove them
        deep.rmdir()
