"""The tool environments: creating them, running programs in them, and checking that nothing changed them."""
