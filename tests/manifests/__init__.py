"""What is applied to a cluster and built into images agrees with itself and with the code."""
