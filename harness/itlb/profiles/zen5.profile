# SPDX-License-Identifier: GPL-2.0-only
# AMD Zen 5, one thread a core. "The talk" is AMD's at Hot Chips 2024 (B. Cohen, M. Subramony,
# Next Generation "Zen 5" Core): 64 entries for code in the first level, 2 K in the second,
# which has everything but 1 GB pages.
name = zen5

# The second level for code is its own: the data side has another (4 K, the talk). Neither
# includes the other: unverified.
second_level = code

# 64 entries: the talk. All page sizes, fully associative, as Zen 4's: unverified.
# Replacement: unverified.
l1.entries = 64
l1.ways = 64
l1.index = linear
l1.replacement = lru
l1.4k = all
l1.16k = all
l1.2m = all
l1.1g = all

# 2048 entries, all but 1 GB pages, which are held in 2 MB pieces: the talk. Arranged as Zen
# 4's, with four times as many sets: a skewed buffer of 8 ways, four of them for a 4 kB page
# and two for a 2 MB page. Ways, index functions and replacement: unverified. Entries for
# four adjacent 4 kB pages (16k): see zen3.
stlb.entries = 2048
stlb.ways = 8
stlb.index = skewed
stlb.replacement = lru
stlb.4k = all by 4
stlb.16k = all by 4
stlb.2m = all by 2

# Address-space tags (PCIDs) whose entries a buffer keeps at a write of CR3: not measured on Zen,
# and no limit is published; all that Linux uses.
l1.pcids = all
stlb.pcids = all
