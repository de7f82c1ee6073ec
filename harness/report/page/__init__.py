# SPDX-License-Identifier: GPL-2.0-only
"""A comparison as one HTML file: what is on it, its pictures, and how they are drawn.

``page_content`` makes the content, ``html`` the file. A picture is a ``Drawing`` made of
rectangles, lines and texts; it needs no script and no network.
"""

from harness.report.page.html import render

__all__ = ["render"]
