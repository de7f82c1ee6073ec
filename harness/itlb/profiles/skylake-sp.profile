# SPDX-License-Identifier: GPL-2.0-only
# Intel Skylake-SP, one thread a core.
name = skylake-sp

# TLB;DR (2022) measured on a Skylake-class part: neither level includes the other.
second_level = shared

# 128 entries, 8 ways: Intel's optimisation manual (248966), Skylake; CPUID leaf 2 says 64
# (descriptor B5), the share of one of two threads. Index and replacement: TLB;DR.
l1_4k.entries = 128
l1_4k.ways = 8
l1_4k.index = linear
l1_4k.replacement = tree-plru
l1_4k.4k = all

# 8 entries, fully associative: CPUID leaf 2, descriptor 76; the manual. Replacement:
# unverified. 1 GB pages of code are held as 2 MB pieces here and below: unverified.
l1_2m.entries = 8
l1_2m.ways = 8
l1_2m.index = linear
l1_2m.replacement = tree-plru
l1_2m.2m = all

# Shared by code and data, 4 kB and 2 MB: 1536 entries (CPUID leaf 2, descriptor C3, and the
# manual), 12 ways (the manual; C3 stands for 6), 128 sets. Index by XOR of two times seven
# bits, victim (MRU + 1) % 3 with PLRU of four, and twelve ways: measured by TLB;DR.
stlb.entries = 1536
stlb.ways = 12
stlb.index = xor
stlb.replacement = mru3-plru4
stlb.4k = all
stlb.2m = all

# The data side; used only when loads and stores are followed. 64 entries, 4 ways: CPUID leaf
# 2, descriptor 03. Index and replacement: unverified.
data_4k.entries = 64
data_4k.ways = 4
data_4k.index = linear
data_4k.replacement = tree-plru
data_4k.4k = all

# 32 entries, 4 ways: CPUID leaf 2, descriptor 63. Index and replacement: unverified.
data_2m.entries = 32
data_2m.ways = 4
data_2m.index = linear
data_2m.replacement = tree-plru
data_2m.2m = all

# 4 entries, fully associative: CPUID leaf 2, descriptor 63. Replacement: unverified.
data_1g.entries = 4
data_1g.ways = 4
data_1g.index = linear
data_1g.replacement = tree-plru
data_1g.1g = all

# 16 entries, 4 ways, for 1 GB beside the shared level: CPUID leaf 2, descriptor C3, and the
# manual. Whether code may use them is not said; here it does not. Index and replacement:
# unverified.
data_stlb.entries = 16
data_stlb.ways = 4
data_stlb.index = linear
data_stlb.replacement = tree-plru
data_stlb.1g = all

# Address-space tags (PCIDs) whose entries a buffer keeps at a write of CR3: TLB;DR's published
# tests 16 to 19 on a Skylake-class part. Second level: four, the least recently used gives way.
# First level for 4 kB code: the current one. First level for 4 kB data: none, not even the
# current one's. Buffers of other page sizes: as those, unverified.
l1_4k.pcids = 1
l1_2m.pcids = 1
stlb.pcids = 4
data_4k.pcids = 0
data_2m.pcids = 0
data_1g.pcids = 0
data_stlb.pcids = 4
