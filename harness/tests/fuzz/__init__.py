# SPDX-License-Identifier: GPL-2.0-only
"""Parsers on a million damaged inputs each: nothing but their own errors."""
