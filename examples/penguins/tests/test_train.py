"""What must be true of notebooks/02-train.ipynb."""

import importlib
from pathlib import Path

import pandas as pd

CLEAN = Path(__file__).parents[1] / "data" / "clean.csv"


def test_each_species_has_a_color_and_a_shape():
    train = importlib.import_module("02-train")
    assert set(pd.read_csv(CLEAN)["species"]) == train.COLORS.keys() == train.SHAPES.keys()
