"""Bytes that no well-behaved client sends, by the hundred thousand: see docs/reliability.md.

Reading order: `conversation.py` is what is sent, `record.py` writes some with real clients,
`mutate.py` spoils them, `targets.py` sends them to our code, `judge.py` says what must hold,
`campaign.py` counts.
"""
