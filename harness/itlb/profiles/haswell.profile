# SPDX-License-Identifier: GPL-2.0-only
# Intel Haswell, one thread a core. "Leaf 2" is CPUID leaf 2 of family 6, model 3Ch (signature 306C3).
# "The manual" is Intel's optimisation manual (248966), Haswell microarchitecture.
name = haswell

# Neither level includes the other, as on Skylake: unverified.
second_level = shared

# 128 entries: the manual; leaf 2, descriptor B5, has 64 of 8 ways, the share of one of two
# threads. The manual says 4 ways; here 8, as in leaf 2 and as measured on Skylake (TLB;DR).
# Index and replacement as Skylake's: unverified.
l1_4k.entries = 128
l1_4k.ways = 8
l1_4k.index = linear
l1_4k.replacement = tree-plru
l1_4k.4k = all

# 8 entries, fully associative: leaf 2, descriptor 76. Replacement, and 1 GB
# pages of code held as 2 MB pieces here and below: unverified.
l1_2m.entries = 8
l1_2m.ways = 8
l1_2m.index = linear
l1_2m.replacement = tree-plru
l1_2m.2m = all

# Shared by code and data, 4 kB and 2 MB: 1024 entries, 8 ways (leaf 2, descriptor C1).
# Index and replacement: unverified.
stlb.entries = 1024
stlb.ways = 8
stlb.index = linear
stlb.replacement = tree-plru
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

# Address-space tags (PCIDs) whose entries a buffer keeps at a write of CR3: not measured on this
# part; as Skylake's, unverified.
l1_4k.pcids = 1
l1_2m.pcids = 1
stlb.pcids = 4
data_4k.pcids = 0
data_2m.pcids = 0
data_1g.pcids = 0
