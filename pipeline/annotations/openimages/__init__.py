"""Annotations of Open Images: rows of its CSV files, names of its classes, their hierarchy."""
