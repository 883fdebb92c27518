"""Reads back what was written, and says everything that is not as it was."""
