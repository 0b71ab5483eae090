/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boots one VM with the hypervisor library alone, to try and to time it:
 *
 *	boot_vm KERNEL INITRD RUN_DIR SHARE_DIR [VSOCKD [KERNEL_PARAMS]]
 *
 * Prints what is journalled, each span, when the agent answers, and how the VM ended. A line on
 * stdin, or its end, stops it. VSOCKD is a program with the role kata-vsockd. KIHON_DEBUG=1 shows
 * the console. Exit status: 0 stopped, 1 the VM ended by itself, 2 it did not start.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "hypervisor/hypervisor.h"
#include "wire/dial.h"

enum { START_TIMEOUT_S = 30, STOP_GRACE_S = 2, MEMORY_MIB = 2048, RETRY_MS = 10 };

struct boot {
	struct loop *loop;
	struct hypervisor *hv;
	struct source *input;
	struct dial *dial;
	int64_t begin_ns;
};

static double seconds_since(int64_t from_ns)
{
	return (double)(clock_now_ns() - from_ns) / 1e9;
}

static int note_process(void *data, const char *role, pid_t pid, uint64_t start_time)
{
	(void)data;
	printf("process %s %d %llu\n", role, (int)pid, (unsigned long long)start_time);
	return 0;
}

static int note_path(void *data, const char *path)
{
	(void)data;
	printf("path %s\n", path);
	return 0;
}

static void span(void *data, const char *what, int64_t from_ns, int64_t to_ns)
{
	(void)data;
	printf("span %s %.3f s\n", what, (double)(to_ns - from_ns) / 1e9);
}

static void on_stopped(void *data, const struct err *err)
{
	struct boot *b = data;

	(void)err;
	printf("stopped\n");
	loop_stop(b->loop, 0);
}

static void on_reaped(void *data, const struct err *err)
{
	struct boot *b = data;

	(void)err;
	loop_stop(b->loop, 1);
}

static void on_exit_vm(void *data, const struct err *why)
{
	struct boot *b = data;

	printf("ended after %.3f s: %s\n", seconds_since(b->begin_ns), why->msg);
	fflush(stdout);
	hypervisor_stop(b->hv, 0, on_reaped, b);
}

static void on_agent(void *data, int fd, const struct err *err)
{
	struct boot *b = data;

	b->dial = NULL;
	if (err)
		printf("no agent after %.3f s: %s\n", seconds_since(b->begin_ns), err->msg);
	else
		printf("agent after %.3f s\n", seconds_since(b->begin_ns));
	fflush(stdout);
	close_fd(fd);
}

static void on_started(void *data, const struct err *err)
{
	struct dial_config dial = {.retry_ns = RETRY_MS * NS_PER_MS, .attempt_ns = NS_PER_S};
	struct boot *b = data;

	if (err) {
		printf("not started: %s\n", err->msg);
		loop_stop(b->loop, 2);
		return;
	}
	printf("started after %.3f s: pid %d, agent at %s\n", seconds_since(b->begin_ns),
		(int)hypervisor_pid(b->hv), hypervisor_agent_address(b->hv));
	fflush(stdout);
	dial.address = hypervisor_agent_address(b->hv);
	dial.deadline_ns = clock_now_ns() + START_TIMEOUT_S * NS_PER_S;
	if (dial_start(b->loop, &dial, on_agent, b, &b->dial, NULL) < 0)
		printf("cannot dial %s\n", dial.address);
}

static void on_input(void *data, int fd, uint32_t events)
{
	struct boot *b = data;

	(void)fd;
	(void)events;
	source_free(b->input);
	b->input = NULL;
	hypervisor_stop(b->hv, STOP_GRACE_S * NS_PER_S, on_stopped, b);
}

static int run(struct boot *b, const struct hypervisor_vm *vm)
{
	struct err err = ERR_INIT;
	int r = loop_new(&b->loop);

	if (r < 0)
		return 2;
	r = loop_add_io(b->loop, STDIN_FILENO, EPOLLIN, on_input, b, &b->input);
	if (r == 0)
		r = hypervisor_new(b->loop, vm, on_exit_vm, b, &b->hv, &err);
	if (r == 0)
		r = hypervisor_start(
			b->hv, clock_now_ns() + START_TIMEOUT_S * NS_PER_S, on_started, b, &err);
	if (r < 0)
		printf("not started: %s\n", err_is_set(&err) ? err.msg : strerror(-r));
	r = r < 0 ? 2 : loop_run(b->loop);
	printf("console's last line: %s\n", b->hv ? hypervisor_console_tail(b->hv) : "");
	dial_cancel(b->dial);
	hypervisor_free(b->hv);
	source_free(b->input);
	loop_free(b->loop);
	return r;
}

int main(int argc, char **argv)
{
	struct boot b = {.begin_ns = clock_now_ns()};
	struct config config = {0};
	struct hypervisor_vm vm = {.id = "boot", .config = &config, .span = span};
	const char *daemon = getenv("VIRTIOFSD");
	bool debug = getenv("KIHON_DEBUG");

	if (argc < 5) {
		fprintf(stderr,
			"usage: boot_vm KERNEL INITRD RUN_DIR SHARE_DIR [VSOCKD [PARAMS]]\n");
		return 2;
	}
	log_init(&(struct log_config){.format = LOG_LOGFMT,
		.level = debug ? LOG_DEBUG : LOG_INFO,
		.name = "boot_vm",
		.source = "boot_vm",
		.fd = STDERR_FILENO});
	config.hypervisor = (struct config_hypervisor){
		.path = (char[]){"/usr/bin/qemu-system-x86_64"},
		.kernel = argv[1],
		.initrd = argv[2],
		.kernel_params = argc > 6 ? argv[6] : NULL,
		.machine_type = (char[]){"q35"},
		.virtio_fs_daemon = strdup(daemon ? daemon : "/usr/lib/qemu/virtiofsd"),
		.virtio_fs_cache = (char[]){"auto"},
		.entropy_source = (char[]){"/dev/urandom"},
		.default_vcpus = 1,
		.default_memory_mib = MEMORY_MIB,
		.virtio_fs_queue_size = 1024,
		.enable_debug = debug,
	};
	config.agent = (struct config_agent){.server_port = 1024, .log_port = 1025};
	config.runtime.hypervisor_name = (char[]){"qemu"};
	vm.run_dir = argv[3];
	vm.share_dir = argv[4];
	vm.self = argc > 5 ? argv[5] : NULL;
	vm.journal = (struct hypervisor_journal){note_process, note_path, NULL};
	int r = run(&b, &vm);

	free(config.hypervisor.virtio_fs_daemon);
	return r;
}
