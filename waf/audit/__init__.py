"""The audit log: what a transaction came to, as JSON or in ModSecurity's own format."""
