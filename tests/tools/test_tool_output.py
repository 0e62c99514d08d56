"""Decoding and cutting what commands wrote."""

from hypothesis import given
from hypothesis import strategies as st

from ise_env.tools.output import as_text, seconds


def test_short_output_is_whole():
    assert as_text("naïve\n".encode()) == ("naïve\n", 0)


def test_bytes_that_are_no_text_are_replaced():
    assert as_text(b"a\xffb") == ("a\ufffdb", 0)


def test_long_output_loses_its_middle_and_says_how_much():
    text, left_out = as_text(b"a" * 60 + b"b" * 60, limit=100)
    assert text == "a" * 50 + "\n\n[... 20 bytes of output left out ...]\n\n" + "b" * 50
    assert left_out == 20


def test_what_the_workspace_left_out_is_counted_too():
    text, left_out = as_text(b"a" * 50 + b"b" * 50, omitted=1_000_000, gap=50, limit=20)
    assert left_out == 1_000_080
    assert "1,000,080 bytes" in text
    text, left_out = as_text(b"abbb", omitted=7, gap=1, limit=20)
    assert text == "a\n\n[... 7 bytes of output left out ...]\n\nbbb"
    assert left_out == 7


@given(st.text(max_size=300), st.integers(4, 60))
def test_a_cut_never_breaks_a_character(text, limit):
    data = text.encode()
    shown, left_out = as_text(data, limit=limit)
    if "\ufffd" not in text:
        assert "\ufffd" not in shown
    assert (left_out > 0) == (len(data) > limit)


def test_seconds_have_no_needless_decimals():
    assert [seconds(1800.0), seconds(0.5), seconds(2)] == ["1800", "0.5", "2"]
