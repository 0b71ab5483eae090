/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Paths that somebody hostile may have had a hand in.
 *
 * The *_in_root calls resolve a path as if root_fd were "/": absolute links and ".." stay inside,
 * magic links are refused (openat2, Linux 5.6: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS). Use them
 * for everything below a container's root or a directory that a guest can write.
 */
#include <dirent.h>
#include <sys/types.h>

#include "base/err.h"

/* An fd (O_CLOEXEC added), or -errno. mode matters with O_CREAT only. */
int path_open_in_root(int root_fd, const char *path, int flags, mode_t mode) must_check;

/* Follows no link anywhere on the path (RESOLVE_NO_SYMLINKS): -ELOOP. What exists only. */
int path_open_no_links(int dir_fd, const char *path, int flags) must_check;

/*
 * Like mkdir -p below root_fd: makes the missing components with the given mode (umask applies)
 * and returns an O_PATH fd of the last. -ENOTDIR if a component is something else.
 */
int path_mkdir_in_root(int root_fd, const char *path, mode_t mode) must_check;

/*
 * Makes the parents and the regular file (mode 0644 where it is missing) and returns an O_PATH fd
 * of it: what a bind mount of a file needs as its target.
 */
int path_create_in_root(int root_fd, const char *path, mode_t dir_mode) must_check;

/* mkdir -p of a trusted path. 0 also when it exists. */
int path_mkdir(const char *path, mode_t mode) must_check;

/*
 * Removes what dir_fd/name is, recursively and however deep: never follows a link and never crosses
 * into another mount (-EXDEV for a directory, -EBUSY for a file, with what is outside the mount
 * removed). 0 also when nothing is there. Nobody else may be writing in there. What stands before
 * name's last component is trusted.
 */
int path_remove_tree(int dir_fd, const char *name) must_check;

/* The directory at path below dir_fd, to be read by readdir(); flags: of open(2), O_NOFOLLOW or 0. NULL:
 * errno tells. */
DIR *path_open_dir(int dir_fd, const char *path, int flags) must_check;

/* "/proc/self/fd/N": a path that names what fd is open on. */
enum { PATH_FD_SIZE = 32 };
const char *path_of_fd(int fd, char text[static PATH_FD_SIZE]);

/* A container or sandbox id: [A-Za-z0-9][A-Za-z0-9_.-]+, at most 128 bytes, ASCII (upstream's rule). */
bool path_is_valid_id(const char *id);
/* An exec id: the same, but one character will do, as containerd lets it through. */
bool path_is_valid_exec_id(const char *id);
