"""Processes that share the work of one: how they begin, what they do, and how they end."""
