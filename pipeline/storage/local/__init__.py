"""Files of this machine: locks, atomic renames, hashed staging, removal that follows no link."""
