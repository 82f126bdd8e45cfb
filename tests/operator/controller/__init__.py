"""The operator's controller, against an API server and a Redis that break on demand."""
