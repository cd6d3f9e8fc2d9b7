"""Creates folders for outputs."""

from pathlib import Path

from notebook_ci.base.errors import InputError
from notebook_ci.base.files import unwritable

OUTPUT_DIR = "set `output-dir` to another folder"


def make_folder(folder: Path) -> None:
    """Create a folder for outputs; raise InputError if a file is in the way, or SurroundingsError if this fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        hint = "Remove the file, or set `output-dir` to another folder."
        raise InputError(f"The folder `{folder}` cannot be created: a file has its name.", hint=hint) from error
    except OSError as error:
        raise unwritable(f"The folder `{folder}` cannot be created", folder, error, OUTPUT_DIR) from error
