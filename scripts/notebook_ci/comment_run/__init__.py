"""The stage comment-run: writes one comment about the run on its pull request, and keeps it up to date."""
