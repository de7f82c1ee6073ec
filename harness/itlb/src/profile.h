/* SPDX-License-Identifier: GPL-2.0-only */
/* A CPU's instruction TLBs as a file of `key = value` lines; `#` begins a comment. */
#ifndef EMB_PROFILE_H
#define EMB_PROFILE_H

#include <stddef.h>

#include "tlb.h"

struct profile {
	char name[64];
	struct tlb_geometry l1_4k;
	struct tlb_geometry l1_2m;
	struct tlb_geometry stlb;
};

/*
 * Parses @text (of the file @path, for messages) into @profile. On failure returns false
 * with one line in @error that names the file, the line, the value and what it should be.
 */
bool profile_parse(const char *text, const char *path, struct profile *profile, char *error,
		   size_t error_size);
bool profile_load(const char *path, struct profile *profile, char *error, size_t error_size);

const char *index_name(enum index_fn index);
const char *replacement_name(enum replacement replacement);

#endif
