"""Whole-dataset files, made from catalogs and never from pixels."""
