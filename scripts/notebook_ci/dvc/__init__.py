"""The files in which DVC says what it tracks: for the stages that read them."""
