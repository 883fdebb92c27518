"""Measures shardmill beside the programs it replaces; `python -m benchmarks.peers`."""
