"""Serving: bundles in, answers over HTTP out. Knows nothing of how a bundle was made."""
