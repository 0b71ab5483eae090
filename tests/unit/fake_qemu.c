/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_qemu.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTEN_FD = 3, VHOST_FD = 3, CONTROL_FD = 6 };

/* Waits for the other end to close. */
static void wait_for_end(int fd)
{
	char c;

	while (read(fd, &c, 1) > 0)
		;
}

static void say(int fd, const char *text)
{
	size_t len = strlen(text);

	if (write(fd, text, len) != (ssize_t)len)
		_exit(90);
}

/* ---- QEMU ---- */

struct fake {
	int qmp_fd, console_fd;
	const char *word; /* what to do */
};

/* fd of the chardev with this id. */
static int find_fd(int argc, char **argv, const char *id)
{
	char prefix[64];

	(void)snprintf(prefix, sizeof(prefix), "socket,id=%s,fd=", id);
	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], prefix, strlen(prefix)) == 0)
			return (int)strtol(argv[i] + strlen(prefix), NULL, 10);
	_exit(91);
}

static const char *find_word(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "-append") == 0)
			return strrchr(argv[i + 1], ' ') + 1;
	_exit(92);
}

/* What happens once the client knows that the guest runs; true: QEMU ends by itself. */
static bool run_guest(const struct fake *f)
{
	if (strcmp(f->word, "panic") == 0) {
		say(f->console_fd,
			"\r\n[ 1.0] Kernel panic - not syncing: sysrq triggered crash\r\n"
			"[ 1.0] Rebooting in 1 seconds..\r\n");
		say(f->qmp_fd, "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": "
			       "\"guest-reset\"}}\r\n");
		return true;
	}
	if (strcmp(f->word, "poweroff") == 0) {
		say(f->qmp_fd, "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": "
			       "\"guest-shutdown\"}}\r\n");
		return true;
	}
	if (strcmp(f->word, "stopped") == 0)
		say(f->qmp_fd, "{\"event\": \"STOP\"}\r\n");
	if (strcmp(f->word, "garbage-later") == 0)
		say(f->qmp_fd, "Segmentation fault\r\n");
	return false;
}

/* The guest lets it go at once. name: with its quotation mark. */
static void say_deleted(const struct fake *f, const char *name)
{
	char event[128];

	if (!name)
		_exit(96);
	(void)snprintf(event, sizeof(event),
		"{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"%.*s\"}}\r\n",
		(int)strcspn(name + 1, "\""), name + 1);
	say(f->qmp_fd, event);
}

/* True: QEMU ends. */
static bool handle_command(const struct fake *f, const char *line)
{
	const char *id = strstr(line, "\"id\":");
	const char *status = strcmp(f->word, "paused") == 0 ? "paused" : "running";
	char reply[128];

	if (strstr(line, "\"quit\"") && strcmp(f->word, "stuck") == 0)
		return false;
	(void)snprintf(reply, sizeof(reply), "{\"return\": {\"status\": \"%s\"}, \"id\": %ld}\r\n",
		status, strtol(id ? id + 5 : "0", NULL, 10));
	say(f->qmp_fd, reply);
	if (strstr(line, "\"device_del\""))
		say_deleted(f, strstr(line, "\"dev-"));
	if (strstr(line, "\"query-status\""))
		return run_guest(f);
	return strstr(line, "\"quit\"") != NULL;
}

static int serve_qmp(const struct fake *f)
{
	FILE *in = fdopen(f->qmp_fd, "r");
	char line[1024];

	if (!in)
		return 93;
	say(f->qmp_fd, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n");
	while (fgets(line, sizeof(line), in))
		if (handle_command(f, line))
			return 0;
	return 94;
}

static int fake_qemu(int argc, char **argv)
{
	const struct fake f = {
		.qmp_fd = find_fd(argc, argv, "qmp"),
		.console_fd = find_fd(argc, argv, "console"),
		.word = find_word(argc, argv),
	};

	if (strcmp(f.word, "refuse") == 0) {
		fprintf(stderr, "qemu: warning: x\nqemu: could not load kernel\n");
		return 1;
	}
	say(f.console_fd, "SeaBIOS\r\nfirst words\r\n");
	if (strcmp(f.word, "silent") == 0)
		wait_for_end(f.qmp_fd);
	if (strcmp(f.word, "garbage") == 0) {
		say(f.qmp_fd, "HTTP/1.1 200 OK\r\n");
		wait_for_end(f.qmp_fd);
	}
	return serve_qmp(&f);
}

/* ---- The daemons ---- */

static int fake_virtiofsd(const char *dir)
{
	const char *word = strrchr(dir, '/') + 1;
	int fd;

	if (strcmp(word, "refuse") == 0) {
		fprintf(stderr, "virtiofsd: no such directory\n");
		return 1;
	}
	fd = accept(LISTEN_FD, NULL, NULL);
	if (fd < 0)
		return 95;
	if (strcmp(word, "leave") == 0)
		return 0;
	wait_for_end(fd);
	return 0;
}

static int fake_vsockd(void)
{
	wait_for_end(VHOST_FD);
	return 0;
}

int fake_qemu_main(int argc, char **argv)
{
	static const char share[] = "--shared-dir=";

	if (argc > 1 && strcmp(argv[1], "-name") == 0)
		return fake_qemu(argc, argv);
	if (argc > 1 && strcmp(argv[0], "kata-vsockd") == 0)
		return fake_vsockd();
	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], share, strlen(share)) == 0)
			return fake_virtiofsd(argv[i]);
	return -1;
}
