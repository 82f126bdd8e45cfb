"""What both components agree on: the rendered routes, the revocation record, the files that carry them."""
