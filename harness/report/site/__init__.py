# SPDX-License-Identifier: GPL-2.0-only
"""The history as a site: a front page (did anything change, which kernel, how much, since when)
with the trends of the readings that decide, and a page for each night. Files only."""

from harness.report.site.site_html import front, night

__all__ = ["front", "night"]
