"""The request's body, as policies see it: one file a kind."""
