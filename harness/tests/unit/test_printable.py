# SPDX-License-Identifier: GPL-2.0-only
"""Text of others, as it is shown."""

from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.printable import MOST, one_line, printable


@given(st.text())
def test_what_is_left_moves_nothing(text: str) -> None:
    shown = printable(text)
    assert all(c in "\n\t" or ord(c) >= 0x20 for c in shown)
    assert not any(0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in shown)
    assert printable(shown) == shown
    shown.encode()


def test_words_and_signs_stay() -> None:
    for text in ("×0.42 µs − …", "Zoë 漢字 🙂", "two\nlines\tand a tab", "no\u00a0break"):
        assert printable(text) == text


def test_a_message_is_one_line_of_bounded_length() -> None:
    error = UserError("a" * 5000 + "\x1b[31m\nsecond\u2028third", "mend\rit")
    assert len(error.message) <= MOST
    assert error.message.endswith(r"\x1b[31m\nsecond\u2028third")
    assert str(error).endswith(r"mend\rit")
    assert one_line("short") == "short"
