/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One virtual machine, whatever runs it. A driver (qemu.c, later the built-in VMM and others)
 * implements struct hypervisor_ops; the runtime knows only this header.
 *
 * Everything is asynchronous: a call starts something and a callback on the loop says how it ended.
 * A VM owns its processes: the VMM, the virtio-fs daemon and, where /dev/vhost-vsock is missing,
 * vsockd. Each is journalled (struct hypervisor_journal) before it may run, dies with the shim
 * (PR_SET_PDEATHSIG), and ends the VM when it dies.
 */
#include <sys/types.h>

#include "base/err.h"
#include "config/config.h"
#include "loop/loop.h"

struct hypervisor;

/*
 * Where resources are written down before they exist, so that `delete` can undo them after any
 * crash. Both return 0 or -errno; a failure stops the start.
 */
struct hypervisor_journal {
	/* start_time: field 22 of /proc/PID/stat, which with pid names a process for ever. */
	int (*note_process)(void *data, const char *role, pid_t pid, uint64_t start_time);
	int (*note_path)(void *data, const char *path); /* a socket or file to unlink */
	void *data;
};

struct hypervisor_vm {
	const char *id;		     /* the sandbox's */
	const struct config *config; /* borrowed for the VM's life */
	const char *run_dir;	     /* "/run/kata/<id>": exists, 0700; sockets go there */
	const char *share_dir;	     /* directory to show as virtio-fs tag "kataShared" */
	/* The network namespace that the VMM lives in, borrowed until the start is answered; 0: the
	 * caller's; SPAWN_NEW_NETNS (linux/spawn.h): an empty one of its own. */
	int netns_fd;
	const char *self; /* program with the role kata-vsockd; NULL: /proc/self/exe */
	struct hypervisor_journal journal;
	/* A span of the start for the timeline: called when the step has ended. */
	void (*span)(void *data, const char *what, int64_t from_ns, int64_t to_ns);
	void *span_data;
};

/* The VM has ended without being asked to: a process died, the guest powered off, reset or
 * panicked. why names it and carries the console's last line where there is one. Called once. */
typedef void hypervisor_exit_fn(void *data, const struct err *why);
/* err NULL: done. */
typedef void hypervisor_done_fn(void *data, const struct err *err);

/* A device has been added (hypervisor/device.h): either address (borrowed during the call) or err is
 * not NULL. */
struct hypervisor_guest_address;
typedef void hypervisor_added_fn(
	void *data, const struct hypervisor_guest_address *address, const struct err *err);

struct hypervisor_net;
struct hypervisor_vhost_user_net;
struct hypervisor_block;
struct hypervisor_vhost_user_blk;
struct hypervisor_vfio;
struct hypervisor_capacity;

/* Of resize.h. */
typedef void hypervisor_resized_fn(void *data, uint64_t n, const struct err *err);
struct hypervisor_size;

struct hypervisor_ops {
	void (*free)(struct hypervisor *hv);
	int (*start)(struct hypervisor *hv, int64_t deadline_ns, hypervisor_done_fn *done,
		void *data, struct err *err);
	void (*stop)(struct hypervisor *hv, int64_t grace_ns, hypervisor_done_fn *done, void *data);
	const char *(*agent_address)(const struct hypervisor *hv);
	pid_t (*pid)(const struct hypervisor *hv);
	const char *(*console_tail)(const struct hypervisor *hv);

	/* Of device.h, whose wrappers check what is common. NULL: the driver cannot. */
	int (*add_net)(struct hypervisor *hv, const struct hypervisor_net *net,
		hypervisor_added_fn *added, void *data, struct err *err);
	int (*add_vhost_user_net)(struct hypervisor *hv,
		const struct hypervisor_vhost_user_net *net, hypervisor_added_fn *added, void *data,
		struct err *err);
	int (*add_block)(struct hypervisor *hv, const struct hypervisor_block *block,
		hypervisor_added_fn *added, void *data, struct err *err);
	int (*add_vhost_user_blk)(struct hypervisor *hv,
		const struct hypervisor_vhost_user_blk *blk, hypervisor_added_fn *added, void *data,
		struct err *err);
	int (*add_vfio)(struct hypervisor *hv, const struct hypervisor_vfio *vfio,
		hypervisor_added_fn *added, void *data, struct err *err);
	int (*remove_device)(struct hypervisor *hv, const char *id, hypervisor_done_fn *done,
		void *data, struct err *err);
	void (*get_capacity)(const struct hypervisor *hv, struct hypervisor_capacity *ret);

	/* Of resize.h. NULL: a machine of fixed size. */
	int (*resize_vcpus)(struct hypervisor *hv, uint32_t n, hypervisor_resized_fn *done,
		void *data, struct err *err);
	int (*resize_memory)(struct hypervisor *hv, uint64_t mib, hypervisor_resized_fn *done,
		void *data, struct err *err);
	void (*get_size)(const struct hypervisor *hv, struct hypervisor_size *ret);
};

struct hypervisor {
	const struct hypervisor_ops *ops;
};

/* Makes the object that config names (hypervisor_name); nothing runs yet. */
int hypervisor_new(struct loop *loop, const struct hypervisor_vm *vm, hypervisor_exit_fn *on_exit,
	void *data, struct hypervisor **ret, struct err *err) must_check;
/* Kills what still runs, waits for it, removes its sockets. NULL is fine. */
void hypervisor_free(struct hypervisor *hv);

/* Missing files (kernel, initrd, VMM, virtiofsd) are refused here, by name, before anything is
 * made. done(err) on a guest that does not come up carries the console's last line. */
int hypervisor_start(struct hypervisor *hv, int64_t deadline_ns, hypervisor_done_fn *done,
	void *data, struct err *err) must_check;
/* Orderly (guest power-off is the agent's; here: QMP quit) within grace_ns, then SIGKILL; done when
 * every process of the VM has been reaped. on_exit is not called for it. A start that has not ended
 * yet is given up: its done is not called. */
void hypervisor_stop(struct hypervisor *hv, int64_t grace_ns, hypervisor_done_fn *done, void *data);
/* "vsock://3:1024" or "hvsock:///run/kata/<id>/vsock.sock:1024" (wire/dial.h); good once started.
 */
const char *hypervisor_agent_address(const struct hypervisor *hv);
/* The same for another guest port: writes it into text. */
enum { HYPERVISOR_ADDRESS_SIZE = 256 };
int hypervisor_port_address(const struct hypervisor *hv, unsigned port,
	char text[static HYPERVISOR_ADDRESS_SIZE]) must_check;
/* The VMM's pid, which containerd is told as the task's. */
pid_t hypervisor_pid(const struct hypervisor *hv);
/* The last non-empty line the guest printed, made printable; "" when none. */
const char *hypervisor_console_tail(const struct hypervisor *hv);
