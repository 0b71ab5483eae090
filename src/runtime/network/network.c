/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/network/network.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "runtime/job.h"
#include "runtime/network/private.h"

enum { JOB_LIMIT_S = 10 };

static_assert((int)NETWORK_ENDPOINTS_MAX <= (int)STATE_MAX_LINKS, "all can be noted");

static int make(const struct network_config *config, struct network *n)
{
	int fds[2];
	void *p;

	n->netns = strdup(config->netns);
	n->resolv_conf = config->resolv_conf ? strdup(config->resolv_conf) : NULL;
	if (!n->netns || (config->resolv_conf && !n->resolv_conf))
		return -ENOMEM;
	p = mmap(NULL, sizeof(*n->scan), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	n->scan = p;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	n->receive_fd = fds[0];
	n->send_fd = fds[1];
	return 0;
}

bool network_is_wanted(const struct config *config)
{
	return !config->runtime.disable_new_netns &&
	       strcmp(config->runtime.internetworking_model, "none") != 0;
}

static int check(const struct config *config, struct err *err)
{
	if (strcmp(config->runtime.internetworking_model, "tcfilter") != 0)
		return err_set(err, ENOTSUP, "runtime.internetworking_model: %s: not supported yet",
			config->runtime.internetworking_model);
	if (config->hypervisor.network_queues > HYPERVISOR_QUEUES_MAX)
		return err_set(err, EINVAL, "hypervisor.network_queues: %u: more than %d",
			config->hypervisor.network_queues, HYPERVISOR_QUEUES_MAX);
	return 0;
}

int network_new(const struct network_config *config, struct network **ret, struct err *err)
{
	struct network *n = calloc(1, sizeof(*n));
	int r = -ENOMEM;

	if (n) {
		*n = (struct network){.loop = config->loop,
			.journal = config->journal,
			.config = config->config,
			.n_queues = config->config->hypervisor.network_queues,
			.receive_fd = -1,
			.send_fd = -1,
			.netns_fd = -1};
		r = make(config, n);
	}
	if (r < 0)
		err_sys(err, -r, "make the sandbox's network");
	else
		r = check(config->config, err);
	if (r < 0) {
		network_free(n);
		return r;
	}
	*ret = n;
	return 0;
}

static void close_device(struct network_device *d)
{
	while (d->n_fds > 0)
		close_fd(d->fds[--d->n_fds]);
}

void network_free(struct network *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < NETWORK_ENDPOINTS_MAX; i++)
		close_device(&n->devices[i]);
	if (n->scan)
		munmap(n->scan, sizeof(*n->scan));
	close_fd(n->receive_fd);
	close_fd(n->send_fd);
	close_fd(n->netns_fd);
	free(n->netns);
	free(n->resolv_conf);
	free(n);
}

static void end(struct network *n, const struct err *err)
{
	network_done_fn *done = n->done;

	n->done = NULL;
	if (done)
		done(n->data, err);
}

/* ---- Set up ---- */

static int receive_taps(struct network *n)
{
	for (size_t i = 0; i < n->scan->n_endpoints; i++) {
		struct network_device *d = &n->devices[i];
		int r = network_receive_fds(n->receive_fd, d->fds);

		if (r < 0)
			return r;
		d->n_fds = (size_t)r;
		if (d->n_fds != n->n_queues && d->n_fds != 2 * n->n_queues)
			return -EPROTO;
	}
	return 0;
}

static int receive_netns(struct network *n)
{
	int fds[NETWORK_FDS_MAX], r = network_receive_fds(n->receive_fd, fds);

	if (r == 1)
		n->netns_fd = fds[0];
	return r < 0 || r == 1 ? r : -EPROTO;
}

static void on_attached(void *data, const struct err *err)
{
	struct network *n = data;
	struct err failed = ERR_INIT;
	int r = err ? 0 : receive_taps(n);

	/* What a job that has failed left in it are taps, which go with it. */
	close_fd(take_fd(&n->receive_fd));
	close_fd(take_fd(&n->send_fd));
	if (r < 0) {
		err_sys(&failed, -r, "take over the tap devices");
		err = &failed;
	}
	end(n, err);
}

