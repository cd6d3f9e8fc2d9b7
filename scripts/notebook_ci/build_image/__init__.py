"""The stage build-image: builds and pushes an image of environment and notebooks with the docker command line."""
