"""t:normalizePathWin, which is also spelled normalisePathWin."""

from waf.transformations.normalize_path import normalize_path


def normalize_path_win(value: bytes) -> bytes:
    r"""Make slashes of backslashes, then as t:normalizePath.

    Example: `\a\.\b\..\c` becomes `/a/c`.
    Differences: those of t:normalizePath.
    """
    return normalize_path(value.replace(b"\\", b"/"))
