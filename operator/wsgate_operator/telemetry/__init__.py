"""Metrics, log fields and health of the operator."""
