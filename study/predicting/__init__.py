"""Done trials as what a surrogate sees. What it says is in `study.front` and `study.predict`."""
