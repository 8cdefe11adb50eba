"""Bundles on disk, where OPA keeps them: `DIRECTORY/bundles/NAME/bundle.tar.gz` (an edge)."""

import os
from pathlib import Path

from extauthz.opa.problems import BundleRefused
from extauthz.policy.compiler.plans import write_atomically


def save(directory: Path, name: str, tarball: bytes) -> None:
    """Keeps a bundle as it was downloaded, signature included; others of us may read meanwhile.

    Raises:
        BundleRefused: the disk does not take it.
    """
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        write_atomically(_place(directory, name), tarball)
    except OSError as error:
        raise BundleRefused(f"persisting bundle to disk failed: {error.strerror}") from None


def saved(directory: Path, name: str, most: int) -> bytes | None:
    """What was kept; None: nothing.

    Raises:
        BundleRefused: it cannot be read.
    """
    try:
        with _place(directory, name).open("rb") as file:
            data = file.read(most + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BundleRefused(f"failed to load bundle from disk: {error.strerror}") from None
    if len(data) > most:
        raise BundleRefused("failed to load bundle from disk: larger than size_limit_bytes")
    return data


def _place(directory: Path, name: str) -> Path:
    return directory / "bundles" / name / "bundle.tar.gz"
