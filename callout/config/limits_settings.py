"""The settings `limits`: how this process counts, whatever the rules say."""

from callout.config.validate import Block


class Limits(Block):
    """What holds for all limits."""

    shadow: bool = False
    """Whether no limit refuses: all are counted and told as over, and every request passes. To
    try rules on real traffic; envoyproxy/ratelimit's SHADOW_MODE."""
    quota: bool = False
    """Whether every rule of the operator's domains is in `quota_mode`: a request is refused when
    all its limits are over. envoyproxy/ratelimit's QUOTA_MODE."""
