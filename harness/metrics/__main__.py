# SPDX-License-Identifier: GPL-2.0-only
"""``python -m harness.metrics`` writes the tables of readings in the documentation."""

from harness.metrics.readme import write_pages

write_pages()
