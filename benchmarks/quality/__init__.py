"""How good a front is after few measurements: pools of measured merges, rivals, scores, tables."""
