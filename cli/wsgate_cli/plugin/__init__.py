"""What the kubectl plugins are made of: flags, kubectl, the admin API of the pods, tables."""
