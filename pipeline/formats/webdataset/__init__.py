"""WebDataset tars, and the index that wids reads."""
