"""What a policy may do outside of itself, by a written permit."""
