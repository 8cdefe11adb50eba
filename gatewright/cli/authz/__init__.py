"""`gatewright authz COMMAND`: for authors of policies."""
