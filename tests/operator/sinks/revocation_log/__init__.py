"""The operator's writer of the revocation log, on a real Valkey."""
