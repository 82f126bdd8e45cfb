"""Tests of what the kubectl plugins are made of."""
