"""Secrets to look for in everything that is written."""

import json

JWT = (
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImEifQ.eyJzdWIiOiJhbGljZSIsImlhdCI6MTcwMDAwMDAwMH0"
    ".c2lnbmF0dXJlLW9mLXRoaXMtdG9rZW4"
)
PASSWORD = "hunter2-correct-horse"
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIPlanted\n-----END EC PRIVATE KEY-----"
SECRETS = (JWT, JWT.split(".")[1], PASSWORD, "MHcCAQEEIPlanted")


def found_in(text: str) -> list[str]:
    """Which of them the text holds, plain or as JSON writes them."""
    return [each for each in SECRETS if each in text or json.dumps(each)[1:-1] in text]
