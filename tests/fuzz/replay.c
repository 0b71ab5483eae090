/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over files and directories of files, without an engine: how every build replays
 * the corpora. With clang and -Dfuzz=true libFuzzer brings its own main and this file is left out.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(int dir_fd, const char *name)
{
	auto_buf struct buf b = BUF_INIT;
	int r = io_read_file(dir_fd, name, 16 << 20, &b);

	if (r < 0) {
		fprintf(stderr, "read %s: %s\n", name, strerror(-r));
		return 1;
	}
	return LLVMFuzzerTestOneInput(b.data ? buf_slice(&b).p : (const uint8_t *)"", buf_len(&b));
}

static int run_dir(const char *path, size_t *n_run)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	int failed = 0;

	if (!dir) {
		perror(path);
		return 1;
	}
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		failed |= run_file(dirfd(dir), e->d_name);
		++*n_run;
	}
	closedir(dir);
	return failed;
}

int main(int argc, char **argv)
{
	size_t n_run = 0;
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode)) {
			failed |= run_dir(argv[i], &n_run);
		} else {
			failed |= run_file(AT_FDCWD, argv[i]);
			n_run++;
		}
	}
	printf("%zu inputs\n", n_run);
	/* A target without a corpus tests nothing: that is a failure too. */
	return failed || n_run == 0;
}
