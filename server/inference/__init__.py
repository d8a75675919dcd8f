"""Text to answer. Knows no HTTP, no Prometheus and no settings."""
