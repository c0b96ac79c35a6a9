"""What is told of the methods, to `--list`, screens and docs/methods.md; which published ones are left out."""
