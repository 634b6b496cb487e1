"""Measurements of the scoring server, beside Azure ML's own and the fastest frameworks."""
