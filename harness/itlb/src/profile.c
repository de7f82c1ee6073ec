// SPDX-License-Identifier: GPL-2.0-only
#include "profile.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ENTRIES 65536
#define MAX_FILE 65536
#define MAX_PCIDS 12		/* the tags that Linux's six address spaces have */
#define ALL UINT32_MAX		/* span of "all" until the ways are known */

static const char *const buffer_names[BUFFERS] = {
	"l1_4k", "l1_2m", "l1", "stlb",
	"data_4k", "data_2m", "data_1g", "data", "store", "data_stlb",
};
static const char *const index_names[] = { "linear", "xor", "skewed", NULL };
static const char *const replacement_names[] = { "lru", "tree-plru", "mru3-plru4", NULL };
static const char *const second_names[] = { "shared", "code", NULL };

/* Keys of a buffer. The first KEY_NEEDED are needed, of the rest one page size is. */
enum { KEY_ENTRIES, KEY_WAYS, KEY_INDEX, KEY_REPLACEMENT, KEY_NEEDED,
       KEY_4K = KEY_NEEDED, KEY_16K, KEY_2M, KEY_1G, KEY_PCIDS, KEYS };
static const char *const key_names[KEYS] = {
	"entries", "ways", "index", "replacement", "4k", "16k", "2m", "1g", "pcids",
};
static const char *const key_takes[KEYS] = {
	"a number up to 65536", "a number up to 65536", "linear, xor or skewed",
	"lru, tree-plru or mru3-plru4",
	"all, or ways as FIRST-LAST, with 'by N' for groups of N",
	"all, or ways as FIRST-LAST, with 'by N' for groups of N",
	"all, or ways as FIRST-LAST, with 'by N' for groups of N",
	"all, or ways as FIRST-LAST, with 'by N' for groups of N",
	"a number up to 12, or all",
};

struct parser {
	const char *path;
	unsigned int line;
	struct profile *profile;
	unsigned int lines[BUFFERS][KEYS];	/* where a key was given, 0: not yet */
	bool second_level;
	char *error;
	size_t error_size;
};


__attribute__((format(printf, 3, 4)))
static bool fail(struct parser *p, unsigned int line, const char *format, ...)
{
	char message[400];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	if (line)
		snprintf(p->error, p->error_size, "%s:%u: %s", p->path, line, message);
	else
		snprintf(p->error, p->error_size, "%s: %s", p->path, message);
	return false;
}

