# SPDX-License-Identifier: GPL-2.0-only
# AMD Zen 4 with another reading of its second level, one thread a core. CPUID values are those of an EPYC 9124. For code they equal
# Zen 3's; what Zen 4 enlarged is the data side (72 and 3072 entries), which is apart.
name = zen4-linear

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
# 5C002200), leaf 80000019 none for 1 GB (EBX F0400000). Here the lowest bits of the page number
# choose the set and the next ones the ways, without a hash: the reading to compare zen4 with,
# for what depends on the index. Unverified.
stlb.entries = 512
stlb.ways = 8
stlb.index = linear
stlb.replacement = lru
stlb.4k = all by 4
stlb.16k = all by 4
stlb.2m = all by 2

# Address-space tags (PCIDs) whose entries a buffer keeps at a write of CR3: not measured on Zen,
# and no limit is published; all that Linux uses.
l1.pcids = all
stlb.pcids = all
