"""Writes the configuration of archives that nobody has described: what each holds, as it is."""
