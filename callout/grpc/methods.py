"""The method table: which path is which method of which face."""

from collections.abc import Sequence

from callout.grpc.answers import UNKNOWN_METHOD, UNKNOWN_SERVICE, Refusal
from callout.grpc.call import Face, Streaming, Unary


class Methods:
    """Paths to methods; fixed when the server starts."""

    def __init__(self, faces: Sequence[Face]) -> None:
        """Builds the table.

        Raises:
            ValueError: a method is not under its face's service, or a path is there twice.
        """
        self._methods: dict[bytes, Unary | Streaming] = {}
        self.services = tuple(face.service for face in faces)
        self._prefixes = frozenset(f"/{service}/".encode() for service in self.services)
        for face in faces:
            for method in face.methods:
                prefix, _, name = method.path.rpartition("/")
                if prefix != f"/{face.service}" or not name:
                    raise ValueError(f"{method.path}: not a method of {face.service}")
                path = method.path.encode()
                if path in self._methods:
                    raise ValueError(f"{method.path}: there twice")
                self._methods[path] = method

    def find(self, path: bytes) -> Unary | Streaming | Refusal:
        """The method of a request path, or the answer that there is none."""
        method = self._methods.get(path)
        if method is not None:
            return method
        known = path[: path.rfind(b"/") + 1] in self._prefixes
        return UNKNOWN_METHOD if known else UNKNOWN_SERVICE
