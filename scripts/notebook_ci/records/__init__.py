"""The run directory, and the records that stages write to it and read from it: all that stages know of each other."""
