# SPDX-License-Identifier: GPL-2.0-only
"""Where trials run: the protocol, QEMU, and captured output."""
