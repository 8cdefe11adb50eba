"""A running service: the supervising process, its workers, and what they tell each other."""
