"""`anonymous: {}`: a request without credential is somebody, too."""

from extauthz.identity.contract import Identity, KeySource, UnverifiedToken

ANONYMOUS = Identity(None)


class AnonymousEntry:
    """Applies only when no credential is present: a bad one never becomes nobody."""

    __slots__ = ()

    def applies(self, token: UnverifiedToken | None) -> bool:
        """Whether no token came."""
        return token is None

    def identify(
        self,
        token: UnverifiedToken | None,  # noqa: ARG002
        keys: KeySource,  # noqa: ARG002
        now: float,  # noqa: ARG002
    ) -> Identity:
        """Nobody, without claims."""
        return ANONYMOUS
