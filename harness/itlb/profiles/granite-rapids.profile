# SPDX-License-Identifier: GPL-2.0-only
# Intel Granite Rapids (Redwood Cove), one thread a core. No structure of the core changed in
# size since Golden Cove (chipsandcheese.com, 22 September 2024, measured on Meteor Lake's
# performance core), so every number is Sapphire Rapids's; not measured on the server part.
# "Leaf 18" is CPUID leaf 18h of a Core i9-12900K's performance core (Golden Cove).
name = granite-rapids

# Neither level includes the other, as on Skylake: unverified.
second_level = shared

# 256 entries, 8 ways: leaf 18, subleaf 1, and Intel's optimisation manual (248966). Index
# and replacement as Skylake's: unverified.
l1_4k.entries = 256
l1_4k.ways = 8
l1_4k.index = linear
l1_4k.replacement = tree-plru
l1_4k.4k = all

# 32 entries, 8 ways: leaf 18, subleaf 2, and the manual. Index and replacement, and 1 GB
# pages held in 2 MB pieces: unverified.
l1_2m.entries = 32
l1_2m.ways = 8
l1_2m.index = linear
l1_2m.replacement = tree-plru
l1_2m.2m = all

# Two parts of 128 sets and 8 ways, one for 4 kB and 2 MB, one for 4 kB and 1 GB: leaf 18,
# subleaves 7 and 8, and the manual. Where a 4 kB page goes, the index
# and the replacement: unverified, as for Ice Lake.
stlb.entries = 2048
stlb.ways = 16
stlb.index = xor
stlb.replacement = tree-plru
stlb.4k = all
stlb.2m = 0-7
stlb.1g = 8-15

# The data side; used only when loads and stores are followed. Loads, 64 entries, 4 ways: leaf
# 18, subleaf 4; the manual says 96, unverified. Index and replacement: unverified.
data_4k.entries = 64
data_4k.ways = 4
data_4k.index = linear
data_4k.replacement = tree-plru
data_4k.4k = all

# Loads, 32 entries, 4 ways: leaf 18, subleaf 5. Index and replacement: unverified.
data_2m.entries = 32
data_2m.ways = 4
data_2m.index = linear
data_2m.replacement = tree-plru
data_2m.2m = all

# Loads, 8 entries, fully associative: leaf 18, subleaf 6. Replacement: unverified.
data_1g.entries = 8
data_1g.ways = 8
data_1g.index = linear
data_1g.replacement = tree-plru
data_1g.1g = all

# Stores: 16 entries, fully associative, all sizes (leaf 18, subleaf 3).
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
