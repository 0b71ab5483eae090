/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CopyFile in a directory that has links out of it: whatever the path and the rest say, nothing
 * outside changes. Input: a byte for the mode, one for the offset, the path below the base up to a
 * NUL, then the data.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/copy_file.h"
#include "agent/copy_path.h"
#include "base/path.h"

static char dir[64], base[96], outside[96];

static void name_directories(void)
{
	snprintf(dir, sizeof(dir), "/tmp/kihon-fuzz-copy.%d", (int)getpid());
	snprintf(base, sizeof(base), "%s/base", dir);
	snprintf(outside, sizeof(outside), "%s/outside", dir);
}

static void set_up(void)
{
	char link[160];

	assert(mkdir(dir, 0700) == 0);
	assert(mkdir(base, 0755) == 0 && mkdir(outside, 0755) == 0);
	snprintf(link, sizeof(link), "%s/up", base);
	assert(symlink("../outside", link) == 0);
	snprintf(link, sizeof(link), "%s/abs", base);
	assert(symlink(outside, link) == 0);
	snprintf(link, sizeof(link), "%s/dir", base);
	assert(mkdir(link, 0755) == 0);
}

/* An rmdir that works finds it empty. */
static void tear_down(void)
{
	assert(rmdir(outside) == 0);
	assert(path_remove_tree(AT_FDCWD, base) == 0);
	assert(rmdir(dir) == 0);
}

static void check_path(const char *path)
{
	struct copy_path p;

	if (copy_path_parse(base, path, &p, NULL) < 0)
		return;
	assert(*p.name && !strchr(p.name, '/') && strlen(p.name) <= NAME_MAX);
	assert(!strchr(p.temp, '/') && strcmp(p.temp, p.name) != 0);
	assert(strcmp(p.name, ".") != 0 && strcmp(p.name, "..") != 0);
	for (const char *at = p.dir; (at = strstr(at, "..")); at++)
		assert(strcspn(at, "/") > 2 || (at > p.dir && at[-1] != '/'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t types[] = {S_IFREG, S_IFDIR, S_IFLNK, 0, S_IFIFO, 0200000};
	Grpc__CopyFileRequest request = GRPC__COPY_FILE_REQUEST__INIT;
	const uint8_t *end;
	char *path;

	if (size < 3 || !(end = memchr(data + 2, '\0', size - 2)))
		return 0;
	name_directories();
	/* A path that starts with "/" is taken as it is. */
	if (asprintf(&path, "%s%s%s", data[2] == '/' ? "" : base, data[2] == '/' ? "" : "/",
		    (const char *)data + 2) < 0)
		abort();
	request.path = path;
	request.file_mode = types[data[0] % ARRAY_SIZE(types)] | 0755;
	request.dir_mode = 0755;
	request.offset = (int8_t)data[1];
	request.uid = (int32_t)geteuid();
	request.gid = (int32_t)getegid();
	request.data.len = size - (size_t)(end + 1 - data);
	request.data.data = malloc(request.data.len + 1);
	if (!request.data.data)
		abort();
	memcpy(request.data.data, end + 1, request.data.len);
	request.file_size = request.offset + (int64_t)request.data.len;
	check_path(path);
	if (copy_file_check(base, &request, NULL) == 0) {
		set_up();
		for (int i = 0; i < 2; i++)
			(void)!copy_file(base, &request, NULL);
		tear_down();
	}
	free(request.data.data);
	free(path);
	return 0;
}
