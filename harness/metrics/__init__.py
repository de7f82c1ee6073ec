# SPDX-License-Identifier: GPL-2.0-only
"""What can be read: every metric once, with the reader that finds it.

Whoever reads, shows, exports or documents readings loops over ``catalogue.METRICS``.
"""
