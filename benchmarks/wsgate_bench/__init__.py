"""The benchmark: what a gateway's CPU and memory cost per message, idle session and handshake."""
