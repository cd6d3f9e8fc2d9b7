"""Names the distribution that provides a module.

The table is conda-forge's, as conda-pypi (0.13) has it; it is read where that is installed.
"""

import functools
import importlib.util
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from notebook_ci.base.project import normal_name

# Modules that exist only on these platforms.
ELSEWHERE = {"google.colab": "Colab", "kaggle_secrets": "Kaggle", "dbutils": "Databricks"}
SHARED = ("azure", "google", "google.cloud")  # packages to which many distributions contribute
# What the table lacks, or has wrong.
_OTHERS = {
    "Bio": "biopython", "bs4": "beautifulsoup4", "cairo": "pycairo", "distutils": "setuptools", "dns": "dnspython",
    "dotenv": "python-dotenv", "faiss": "faiss-cpu", "ffmpeg": "ffmpeg-python", "fitz": "pymupdf", "gi": "pygobject",
    "google.cloud.bigquery": "google-cloud-bigquery", "google.protobuf": "protobuf", "grpc": "grpcio",
    "keras": "keras", "magic": "python-magic", "mpl_toolkits": "matplotlib", "mpl_toolkits.basemap": "basemap",
    "mysql": "mysql-connector-python", "osgeo": "gdal", "PIL": "pillow", "pylab": "matplotlib", "shapefile": "pyshp",
    "sklearn": "scikit-learn", "slugify": "python-slugify", "snowflake": "snowflake-connector-python",
    "talib": "ta-lib", "win32com": "pywin32", "yaml": "pyyaml",
    **dict.fromkeys(SHARED, ""),
}  # fmt: skip


def distribution(module: str, missing: str = "") -> str:
    """Return the distribution that provides a module such as `google.cloud.storage`; empty if not known.

    `missing` is the part of the name that is not installed, if the packages above it are.
    """
    parts = module.split(".")
    for name in (".".join(parts[:count]) for count in range(len(parts), missing.count("."), -1)):
        if name in _OTHERS:
            return _OTHERS[name]
        if found := _table().get(name):
            return min(found, key=lambda each: (each != normal_name(name), len(each)))
    return ""


def guess(module: str) -> str:
    """Return the distribution that has the name of a module; empty for one that none can have, such as `_own`."""
    depth = max((name.count(".") + 2 for name in SHARED if module.startswith(f"{name}.")), default=1)
    name = normal_name(".".join(module.split(".")[:depth]))
    return name if re.fullmatch(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", name) else ""


@functools.cache
def _table() -> Mapping[str, list[str]]:
    """Return the distributions by module."""
    table: dict[str, list[str]] = defaultdict(list)
    installed = importlib.util.find_spec("conda_pypi")
    for folder in installed.submodule_search_locations or () if installed else ():
        entries = json.loads(Path(folder, "grayskull_pypi_mapping.json").read_bytes())
        for entry in entries.values():
            table[entry["import_name"]].append(normal_name(entry["pypi_name"]))
    return table
