# SPDX-License-Identifier: GPL-2.0-only
# Intel Skylake-SP, one thread a core.
name = skylake-sp

# CPUID leaf 2 descriptors and Intel's optimisation manual: 128 entries, 8 ways (64 a
# thread with SMT on). Index and replacement: measured by the TLB;DR tool (2022).
l1_4k.entries = 128
l1_4k.ways = 8
l1_4k.index = linear
l1_4k.replacement = tree-plru

# 8 entries, fully associative (the same manual). Replacement: unverified.
l1_2m.entries = 8
l1_2m.ways = 8
l1_2m.index = linear
l1_2m.replacement = tree-plru

# Shared by code and data, 4 kB and 2 MB: 1536 entries, 12 ways, 128 sets. Index by XOR of
# two times seven bits, victim (MRU + 1) % 3 with PLRU of four: measured by TLB;DR.
# The data side's competition is not modelled unless asked for.
stlb.entries = 1536
stlb.ways = 12
stlb.index = xor
stlb.replacement = mru3-plru4
