"""Shard formats: each streams image records into one file, and reads them back to check."""
