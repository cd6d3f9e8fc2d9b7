"""A small table, and the data and suite of the example."""

from integration.validate_data.projects import PENGUINS

SUITE = PENGUINS / "suites" / "penguins_raw.json"
RAW = PENGUINS / "dvc-storage" / "files" / "md5" / "04" / "9da101568e078f9845c8b366481810"
Row = dict[str, str]

SMALL = (
    "name,mass,length,day\nAda,3.5,10,2024-01-01\nBob,4.5,20,2024-01-02\nCyd,,30,2024-01-03\nDon,99.0,5,2024-01-04\n"
)
