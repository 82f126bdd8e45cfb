"""The revocation log in Redis, as its one writer sees it: publish, verify, fold the inbox."""
