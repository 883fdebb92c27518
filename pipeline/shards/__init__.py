"""Reads the images of a plan and writes them into shards, each with its facts and its manifest."""
