"""The decision: Rego in process from OPA's plan, or an OPA server."""
