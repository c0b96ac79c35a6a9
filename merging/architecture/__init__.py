"""What tensor names tell of a network: its layers, its heads, which hidden units belong together."""
