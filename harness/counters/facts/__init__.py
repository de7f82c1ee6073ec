# SPDX-License-Identifier: GPL-2.0-only
"""Facts of the guest kernel: each file it gave to values, and those to readings."""
