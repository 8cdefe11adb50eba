"""What `/debug/` shows of running workers, and who may see it."""
