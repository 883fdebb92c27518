"""Boxes and masks as data sets publish them."""
