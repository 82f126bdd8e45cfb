"""Servers through which pods share something: how to reach Redis, and what can be wrong there."""