static int attach_job(void *data, struct err *err)
{
	const struct network *n = data;

	return network_attach(n->netns, n->scan, n->n_queues,
		!n->config->hypervisor.disable_vhost_net, n->send_fd, err);
}

static int note(struct network *n, struct err *err)
{
	struct state_network state = {.netns = n->netns, .dev = n->scan->dev, .ino = n->scan->ino};
	int r;

	for (size_t i = 0; i < n->scan->n_endpoints; i++)
		state.links[state.n_links++] = n->scan->endpoints[i].link.index;
	r = state_note_network(n->journal, &state);
	return r < 0 ? err_sys(err, -r, "write the state file") : 0;
}

static void warn_untold(const struct network *n)
{
	char count[24];

	if (n->scan->n_untold == 0)
		return;
	snprintf(count, sizeof(count), "%zu", n->scan->n_untold);
	log_write(LOG_WARN, "network",
		"routes that the guest cannot be told of: special ones, over several gateways, or "
		"to a "
		"destination that has a better one",
		"netns", n->netns, "routes", count, NULL);
}

static void on_scanned(void *data, const struct err *err)
{
	struct network *n = data;
	struct err failed = ERR_INIT;
	int r = err ? 0 : receive_netns(n);

	if (r < 0)
		err_sys(&failed, -r, "take over the network namespace %s", n->netns);
	if (!err && r >= 0 && n->scan->n_endpoints > 0) {
		warn_untold(n);
		r = note(n, &failed);
		if (r == 0)
			r = job_start(n->loop, "join the network's interfaces with the guest's",
				JOB_LIMIT_S * NS_PER_S, attach_job, n, on_attached, n, &failed);
		if (r == 0)
			return;
	}
	end(n, r < 0 ? &failed : err);
}

static int scan_job(void *data, struct err *err)
{
	struct network *n = data;

	auto_fd int fd = -1;
	int r = network_scan(n->netns, n->resolv_conf, n->scan, &fd, err);

	if (r < 0)
		return r;
	r = network_send_fds(n->send_fd, &fd, 1);
	return r < 0 ? err_sys(err, -r, "hand over the network namespace %s", n->netns) : 0;
}

int network_set_up(struct network *n, network_done_fn *done, void *data, struct err *err)
{
	int r = job_start(n->loop, "look into the network namespace", JOB_LIMIT_S * NS_PER_S,
		scan_job, n, on_scanned, n, err);

	if (r < 0)
		return r;
	n->done = done;
	n->data = data;
	return 0;
}

/* ---- The VM's devices ---- */

static void on_added(
	void *data, const struct hypervisor_guest_address *address, const struct err *err)
{
	struct network_device *d = data;

	if (address)
		memcpy(d->pci, address->pci, sizeof(d->pci));
	else if (!err_is_set(&d->network->device_err))
		err_copy(&d->network->device_err, err);
}

static int add_device(struct network *n, size_t i, struct hypervisor *hv, struct err *err)
{
	const struct rtnl_link *link = &n->scan->endpoints[i].link;
	struct network_device *d = &n->devices[i];
	char id[HYPERVISOR_DEVICE_ID_SIZE];
	struct hypervisor_net net = {
		.id = id, .tap_fds = d->fds, .n_queues = n->n_queues, .mtu = link->mtu};
	int r;

	snprintf(id, sizeof(id), "network-%zu", i);
	memcpy(net.mac, link->mac.bytes, sizeof(net.mac));
	if (d->n_fds > n->n_queues)
		net.vhost_fds = d->fds + n->n_queues;
	d->network = n;
	d->n_fds = 0;
	r = hypervisor_add_net(hv, &net, on_added, d, err);
	return r < 0 ? err_wrap(err, "network interface %s", link->name) : 0;
}

int network_add(struct network *n, struct hypervisor *hv, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < n->scan->n_endpoints && r == 0; i++)
		r = add_device(n, i, hv, err);
	return r;
}

int network_get_netns(const struct network *n)
{
	return n->netns_fd;
}

char **network_get_dns(struct network *n, size_t *ret_n)
{
	char *line = n->scan->dns;

	for (size_t i = 0; i < n->scan->n_dns; i++) {
		n->dns[i] = line;
		line += strlen(line) + 1;
	}
	*ret_n = n->scan->n_dns;
	return n->dns;
}
