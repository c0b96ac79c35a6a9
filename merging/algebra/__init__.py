"""Linear algebra that methods share: products, ranks, which tensors are matrices, solving for one matrix."""
