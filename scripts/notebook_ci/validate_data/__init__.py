"""The stage validate-data: holds data against expectations. Great Expectations and pandas are imported in `engine`."""
