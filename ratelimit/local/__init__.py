"""What one worker knows and decides without the store: keys that are over, and its share."""
