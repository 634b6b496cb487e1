"""Measurements of deployments, as ratios against something run beside them."""
