"""The transformations by the names that `t:` takes, in lower case."""

from collections.abc import Callable, Mapping
from typing import Final

from waf.transformations.base64_decode import base64_decode
from waf.transformations.base64_decode_ext import base64_decode_ext
from waf.transformations.base64_encode import base64_encode
from waf.transformations.cmd_line import cmd_line
from waf.transformations.compress_whitespace import compress_whitespace
from waf.transformations.css_decode import css_decode
from waf.transformations.escape_seq_decode import escape_seq_decode
from waf.transformations.hex_decode import hex_decode
from waf.transformations.hex_encode import hex_encode
from waf.transformations.html_entity_decode import html_entity_decode
from waf.transformations.js_decode import js_decode
from waf.transformations.length import length
from waf.transformations.lowercase import lowercase
from waf.transformations.md5 import md5
from waf.transformations.normalize_path import normalize_path
from waf.transformations.normalize_path_win import normalize_path_win
from waf.transformations.parity import parity_even_7bit, parity_odd_7bit, parity_zero_7bit
from waf.transformations.remove_comments import remove_comments
from waf.transformations.remove_comments_char import remove_comments_char
from waf.transformations.remove_nulls import remove_nulls
from waf.transformations.remove_whitespace import remove_whitespace
from waf.transformations.replace_comments import replace_comments
from waf.transformations.replace_nulls import replace_nulls
from waf.transformations.sha1 import sha1
from waf.transformations.sql_hex_decode import sql_hex_decode
from waf.transformations.trim import trim, trim_left, trim_right
from waf.transformations.uppercase import uppercase
from waf.transformations.url_decode import url_decode
from waf.transformations.url_decode_uni import url_decode_uni
from waf.transformations.url_encode import url_encode
from waf.transformations.utf8_to_unicode import utf8_to_unicode

TRANSFORMATIONS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "base64decode": base64_decode,
    "base64decodeext": base64_decode_ext,
    "base64encode": base64_encode,
    "cmdline": cmd_line,
    "compresswhitespace": compress_whitespace,
    "cssdecode": css_decode,
    "escapeseqdecode": escape_seq_decode,
    "hexdecode": hex_decode,
    "hexencode": hex_encode,
    "htmlentitydecode": html_entity_decode,
    "jsdecode": js_decode,
    "length": length,
    "lowercase": lowercase,
    "md5": md5,
    "normalisepath": normalize_path,
    "normalisepathwin": normalize_path_win,
    "normalizepath": normalize_path,
    "normalizepathwin": normalize_path_win,
    "parityeven7bit": parity_even_7bit,
    "parityodd7bit": parity_odd_7bit,
    "parityzero7bit": parity_zero_7bit,
    "removecomments": remove_comments,
    "removecommentschar": remove_comments_char,
    "removenulls": remove_nulls,
    "removewhitespace": remove_whitespace,
    "replacecomments": replace_comments,
    "replacenulls": replace_nulls,
    "sha1": sha1,
    "sqlhexdecode": sql_hex_decode,
    "trim": trim,
    "trimleft": trim_left,
    "trimright": trim_right,
    "uppercase": uppercase,
    "urldecode": url_decode,
    "urldecodeuni": url_decode_uni,
    "urlencode": url_encode,
    "utf8tounicode": utf8_to_unicode,
}
"""Each is pure and linear in the size of the value, never raises, and returns its very argument
when it changes nothing. `none`, which clears the list, is not among them."""
