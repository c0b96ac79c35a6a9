"""The same merge otherwise: with other seeds, in its other form, polished, in layer groups."""
