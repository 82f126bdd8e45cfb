"""How fast the gateway follows a real API server: revocations, and thousands of routes."""
