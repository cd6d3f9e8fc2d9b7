"""What must be true of data/clean.csv, which notebooks/01-clean.ipynb writes and notebooks/02-train.ipynb reads."""

import importlib
from pathlib import Path

import pandas as pd
import pytest

CLEAN = Path(__file__).parents[1] / "data" / "clean.csv"


@pytest.fixture(scope="module")
def clean():
    return pd.read_csv(CLEAN)


def test_the_columns_are_those_that_the_notebook_names(clean):
    """Importing a notebook runs its imports, constants and functions: see test-notebook of notebook-ci."""
    notebook = importlib.import_module("01-clean")
    assert list(clean.columns) == list(notebook.COLUMNS.values())


def test_each_species_has_enough_penguins_to_train_with(clean):
    counts = clean["species"].value_counts()
    assert set(counts.index) == {"Adelie", "Chinstrap", "Gentoo"}
    assert counts.min() >= 50


def test_gentoos_are_the_heaviest(clean):
    """If columns or units were mixed up, this would hardly hold."""
    mass = clean.groupby("species")["body_mass_g"].mean()
    assert mass.idxmax() == "Gentoo"
    assert mass.between(3000, 6000).all()
