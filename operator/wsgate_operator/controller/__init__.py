"""The operator in a cluster: what is watched becomes what pods read, and statuses say how far it has got."""
