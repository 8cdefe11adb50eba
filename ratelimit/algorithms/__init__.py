"""How hits are counted against a limit: one algorithm a file, all behind `contract.py`.

| algorithm | file | most hits admitted in any interval of length W, for a limit of L in W |
|---|---|---|
| fixed window | `named_window.py` | 2 L; L in each window that is aligned to the epoch |
| sliding window counter | `sliding_window.py` | 2 L - 1; in d < W: L + L d / W |
| sub-bucket window | `sub_buckets.py` | L |
| exact log | `exact_log.py` | L |
| token bucket (GCRA) | `token_bucket.py` | burst + L |

Everything here is pure and in whole numbers: time is an argument, state is a value. What several
limits of one request do to each other is `decision.py`. Where states live is a store's affair
(`ratelimit/stores/states.py`): memory runs this Python, Redis runs a script that says the same.
"""
