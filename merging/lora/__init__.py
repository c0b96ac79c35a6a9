"""LoRA adapters as experts: their configuration, their factors, and the changes these stand for."""
