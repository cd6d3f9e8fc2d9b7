"""The tool environments: creates them, runs programs in them, and checks that nothing changed them."""
