"""Renders records for people. Reads run directories and never writes into them."""
