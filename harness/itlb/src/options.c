// SPDX-License-Identifier: GPL-2.0-only
#include "options.h"

#include <stdio.h>
#include <string.h>

/* One of @names, by its place; -1 when it is none of them. */
static int choice(const char *value, const char *const *names)
{
	return !strcmp(value, names[0]) ? 0 : !strcmp(value, names[1]) ? 1 : -1;
}

bool options_parse(const char *argument, struct paths *paths, struct machine *m)
{
	static const char *const pcid[] = { "tagged", "flush" };
	static const char *const host_page[] = { "2m", "4k" };
	static const char *const off_on[] = { "off", "on" };
	const char *equals = strchr(argument, '='), *value = equals ? equals + 1 : "";
	size_t length = equals ? (size_t)(equals - argument) : strlen(argument);
	struct policy *p = &m->policy;
	int n = 0;

#define IS(key) (length == strlen(key) && !strncmp(argument, key, length))
	if (IS("out")) {
		paths->out = value;
	} else if (IS("profile")) {
		paths->profile = value;
	} else if (IS("trace")) {
		paths->trace = value;
	} else if (IS("pcid")) {
		n = choice(value, pcid);
		p->pcid = n ? ASID_FLUSH : ASID_TAGGED;
	} else if (IS("host_page")) {
		n = choice(value, host_page);
		p->host_4k = n;
	} else if (IS("pti")) {
		n = choice(value, off_on);
		m->origin.isolation = n;
	} else if (IS("hits")) {
		n = choice(value, off_on);
		p->hits = n;
	} else if (IS("data")) {
		n = choice(value, off_on);
		p->data_side = n;
	} else {
		n = -1;
	}
#undef IS
	if (n >= 0 && *value)
		return true;
	fprintf(stderr,
		"itlb: argument '%s': out=FILE profile=FILE trace=FILE pcid=tagged|flush host_page=2m|4k pti=off|on hits=off|on data=off|on\n",
		argument);
	return false;
}
