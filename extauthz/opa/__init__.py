"""OPA's management plane: its configuration, bundles over HTTP, and status reports."""
