"""`gatewright ratelimit COMMAND`: for those who write limits, and who are asked why."""
