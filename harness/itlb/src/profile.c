// SPDX-License-Identifier: GPL-2.0-only
#include "profile.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ENTRIES 65536
#define MAX_FILE 65536

static const char *const index_names[] = { "linear", "xor" };
static const char *const replacement_names[] = { "lru", "tree-plru", "mru3-plru4" };

const char *index_name(enum index_fn index)
{
	return index_names[index];
}

const char *replacement_name(enum replacement replacement)
{
	return replacement_names[replacement];
}

struct key {
	const char *name;
	size_t offset;		/* in struct tlb_geometry */
	const char *const *names;	/* NULL: a number */
	unsigned int count;
};

static const struct key keys[] = {
	{ "entries", offsetof(struct tlb_geometry, entries), NULL, 0 },
	{ "ways", offsetof(struct tlb_geometry, ways), NULL, 0 },
	{ "index", offsetof(struct tlb_geometry, index), index_names, 2 },
	{ "replacement", offsetof(struct tlb_geometry, replacement), replacement_names, 3 },
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))
#define BUFFERS 3
static const char *const buffers[BUFFERS] = { "l1_4k", "l1_2m", "stlb" };

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

static bool parse_value(const struct key *key, const char *value, unsigned int *number)
{
	char *end;
	unsigned long parsed;

	if (key->names) {
		for (*number = 0; *number < key->count; (*number)++)
			if (!strcmp(value, key->names[*number]))
				return true;
		return false;
	}
	if (!isdigit((unsigned char)*value))
		return false;
	errno = 0;
	parsed = strtoul(value, &end, 10);
	*number = parsed;
	return !errno && !*end && parsed <= MAX_ENTRIES;
}

/* Splits "buffer.key" and finds both; false when either is not known. */
static bool find_key(const char *name, unsigned int *buffer, unsigned int *key)
{
	const char *dot = strchr(name, '.');

	if (!dot)
		return false;
	for (*buffer = 0; *buffer < BUFFERS; (*buffer)++)
		if (strlen(buffers[*buffer]) == (size_t)(dot - name) &&
		    !strncmp(buffers[*buffer], name, dot - name))
			break;
	for (*key = 0; *key < KEYS; (*key)++)
		if (!strcmp(keys[*key].name, dot + 1))
			break;
	return *buffer < BUFFERS && *key < KEYS;
}

bool profile_parse(const char *text, const char *path, struct profile *profile, char *error,
		   size_t error_size)
{
	struct tlb_geometry *geometry[BUFFERS] = { &profile->l1_4k, &profile->l1_2m,
						   &profile->stlb };
	bool seen[BUFFERS][KEYS] = { { false } };
	char *copy = strdup(text), *next = copy, *raw;
	unsigned int line = 0, buffer, key, number;
	bool ok = false;

	memset(profile, 0, sizeof(*profile));
	if (!copy) {
		snprintf(error, error_size, "%s: out of memory", path);
		return false;
	}
	while ((raw = strsep(&next, "\n"))) {
		char *name, *value, *equals;

		line++;
		raw[strcspn(raw, "#")] = '\0';
		name = strip(raw);
		if (!*name)
			continue;
		equals = strchr(name, '=');
		if (!equals) {
			snprintf(error, error_size, "%s:%u: '%.40s': expected key = value", path,
				 line, name);
			goto out;
		}
		*equals = '\0';
		value = strip(equals + 1);
		name = strip(name);
		if (!strcmp(name, "name")) {
			if (profile->name[0] || !*value || strlen(value) >= sizeof(profile->name) ||
			    strpbrk(value, "\"\\")) {
				snprintf(error, error_size, "%s:%u: name '%.40s': one plain name, once",
					 path, line, value);
				goto out;
			}
			strcpy(profile->name, value);
			continue;
		}
		if (!find_key(name, &buffer, &key)) {
			snprintf(error, error_size,
				 "%s:%u: unknown key '%.40s': name, or {l1_4k,l1_2m,stlb}.{entries,ways,index,replacement}",
				 path, line, name);
			goto out;
		}
		if (seen[buffer][key]) {
			snprintf(error, error_size, "%s:%u: '%s' is given twice", path, line, name);
			goto out;
		}
		if (!parse_value(&keys[key], value, &number)) {
			snprintf(error, error_size, "%s:%u: %s = '%.40s' is not a value it takes",
				 path, line, name, value);
			goto out;
		}
		seen[buffer][key] = true;
		memcpy((char *)geometry[buffer] + keys[key].offset, &number, sizeof(number));
	}
	if (!profile->name[0]) {
		snprintf(error, error_size, "%s: key 'name' is missing", path);
		goto out;
	}
	for (buffer = 0; buffer < BUFFERS; buffer++) {
		const char *why;

		for (key = 0; key < KEYS; key++) {
			if (seen[buffer][key] || (key && seen[buffer][0] && !geometry[buffer]->entries))
				continue;
			snprintf(error, error_size, "%s: key '%s.%s' is missing", path,
				 buffers[buffer], keys[key].name);
			goto out;
		}
		why = tlb_geometry_error(geometry[buffer]);
		if (why) {
			snprintf(error, error_size, "%s: %s: %s", path, buffers[buffer], why);
			goto out;
		}
	}
	if (!profile->l1_4k.entries) {
		snprintf(error, error_size, "%s: l1_4k.entries is 0", path);
		goto out;
	}
	ok = true;
out:
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
