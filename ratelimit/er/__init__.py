"""What envoyproxy/ratelimit tells, in its words: statistics, JSON, dumps."""
