"""Sources turn raw inputs into catalogs; each knows one data set and no output."""
