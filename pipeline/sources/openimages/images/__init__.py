"""The images of what is selected: fetched, verified, recorded."""
