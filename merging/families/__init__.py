"""Classes that methods derive from: by proportions alone, on a sphere, in the factors of adapters."""
