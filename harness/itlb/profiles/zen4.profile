# SPDX-License-Identifier: GPL-2.0-only
# AMD Zen 4, one thread a core. CPUID values are those of an EPYC 9124. For code they equal
# Zen 3's; what Zen 4 enlarged is the data side (72 and 3072 entries), which is apart.
name = zen4

# The second level for code is its own: the data side has another. Neither
# includes the other: unverified.
second_level = code

# 64 entries for all page sizes, fully associative: leaf 80000005 (EAX and EBX FF48FF40: 2 MB
# and 4 kB), leaf 80000019 (EAX F048F040: 1 GB). Replacement: unverified.
l1.entries = 64
l1.ways = 64
l1.index = linear
l1.replacement = lru
l1.4k = all
l1.16k = all
l1.2m = all
l1.1g = all

# 512 entries: leaf 80000006 says 4 ways for 4 kB (EBX 6C004200) and 2 ways for 2 MB (EAX
# 5C002200), leaf 80000019 none for 1 GB (EBX F0400000). Arranged as Zen 3's: one skewed
# buffer of 64 sets and 8 ways for both sizes. The index functions and the replacement:
# unverified. Entries for four adjacent 4 kB pages (16k): see zen3.
stlb.entries = 512
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
