"""Objects of the cluster: listed by kubernetes.aio, watched by kopf, kept in one cache."""
