# SPDX-License-Identifier: GPL-2.0-only
# AMD Zen 3, one thread a core. CPUID values are those of a Ryzen 9 5950X; "the guide" is
# AMD's software optimization guide for family 19h (56665).
name = zen3

# The second level for code is its own: the data side has another. Neither
# includes the other: unverified.
second_level = code

# 64 entries for all page sizes, fully associative: leaf 80000005 (EAX and EBX FF40FF40: 2 MB
# and 4 kB), leaf 80000019 (EAX F040F040: 1 GB), and the guide. Replacement: unverified.
l1.entries = 64
l1.ways = 64
l1.index = linear
l1.replacement = lru
l1.4k = all
l1.16k = all
l1.2m = all
l1.1g = all

# 512 entries: leaf 80000006 says 4 ways for 4 kB (EBX 68004200) and 2 ways for 2 MB (EAX
# 48002200), leaf 80000019 none for 1 GB (EBX F0400000); the guide says one buffer of 512
# entries and 8 ways for both sizes, 1 GB pages in 2 MB pieces. The arrangement in which all
# of that holds is a skewed buffer (H. Brais on Zen's second level, stackoverflow 69814823; A.
# Seznec, IEEE Trans. Computers 53, 2004): 64 sets of 8 ways, where a hash of the page number
# chooses four of the ways for a 4 kB page and two for a 2 MB page, and each way has an index
# function of its own. Which functions, and the replacement: unverified; zen4-linear is the
# reading without a hash. A 1 GB page comes back to the first level as such (said of Zen 2's
# data side).
# An entry can hold four adjacent 4 kB pages (event 0x85, umask 0x08 counts walks that found
# such): here where they are aligned to 16 kB, in memory too, and alike in every bit. Which
# levels have such entries (here both, as for a 4 kB page), and what is asked of the pages:
# unverified.
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
