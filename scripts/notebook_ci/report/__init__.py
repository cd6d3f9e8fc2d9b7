"""Renders records for people. Reads run directories, and writes nothing into them."""
