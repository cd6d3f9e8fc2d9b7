"""An image of environment and notebooks, built and pushed by the docker command line."""
