"""t:base64DecodeExt."""

from typing import Final

from waf.transformations.base64_decode import decoded

_DIGITS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_OTHERS: Final = bytes(byte for byte in range(256) if byte not in _DIGITS)
_URL: Final = bytes.maketrans(b"-_", b"+/")


def base64_decode_ext(value: bytes) -> bytes:
    """Decode Base64, passing over every byte that is not of its alphabet.

    Example: `P.HNjcmlwdD4=` becomes `<script>`.
    Differences: `-` and `_` count as `+` and `/`, as in the newest ModSecurity 3, which gives
    nothing when a `=` leaves one digit over. Coraza passes over white space and dots only.
    """
    return decoded(value.translate(_URL, _OTHERS), value)
