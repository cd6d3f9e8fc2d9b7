"""Compares the outputs of a notebook with those that are stored in its file, as a person would."""
