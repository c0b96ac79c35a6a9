"""What methods that learn from samples share: the order of a forward pass, moments, anchors, the trainer."""
