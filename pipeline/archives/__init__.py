"""Archives: check them and find what they hold, without unpacking them."""
