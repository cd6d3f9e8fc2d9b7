"""The stage validate-data: checks data against expectations. Only `engine` imports Great Expectations."""
