// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replays a recorded trace for any profile and policy, and writes the report that the
 * plugin would have written.
 *
 *   replay trace=FILE profile=FILE out=FILE [pcid=flush|tagged]
 *          [data=off|on] [hits=off|on]
 *
 * Exit status: 0 with a report; 2 without one and with one line on standard error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "trace.h"

static bool replay(struct machine *m, const struct paths *paths)
{
	struct score scores[MAX_VCPUS] = { { 0 } };
	char error[512];
	FILE *f;

	if (!machine_profile(m, paths->profile, error, sizeof(error))) {
		fprintf(stderr, "replay: %s\n", error);
		return false;
	}
	if (!trace_replay(paths->trace, m, scores, error, sizeof(error))) {
		fprintf(stderr, "replay: %s\n", error);
		return false;
	}
	if (m->window) {
		fprintf(stderr, "replay: %s: window %u was never closed\n", paths->trace, m->window);
		return false;
	}
	f = report_open(paths->out);
	return f && report_write(f, paths->out, m, scores);
}

int main(int argc, char **argv)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct paths paths = { 0 };
	bool ok = m;
	int i;

	if (m)
		m->policy.pcid = ASID_TAGGED;
	for (i = 1; ok && i < argc; i++) {
		ok = strncmp(argv[i], "pti=", 4) && options_parse(argv[i], &paths, m);
		if (!ok)
			fprintf(stderr, "replay: argument '%s' is not one to replay with\n",
				argv[i]);
	}
	if (ok && (!paths.trace || !paths.profile || !paths.out)) {
		fprintf(stderr, "replay: trace=FILE, profile=FILE and out=FILE are needed\n");
		ok = false;
	}
	ok = ok && replay(m, &paths);
	if (m)
		machine_free(m);
	free(m);
	return ok ? 0 : 2;
}
