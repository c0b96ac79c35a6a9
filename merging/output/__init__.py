"""A merge on disk: a checkpoint with its recipe, or an adapter."""
