"""OPA servers over REST: several, asked as long as they answer."""
