"""End-to-end tests: the gateway against a real API server, Redis and real upstreams."""
