"""From Rego to plans: by OPA's own compiler, in whatever form this machine has it."""
