"""`anonymous: {}`: a request without credential is somebody, too."""

from extauthz.identity.contract import Identity, IdentityFailed, KeySource, UnverifiedToken

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

    def overdue(self, keys: KeySource, now: float) -> IdentityFailed:  # noqa: ARG002
        """Never asked: there is nothing to wait for."""
        return IdentityFailed("deadline")
