"""What `wsgate migrate` is made of."""
