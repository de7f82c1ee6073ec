# SPDX-License-Identifier: GPL-2.0-only
"""Walks in parts that add up: by page size, and by whose text they were for."""

SIZES = {
    "itlb.walk_completed_4k": "4 kB walks",
    "itlb.walk_completed_coalesced_4k": "coalesced walks",
    "itlb.walk_completed_2m_4m": "2 MB walks",
    "itlb.walk_completed_1g": "1 GB walks",
}
"""The readings, and what pictures call them."""

PARTS = ("user", "kernel_image", "bpf", "rest")
"""Origins that add up to all text."""
