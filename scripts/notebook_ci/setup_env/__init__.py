"""Makes the user's environment from whichever lock the repository has."""
