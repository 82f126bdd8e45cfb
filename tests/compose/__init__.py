"""docker-compose.yaml and what it mounts: sound, and a gateway runs with exactly that."""
