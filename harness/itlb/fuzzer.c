// SPDX-License-Identifier: GPL-2.0-only
/*
 * Damages traces and profiles and replays them, for the tests: each is read to its end, or
 * refused in one line. What else can go wrong is for the sanitizers.
 *
 *   fuzzer SEED COUNT profile=FILE... trace=FILE...
 *
 * Standard output has the last report, then a line of how many traces were read and refused,
 * and how many profiles.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "options.h"
#include "trace.h"

#define MAX_FILES 64
#define MAX_BYTES (1u << 18)

struct file {
	const char *path;
	size_t size;
	uint8_t bytes[MAX_BYTES];
};

static struct file profiles[MAX_FILES], traces[MAX_FILES], damaged;
static unsigned int profile_count, trace_count;
static uint64_t state;

static uint64_t draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

static bool load(struct file *file, const char *path)
{
	FILE *f = fopen(path, "rb");

	file->path = path;
	file->size = f ? fread(file->bytes, 1, MAX_BYTES, f) : 0;
	return f && !fclose(f) && file->size && file->size < MAX_BYTES / 2;
}

/* A file in memory: one on a disk would be flushed each time that it is written anew. */
static bool in_memory(char *path, size_t size)
{
	int fd = memfd_create("fuzzer", 0);

	snprintf(path, size, "/proc/self/fd/%d", fd);
	return fd >= 0;
}

static bool save(const struct file *file, const char *path)
{
	FILE *f = fopen(path, "wb");
	bool ok = f && fwrite(file->bytes, 1, file->size, f) == file->size;

	return f && !fclose(f) && ok;
}

/* Moves what is behind @at so that there is room for @size bytes, or @size fewer with @cut. */
static void shift(struct file *file, size_t at, size_t size, bool cut)
{
	size_t rest = file->size - at;

	if (cut) {
		size = size < rest ? size : rest;
		memmove(file->bytes + at, file->bytes + at + size, rest - size);
		file->size -= size;
	} else if (file->size + size < MAX_BYTES) {
		memmove(file->bytes + at + size, file->bytes + at, rest);
		file->size += size;
	}
}

/* One place of @file; @other is of the same kind. */
static void damage(struct file *file, const struct file *other)
{
	static const uint8_t bytes[] = { 0, 1, 8, 9, 0x7f, 0x80, 0xff, '\n', '=', '-', '9', '"' };
	size_t at, size = 1 + draw(8), from;

	if (!file->size)
		return;
	at = draw(draw(2) || file->size < 64 ? file->size : 64);
	switch (draw(7)) {
	case 0:
		file->bytes[at] ^= 1u << draw(8);
		break;
	case 1:
		file->bytes[at] = draw(256);
		break;
	case 2:
		shift(file, at, size, false);
		memset(file->bytes + at, bytes[draw(sizeof(bytes))], size);
		break;
	case 3:
		shift(file, at, size, true);
		break;
	case 4:
		if (!draw(4))
			file->size = at;
		break;
	case 5:
		file->bytes[at] = bytes[draw(sizeof(bytes))];
		break;
	default:
		from = draw(other->size);
		size = 1 + draw(64);
		if (from + size <= other->size && at + size <= file->size)
			memcpy(file->bytes + at, other->bytes + from, size);
	}
}

static void spoil(const struct file *from, const struct file *others, unsigned int count)
{
	unsigned int places = 1 + draw(4);

	damaged.size = from->size;
	memcpy(damaged.bytes, from->bytes, from->size);
	while (places--)
		damage(&damaged, &others[draw(count)]);
}

/* Whether @error is what the user is told: one line. */
static bool told(const char *error)
{
	return error[0] && !strchr(error, '\n');
}

/* As if it were new: clearing all 64 CPUs would take longer than replaying. */
static void clear(struct machine *m)
{
	unsigned int i;

	machine_free(m);
	for (i = 0; i < MAX_VCPUS; i++)
		if (m->cores[i].present)
			memset(&m->cores[i], 0, sizeof(m->cores[i]));
	memset(m, 0, offsetof(struct machine, cores));
	memset(m->watch, 0, sizeof(*m) - offsetof(struct machine, watch));
}

/* Replays @trace for @profile; false when something is wrong with how that went. */
static bool run(const char *profile, const char *trace, const char *report, bool *read)
{
	static struct score scores[MAX_VCPUS];
	static struct machine m;
	char error[512] = "";
	bool ok = true;
	FILE *out;

	memset(scores, 0, sizeof(scores));
	m.policy = (struct policy){
		.pcid = draw(2) ? ASID_TAGGED : ASID_FLUSH,
		.host_4k = draw(2), .hits = draw(2), .data_side = draw(2),
	};
	*read = machine_profile(&m, profile, error, sizeof(error)) &&
		trace_replay(trace, &m, scores, error, sizeof(error));
	if (!*read)
		ok = told(error);
	else if (!m.window)
		ok = (out = report_open(report)) && report_write(out, report, &m, scores);
	if (!ok)
		fprintf(stderr, "fuzzer: %s, %s: '%s'\n", profile, trace, error);
	clear(&m);
	return ok;
}

static bool take(const char *word)
{
	if (!strncmp(word, "profile=", 8) && profile_count < MAX_FILES)
		return load(&profiles[profile_count++], word + 8);
	if (!strncmp(word, "trace=", 6) && trace_count < MAX_FILES)
		return load(&traces[trace_count++], word + 6);
	return false;
}

int main(int argc, char **argv)
{
	unsigned long left, counts[2][2] = { { 0 } };
	char scratch[64], report[64];
	int i;

	for (i = 3; i < argc; i++) {
		if (!take(argv[i])) {
			fprintf(stderr, "fuzzer: '%s' is not one to begin with\n", argv[i]);
			return 2;
		}
	}
	if (!profile_count || !trace_count || !in_memory(scratch, sizeof(scratch)) ||
	    !in_memory(report, sizeof(report))) {
		fprintf(stderr, "fuzzer: a profile, a trace and files in memory are needed\n");
		return 2;
	}
	state = strtoul(argv[1], NULL, 10) * 2 + 1;
	for (left = strtoul(argv[2], NULL, 10); left; left--) {
		const struct file *profile = &profiles[draw(profile_count)];
		const struct file *trace = &traces[draw(trace_count)];
		bool of_profile = !draw(8), read;

		if (of_profile)
			spoil(profile, profiles, profile_count);
		else
			spoil(trace, traces, trace_count);
		if (!save(&damaged, scratch) ||
		    !run(of_profile ? scratch : profile->path, of_profile ? trace->path : scratch,
			 report, &read)) {
			fprintf(stderr, "fuzzer: with %lu to go\n", left);
			return 1;
		}
		counts[of_profile][!read]++;
	}
	if (!load(&damaged, report) || !fwrite(damaged.bytes, damaged.size, 1, stdout))
		return 1;
	printf("%lu %lu %lu %lu\n", counts[0][0], counts[0][1], counts[1][0], counts[1][1]);
	return 0;
}
