"""What the operator says of itself."""
