# SPDX-License-Identifier: GPL-2.0-only
# Intel Ice Lake-SP (Sunny Cove), one thread a core. "Leaf 18" is CPUID leaf 18h of a Core
# i7-1065G7, the same core; the Xeons whose dumps are public run under a hypervisor that
# hides it. "The manual" is Intel's optimisation manual (248966), Ice Lake Client.
name = icelake-sp

# Neither level includes the other, as on Skylake: unverified.
second_level = shared

# 128 entries, 8 ways: the manual. Leaf 18 does not list it. Index and replacement as
# Skylake's: unverified.
l1_4k.entries = 128
l1_4k.ways = 8
l1_4k.index = linear
l1_4k.replacement = tree-plru
l1_4k.4k = all

# 8 entries, fully associative: leaf 18, subleaf 1 (which says 4 kB and 2 MB of it; taken for
# the buffer of large pages). The manual and others say 16: unverified. Replacement, and 1 GB
# pages held in 2 MB pieces: unverified.
l1_2m.entries = 8
l1_2m.ways = 8
l1_2m.index = linear
l1_2m.replacement = tree-plru
l1_2m.2m = all

# Leaf 18, subleaves 6 and 7, and the manual: two parts of 128 sets and 8 ways, one for 4 kB
# and 2 MB, one for 4 kB and 1 GB. Here ways 0-7 and 8-15 of the same sets; a 4 kB page may be
# in either part, free ways first, then the policy's choice over all sixteen: unverified.
# Index by XOR as measured on Skylake, with its seven bits, and tree-PLRU: unverified.
stlb.entries = 2048
stlb.ways = 16
stlb.index = xor
stlb.replacement = tree-plru
stlb.4k = all
stlb.2m = 0-7
stlb.1g = 8-15

# The data side; used only when loads and stores are followed. Loads, 64 entries, 4 ways: leaf
# 18, subleaf 3. Index and replacement: unverified.
data_4k.entries = 64
data_4k.ways = 4
data_4k.index = linear
data_4k.replacement = tree-plru
data_4k.4k = all

# Loads, 32 entries, 4 ways: leaf 18, subleaf 4. Index and replacement: unverified.
data_2m.entries = 32
data_2m.ways = 4
data_2m.index = linear
data_2m.replacement = tree-plru
data_2m.2m = all

# Loads, 8 entries, fully associative: leaf 18, subleaf 5. Replacement: unverified.
data_1g.entries = 8
data_1g.ways = 8
data_1g.index = linear
data_1g.replacement = tree-plru
data_1g.1g = all

# Stores: 16 entries, fully associative, all sizes (leaf 18, subleaf 2).
# Replacement: unverified.
store.entries = 16
store.ways = 16
store.index = linear
store.replacement = tree-plru
store.4k = all
store.2m = all
store.1g = all

# Address-space tags (PCIDs) whose entries a buffer keeps at a write of CR3: not measured on this
# part; as Skylake's, unverified.
l1_4k.pcids = 1
l1_2m.pcids = 1
stlb.pcids = 4
data_4k.pcids = 0
data_2m.pcids = 0
data_1g.pcids = 0
store.pcids = 0
