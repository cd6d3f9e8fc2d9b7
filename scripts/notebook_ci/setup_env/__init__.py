"""Installs the user's environment from the lock that the repository has."""
