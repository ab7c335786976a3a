"""One revision a file, oldest first by name."""
