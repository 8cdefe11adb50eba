"""From a URL to what it names: one server, a master behind Sentinels, or a Cluster."""

from callout.redis.client import Client, ClientOptions
from callout.redis.cluster import ClusterClient
from callout.redis.contract import Redis
from callout.redis.sentinel import SentinelClient
from callout.redis.servers import read


def connection(url: str, options: ClientOptions = ClientOptions()) -> Redis:  # noqa: B008 (frozen)
    """What sends commands there; it connects in `start`.

    Raises:
        ValueError: not a URL of Redis.
    """
    servers = read(url)
    if servers is None:
        return Client(url, options)
    if servers.kind == "sentinel":
        return SentinelClient(servers, options)
    return ClusterClient(servers, options)


def is_cluster(url: str) -> bool:
    """Whether keys of one command must be in one slot there, whatever client is around it."""
    servers = read(url)
    return servers is not None and servers.kind == "cluster"
