"""What clients may send: budgets that sessions share, and their parts in several pods."""
