import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.observe.traces.context import Context, parse, traceparent

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"

INVALID = {
    "empty": "",
    "no flags": f"00-{TRACE}-{SPAN}",
    "short flags": f"00-{TRACE}-{SPAN}-1",
    "version ff": f"ff-{TRACE}-{SPAN}-01",
    "version in capitals": f"0A-{TRACE}-{SPAN}-01",
    "trace in capitals": f"00-{TRACE.upper()}-{SPAN}-01",
    "trace of zeros": f"00-{'0' * 32}-{SPAN}-01",
    "span of zeros": f"00-{TRACE}-{'0' * 16}-01",
    "short trace": f"00-{TRACE[1:]}-{SPAN}-01",
    "long trace": f"00-{TRACE}0-{SPAN}-01",
    "no hexadecimal": f"00-{TRACE[:-1]}g-{SPAN}-01",
    "digits of another script": f"00-{TRACE[:-1]}٣-{SPAN}-01",
    "more than version 00 has": f"00-{TRACE}-{SPAN}-01-more",
    "more without a dash": f"01-{TRACE}-{SPAN}-01more",
    "space before": f" {GOOD}",
    "line break after": f"{GOOD}\n",
    "twice, joined": f"{GOOD},{GOOD}",
    "endless": f"01-{TRACE}-{SPAN}-01-" + "a" * 1000,
}


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID)
def test_what_is_not_a_traceparent_is_no_context(text: str) -> None:
    assert parse(text, "a=b") is None


@pytest.mark.parametrize(
    ("text", "sampled"),
    [
        (GOOD, True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"00-{TRACE}-{SPAN}-fe", False),
        (f"01-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", True),
    ],
)
def test_a_traceparent_of_this_or_a_later_version_is_a_context(text: str, sampled: bool) -> None:
    assert parse(text) == Context(bytes.fromhex(TRACE), bytes.fromhex(SPAN), sampled)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("congo=t61rcWkgMzE", "congo=t61rcWkgMzE"),
        ("a=1, b=2\t,c=3", "a=1,b=2,c=3"),
        ("a=1,,b=2,", "a=1,b=2"),
        ("fw529a3039@dt=FfAAAA", "fw529a3039@dt=FfAAAA"),
        ("a=1,a=2", ""),
        ("A=1", ""),
        ("a=1=2", ""),
        ("a=", ""),
        ("a", ""),
        ("a=é", ""),
        ("a=\x01", ""),
        ("a=" + "x" * 256, "a=" + "x" * 256),
        ("a=" + "x" * 257, ""),
        (",".join(f"k{i}=1" for i in range(33)), ""),
        (",".join(f"k{i}=" + "x" * 20 for i in range(30)), ""),
    ],
)
def test_tracestate_is_kept_if_it_is_valid_and_else_left_out(text: str, kept: str) -> None:
    context = parse(GOOD, text)
    assert context is not None
    assert context.state == kept


@given(st.text(), st.text())
def test_no_text_raises(parent: str, state: str) -> None:
    parse(parent, state)
    assert parse(GOOD, state) is not None


def test_what_we_hand_on_is_read_as_what_it_was() -> None:
    trace, span = bytes.fromhex(TRACE), bytes.fromhex(SPAN)
    assert traceparent(trace, span, sampled=True) == GOOD
    assert parse(traceparent(trace, span, sampled=False)) == Context(trace, span, False)
