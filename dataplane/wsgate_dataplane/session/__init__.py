"""Life of one proxied session: events in, commands out, and the deadlines of all of them. Pure."""
