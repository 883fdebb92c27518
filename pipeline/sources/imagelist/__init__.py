"""Images that a list (`.lst`) or a folder names."""