static char *strip(char *text)
{
	char *end;

	while (isspace((unsigned char)*text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return text;
}

/* One of @names, by its place; -1 when it is none of them. */
static int choice(const char *value, const char *const *names)
{
	int i;

	for (i = 0; names[i]; i++)
		if (!strcmp(value, names[i]))
			return i;
	return -1;
}

/* A number at the start of *text, which is moved behind it. */
static bool take_number(const char **text, unsigned int *number)
{
	char *end;
	unsigned long parsed;

	if (!isdigit((unsigned char)**text))
		return false;
	errno = 0;
	parsed = strtoul(*text, &end, 10);
	*text = end;
	*number = parsed;
	return !errno && parsed <= MAX_ENTRIES;
}

/* "all", "4-7", either with " by 2". */
static bool parse_placement(const char *value, struct placement *placement)
{
	unsigned int last, by = 0;

	*placement = (struct placement){ 0 };
	if (!strncmp(value, "all", 3)) {
		value += 3;
		placement->span = ALL;
	} else {
		if (!take_number(&value, &placement->first) || *value++ != '-' ||
		    !take_number(&value, &last) || last < placement->first)
			return false;
		placement->span = last - placement->first + 1;
	}
	if (!strncmp(value, " by ", 4)) {
		value += 4;
		if (!take_number(&value, &by) || !by)
			return false;
	}
	placement->ways = by;
	return !*value;
}

static bool parse_value(struct tlb_geometry *g, unsigned int key, const char *value)
{
	int n = 0;

	switch (key) {
	case KEY_ENTRIES:
		return take_number(&value, &g->entries) && !*value;
	case KEY_WAYS:
		return take_number(&value, &g->ways) && !*value;
	case KEY_INDEX:
		n = choice(value, index_names);
		g->index = n;
		return n >= 0;
	case KEY_REPLACEMENT:
		n = choice(value, replacement_names);
		g->replacement = n;
		return n >= 0;
	case KEY_PCIDS:
		return !strcmp(value, "all") ||
		       (take_number(&value, &g->pcids) && !*value && g->pcids <= MAX_PCIDS);
	}
	return parse_placement(value, &g->pages[key - KEY_4K]);
}

/* Splits "buffer.key" and finds both; false when either is not known. */
static bool find_key(const char *name, unsigned int *buffer, unsigned int *key)
{
	const char *dot = strchr(name, '.');

	if (!dot)
		return false;
	for (*buffer = 0; *buffer < BUFFERS; (*buffer)++)
		if (strlen(buffer_names[*buffer]) == (size_t)(dot - name) &&
		    !strncmp(buffer_names[*buffer], name, dot - name))
			break;
	for (*key = 0; *key < KEYS; (*key)++)
		if (!strcmp(key_names[*key], dot + 1))
			break;
	return *buffer < BUFFERS && *key < KEYS;
}

/* What a report can have in a string as it is. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\')
			return false;
	return true;
}

/* A key of the CPU as a whole. */
static bool take_policy(struct parser *p, const char *name, const char *value, bool *known)
{
	struct profile *profile = p->profile;
	int n;

	*known = true;
	if (!strcmp(name, "name")) {
		if (profile->name[0] || !*value || strlen(value) >= sizeof(profile->name) ||
		    !is_plain(value))
			return fail(p, p->line, "name '%.40s': one plain name, once", value);
		strcpy(profile->name, value);
		return true;
	}
	if (strcmp(name, "second_level")) {
		*known = false;
		return true;
	}
	n = choice(value, second_names);
	profile->second_level = n;
	if (n < 0)
		return fail(p, p->line, "second_level = '%.40s': shared or code", value);
	if (p->second_level)
		return fail(p, p->line, "'%s' is given twice", name);
	p->second_level = true;
	return true;
}

static bool take_line(struct parser *p, char *raw)
{
	char *name, *value, *equals;
	unsigned int buffer, key;
	bool known;

	raw[strcspn(raw, "#")] = '\0';
	name = strip(raw);
	if (!*name)
		return true;
	equals = strchr(name, '=');
	if (!equals)
		return fail(p, p->line, "'%.40s': expected key = value", name);
	*equals = '\0';
	value = strip(equals + 1);
	name = strip(name);
	if (!take_policy(p, name, value, &known) || known)
		return known && !p->error[0];
	if (!find_key(name, &buffer, &key))
		return fail(p, p->line,
			    "unknown key '%.40s': name, second_level, or BUFFER.KEY with a buffer of l1_4k l1_2m l1 stlb data_4k data_2m data_1g data store data_stlb and a key of entries ways index replacement 4k 16k 2m 1g pcids",
			    name);
	if (p->lines[buffer][key])
		return fail(p, p->line, "'%s' is given twice, first in line %u", name,
			    p->lines[buffer][key]);
	if (!parse_value(&p->profile->buffers[buffer], key, value))
		return fail(p, p->line, "%s = '%.40s' is not a value it takes: %s", name, value,
			    key_takes[key]);
	p->lines[buffer][key] = p->line;
	return true;
}

static bool finish_buffer(struct parser *p, unsigned int buffer)
{
	struct tlb_geometry *g = &p->profile->buffers[buffer];
	const unsigned int *lines = p->lines[buffer];
	unsigned int key, size, given = 0;
	const char *why;

	for (key = 0; key < KEYS; key++)
		given += !!lines[key];
	if (!given)
		return true;
	for (key = 0; key < KEY_NEEDED; key++)
		if (!lines[key] && (!key || g->entries))
			return fail(p, 0, "key '%s.%s' is missing: add it, with %s",
				    buffer_names[buffer], key_names[key], key_takes[key]);
	for (size = 0; size < PAGE_SIZES; size++) {
		struct placement *placement = &g->pages[size];

		if (placement->span == ALL)
			placement->span = g->ways;
		if (!placement->ways)
			placement->ways = placement->span;
	}
	why = tlb_geometry_error(g);
	if (why)
		return fail(p, lines[KEY_WAYS], "%s: %s (entries %u, ways %u, %s)",
			    buffer_names[buffer], why, g->entries, g->ways,
			    replacement_names[g->replacement]);
	return true;
}

static bool finish(struct parser *p)
{
	unsigned int buffer;
	const char *why;

	if (!p->profile->name[0])
		return fail(p, 0, "key 'name' is missing: add the CPU's name");
	if (!p->second_level)
		return fail(p, 0, "key 'second_level' is missing: add it, with shared or code");
	for (buffer = 0; buffer < BUFFERS; buffer++)
		if (!finish_buffer(p, buffer))
			return false;
	why = profile_error(p->profile);
	if (why)
		return fail(p, 0, "%s", why);
	return true;
}

bool profile_parse(const char *text, const char *path, struct profile *profile, char *error,
		   size_t error_size)
{
	struct parser p = { .path = path, .profile = profile, .error = error,
			    .error_size = error_size };
	char *copy = strdup(text), *next = copy, *raw;
	unsigned int buffer;
	bool ok = true;

	memset(profile, 0, sizeof(*profile));
	for (buffer = 0; buffer < BUFFERS; buffer++)
		profile->buffers[buffer].pcids = TLB_TAGS;	/* all */
	error[0] = '\0';
	if (!copy)
		return fail(&p, 0, "out of memory");
	while (ok && (raw = strsep(&next, "\n"))) {
		p.line++;
		ok = take_line(&p, raw);
	}
	ok = ok && finish(&p);
	free(copy);
	return ok;
}

bool profile_load(const char *path, struct profile *profile, char *error, size_t error_size)
{
	FILE *file = fopen(path, "r");
	char text[MAX_FILE];
	size_t size;

	if (!file) {
		snprintf(error, error_size, "%s: %s", path, strerror(errno));
		return false;
	}
	size = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	if (size == sizeof(text) - 1 || memchr(text, '\0', size)) {
		snprintf(error, error_size, "%s: not a profile (too long, or not text)", path);
		return false;
	}
	text[size] = '\0';
	return profile_parse(text, path, profile, error, error_size);
}

/* The page sizes that the buffers from @first to @last hold, as bits. */
static unsigned int sizes_of(const struct profile *profile, unsigned int first, unsigned int last)
{
	unsigned int buffer, size, sizes = 0;

	for (buffer = first; buffer <= last; buffer++)
		for (size = 0; size < PAGE_SIZES; size++)
			if (profile->buffers[buffer].entries &&
			    profile->buffers[buffer].pages[size].span)
				sizes |= 1u << size;
	return sizes;
}

const char *profile_error(const struct profile *profile)
{
	unsigned int code = sizes_of(profile, L1_4K, L1), second = sizes_of(profile, STLB, STLB);
	unsigned int data = sizes_of(profile, DATA_4K, DATA), store = sizes_of(profile, STORE, STORE);

	if (!(code & 1))
		return "no first level holds 4 kB pages of code: give l1_4k.4k = all or l1.4k = all";
	if (second && !(second & 1))
		return "the stlb does not hold 4 kB pages: give stlb.4k = all";
	if (data && !(data & 1))
		return "no first level holds 4 kB pages of data: give data_4k.4k = all or data.4k = all";
	if (store && (!(store & 1) || !data))
		return "the store buffer needs 4 kB pages, and a buffer for loads beside it";
	return NULL;
}

bool profile_holds(const struct profile *profile, enum page_size size)
{
	return sizes_of(profile, 0, BUFFERS - 1) & 1u << size;
}

bool profile_data_competes(const struct profile *profile)
{
	return profile->second_level == SECOND_SHARED && profile->buffers[STLB].entries &&
	       sizes_of(profile, DATA_4K, DATA);
}

static void write_pages(FILE *f, const struct tlb_geometry *g)
{
	unsigned int size, written = 0;

	fputs("{", f);
	for (size = 0; size < PAGE_SIZES; size++) {
		const struct placement *p = &g->pages[size];

		if (p->span)
			fprintf(f, "%s\"%s\": [%u, %u, %u]", written++ ? ", " : "",
				page_size_name(size), p->first, p->first + p->span - 1, p->ways);
	}
	fputs("}", f);
}

void profile_write_json(FILE *f, const struct profile *profile)
{
	unsigned int buffer;

	fprintf(f, "\"name\": \"%s\", \"second_level\": \"%s\"", profile->name,
		second_names[profile->second_level]);
	for (buffer = 0; buffer < BUFFERS; buffer++) {
		const struct tlb_geometry *g = &profile->buffers[buffer];

		if (!g->entries)
			continue;
		fprintf(f, ", \"%s\": {\"entries\": %u, \"ways\": %u, \"index\": \"%s\", \"replacement\": \"%s\", ",
			buffer_names[buffer], g->entries, g->ways, index_names[g->index],
			replacement_names[g->replacement]);
		if (g->pcids < TLB_TAGS)
			fprintf(f, "\"pcids\": %u, ", g->pcids);
		fputs("\"pages\": ", f);
		write_pages(f, g);
		fputs("}", f);
	}
}
