"""What the gateway knows of the protocols that run inside WebSocket messages. Pure."""
