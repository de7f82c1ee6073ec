# SPDX-License-Identifier: GPL-2.0-only
"""Plain text for mailing lists and commit messages, against files that were read by a person."""

import pytest

from harness.analysis import compare
from harness.analysis.comparison import Comparison
from harness.report.plain_text import WIDTH, commit_message, mail
from harness.tests.golden import assert_golden
from harness.tests.unit import synthetic_runs as made

QUESTIONS = {"trig-kprobe": "What does one hot kernel path cost?"}


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    seeds = (1, 2, 3, 4, 5)
    return compare([made.run(seeds=seeds, fail=("trig-kprobe-execmem-ption-s3",))])


def test_mail(comparison: Comparison) -> None:
    text = mail(comparison, QUESTIONS)
    assert_golden("report/mail.txt", text)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert text.isascii()


def test_commit_message(comparison: Comparison) -> None:
    text = commit_message(comparison, QUESTIONS)
    assert_golden("report/commit.txt", text)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert text.isascii()
    assert "failed: execmem, pti=on, seed 3: panic" in text
