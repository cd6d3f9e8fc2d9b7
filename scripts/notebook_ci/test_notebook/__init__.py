"""Tests notebooks, and the code beside them: runs pytest in the environment of the user."""
