"""The built-in demo: tiny CLIP weights, sheets of held-out images, and the script that makes both."""
