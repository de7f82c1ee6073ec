# SPDX-License-Identifier: GPL-2.0-only
"""Comparisons and runs as text: terminal, Markdown, exports."""
