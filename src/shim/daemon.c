/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "linux/mountfd.h"
#include "runtime/timeline.h"
#include "shim/address.h"
#include "shim/roles.h"
#include "shim/shim.h"
#include "shim/shim_end.h"
#include "wire/status.h"

static int take_listener(int *ret_fd, struct err *err)
{
	const char *text = getenv(DAEMON_LISTEN_FD_ENV);
	int accepts = 0;
	socklen_t size = sizeof(accepts);
	char *end = NULL;
	long fd = text ? strtol(text, &end, 10) : -1;

	if (fd < 3 || fd > INT_MAX || *end != '\0' ||
		getsockopt((int)fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) < 0 || !accepts)
		return err_set(err, EINVAL,
			"no listening socket is handed over: the daemon is started by `start`");
	unsetenv(DAEMON_LISTEN_FD_ENV);
	if (io_set_cloexec((int)fd, true) < 0)
		return err_sys(err, errno, "take over the socket");
	*ret_fd = (int)fd;
	return 0;
}

/* containerd reads the fifo <bundle>/log; without one the records go nowhere. */
static void open_log(const struct cli *cli)
{
	struct log_config config = {.format = LOG_LOGFMT,
		.level = cli->debug ? LOG_DEBUG : LOG_INFO,
		.name = "containerd-shim-kata-v2",
		.source = "shim",
		.id = cli->id};

	config.fd = open("log", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	log_init(&config);
}

/*
 * Mounts of the host appear here, and none of ours there; within this namespace they are shared, so
 * that virtiofsd, in a namespace of its own below, sees what is mounted later.
 */
static int own_mounts(struct err *err)
{
	int r = unshare(CLONE_NEWNS) < 0 ? -errno : 0;

	if (r == 0)
		r = mountfd_set_propagation("/", MS_REC | MS_SLAVE);
	if (r == 0)
		r = mountfd_set_propagation("/", MS_REC | MS_SHARED);
	return r < 0 ? err_sys(err, -r, "make a mount namespace") : 0;
}

/* Executed by way of /proc/self/exe, the process would be called "exe". 15 characters, as comm has.
 */
static void take_name(void)
{
	(void)prctl(PR_SET_NAME, "containerd-shim");
}

/* The stop of a systemd scope sends SIGTERM to everything in it: containerd decides when we end. */
static void ignore_signals(void)
{
	static const int ignored[] = {SIGTERM, SIGPIPE, SIGHUP};

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		(void)sigaction(ignored[i], &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
}

/* As containerd's other shims: siblings on a core trust each other only within a pod. */
static void share_core(void)
{
	const char *wanted = getenv("SCHED_CORE");

	if (wanted && wanted[0] &&
		prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, PR_SCHED_CORE_SCOPE_PROCESS_GROUP,
			0) < 0)
		log_write(LOG_WARN, "shim", "SCHED_CORE", "error", strerror(errno), NULL);
}

/* A fixed threshold: glibc's own grows with the first large frame that is freed, and the heap then
 * keeps megabytes (measured: 12 MB after large frames, 0.3 MB with this). */
static void limit_heap(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 128 << 10);
}

/* What came before there was anybody to tell of it: `start`, and this process from its beginning. */
static void begin_timeline(const struct cli *cli)
{
	const char *text = getenv(DAEMON_START_NS_ENV);
	int64_t from_ns = text ? strtoll(text, NULL, 10) : 0, now_ns = clock_now_ns();

	unsetenv(DAEMON_START_NS_ENV);
	timeline_init(cli->id);
	if (from_ns > 0 && from_ns <= now_ns)
		timeline_span("start", NULL, from_ns, now_ns);
}

static int serve(struct shim *shim, int listen_fd, struct err *err)
{
	struct ttrpc_server_config config = {.methods = shim_methods,
		.n_methods = shim_n_methods,
		.user = shim,
		.unknown_service_status = WIRE_UNIMPLEMENTED};
	int r = loop_new(&shim->loop);

	if (r == 0)
		r = events_new(
			shim->loop, getenv("TTRPC_ADDRESS"), shim->cli->name_space, &shim->events);
	if (r < 0) {
		close_fd(listen_fd);
		return err_sys(err, -r, "set up the daemon");
	}
	r = ttrpc_server_new(shim->loop, listen_fd, &config, &shim->server);
	if (r < 0)
		return err_sys(err, -r, "serve the task API");
	r = shim_watch_idle(shim);
	if (r < 0)
		return err_sys(err, -r, "set up the daemon");
	timeline_end("daemon", NULL, shim->ready_ns);
	shim->ready_ns = clock_now_ns();
	log_write(LOG_INFO, "shim", "serving", "version", KIHON_VERSION, NULL);
	malloc_trim(0);
	r = loop_run(shim->loop);
	return r < 0 ? err_sys(err, -r, "run the daemon") : 0;
}

int daemon_run(const struct cli *cli, struct err *err)
{
	char socket_path[ADDRESS_PATH_SIZE];
	struct shim shim = {.cli = cli,
		.socket_path = socket_path,
		.run_root = "/run",
		.ready_ns = clock_now_ns()};
	int listen_fd, r = take_listener(&listen_fd, err);

	if (r < 0)
		return r;
	address_of(cli->address, cli->name_space, cli->id, socket_path);
	take_name();
	limit_heap();
	open_log(cli);
	begin_timeline(cli);
	ignore_signals();
	share_core();
	r = own_mounts(err);
	if (r == 0)
		r = serve(&shim, listen_fd, err);
	else
		close_fd(listen_fd);
	if (r < 0)
		log_write(LOG_ERROR, "shim", err->msg, NULL);
	ttrpc_server_free(shim.server);
	/* Ours, unless a new daemon listens there already. */
	address_remove_dead(socket_path);
	events_free(shim.events);
	source_free(shim.idle);
	map_fini(&shim.containers);
	map_fini(&shim.creates);
	map_fini(&shim.deletions);
	loop_free(shim.loop);
	return r;
}
