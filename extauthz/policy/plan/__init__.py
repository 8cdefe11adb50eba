"""OPA's plan: untrusted text to checked values, and what can be known of it before it runs."""
