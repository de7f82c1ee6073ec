/* SPDX-License-Identifier: GPL-2.0-only */
/* The `key=value` options that the plugin and the replay driver share. */
#ifndef EMB_OPTIONS_H
#define EMB_OPTIONS_H

#include "machine.h"

struct paths {
	const char *profile;
	const char *out;	/* the report */
	const char *trace;	/* NULL: none is recorded */
};

/*
 * Takes one option; the paths point into @argument. False with a line on standard error
 * for one that is not known or has a value that it does not take.
 */
bool options_parse(const char *argument, struct paths *paths, struct machine *m);

#endif
