"""What one looks at to choose: preferences, trust in the predictions, samples that flip, two fronts."""
