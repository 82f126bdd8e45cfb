"""Tests of the cluster source, against an API server whose faults can be chosen."""
