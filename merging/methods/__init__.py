"""One merging method per file; found by `merging.methods()`, nothing to register."""
