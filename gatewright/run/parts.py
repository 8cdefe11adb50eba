"""The parts of a worker that are made otherwise when traces are on."""

from collections.abc import Callable, Sequence

from callout.config.snapshot import Snapshot
from callout.grpc.call import Face
from callout.observe.decision import Observer
from callout.redis.client import ClientOptions
from callout.redis.connection import connection
from callout.redis.contract import Redis
from extauthz.decision_logs.recorder import Recorder
from extauthz.identity.contract import KeySource
from extauthz.identity.jwks_fetch import JwksFetcher
from extauthz.policy.engine import Engine
from extauthz.policy.opa_server.access import Access
from extauthz.policy.opa_server.servers import OpaServers
from extauthz.service import AuthorizationService


class Parts:
    """Without traces: the plain ones, so that no request pays for what is off."""

    def keys(self) -> JwksFetcher:
        """Who fetches key sets."""
        return JwksFetcher()

    def redis(self, url: str, options: ClientOptions) -> Redis:
        """The connection to Redis."""
        return connection(url, options)

    def opa(self, urls: Sequence[str], access: Access) -> OpaServers:
        """The connections to OPA servers."""
        return OpaServers(urls, access)

    def authorization(
        self,
        snapshot: Callable[[], Snapshot | None],
        observer: Observer,
        keys: KeySource,
        opa: Callable[[str], Engine] | None,
        log: Recorder | None,
    ) -> AuthorizationService:
        """The service of the face `authz`."""
        return AuthorizationService(snapshot, observer, keys, opa, log=log)

    def served(self, face: Face) -> Face:
        """The face as it is served."""
        return face
