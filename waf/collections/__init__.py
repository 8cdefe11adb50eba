"""Collections that rules write: TX of a transaction, and those that outlive it."""
