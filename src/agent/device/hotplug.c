/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/device/hotplug.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "linux/uevent.h"
#include "wire/status.h"

/* Others get their turn before the next so many events. */
enum { EVENTS_AT_ONCE = 64 };

struct hotplug_wait {
	struct list link; /* in hotplug's waits */
	struct hotplug *hotplug;
	struct device_want want;
	hotplug_done_fn *done;
	void *data;
	struct source *timer; /* fires at once, to look for the first time; then at the deadline */
	int64_t deadline_ns;
	bool has_looked;
	bool has_ended; /* its result is to be told */
	struct device_found found;
	struct err failure; /* not set: found */
};

void hotplug_init(struct hotplug *h, struct loop *loop, const char *sys_dir, int64_t timeout_ns)
{
	*h = (struct hotplug){.loop = loop,
		.sys_dir = sys_dir,
		.timeout_ns = timeout_ns,
		.sys_fd = -1,
		.events_fd = -1};
	list_init(&h->waits);
}

static void stop_listening(struct hotplug *h)
{
	source_free(take_ptr(&h->events));
	close_fd(take_fd(&h->events_fd));
	close_fd(take_fd(&h->sys_fd));
}

void hotplug_fini(struct hotplug *h)
{
	stop_listening(h);
}

void hotplug_wait_free(struct hotplug_wait *wait)
{
	if (!wait)
		return;
	list_remove(&wait->link);
	source_free(wait->timer);
	if (--wait->hotplug->n_waits == 0)
		stop_listening(wait->hotplug);
	free(wait);
}

static void end(struct hotplug_wait *wait)
{
	struct device_found found = wait->found;
	struct err failure = wait->failure;
	hotplug_done_fn *done = wait->done;
	void *data = wait->data;
	bool failed = err_is_set(&failure);

	hotplug_wait_free(wait);
	done(data, failed ? NULL : &found, failed ? &failure : NULL);
}

/* A callback may free any other wait, so none is held on to. */
static void end_all_that_have(struct hotplug *h)
{
	struct hotplug_wait *ended;

	do {
		ended = NULL;
		LIST_FOREACH (wait, &h->waits, struct hotplug_wait, link)
			if (wait->has_ended)
				ended = wait;
		if (ended)
			end(ended);
	} while (ended);
}

static void note_failure(struct hotplug_wait *wait, int code, const char *what)
{
	char text[DEVICE_TEXT_SIZE];

	device_want_format(&wait->want, text);
	err_sys(&wait->failure, code, "%s %s", what, text);
	wait->has_ended = true;
}

static void note_found(struct hotplug_wait *wait, const char *devpath)
{
	int r = device_describe(wait->hotplug->sys_fd, &wait->want, devpath, &wait->found);

	if (r == 0)
		wait->has_ended = true;
	else if (r != -ENOENT)
		note_failure(wait, -r, "read of sysfs about");
}

/* True if an event will say when it is ready. Nobody can ask where sysfs is read-only. */
static bool announces_itself(const struct hotplug_wait *wait, const char *devpath)
{
	char path[PCI_DEVPATH_SIZE + sizeof("/uevent")];

	if (strcmp(device_want_subsystem(&wait->want), "block") != 0)
		return false;
	snprintf(path, sizeof(path), "%s/uevent", devpath);
	return io_write_file(wait->hotplug->sys_fd, path, "add") == 0;
}

static void look(struct hotplug_wait *wait)
{
	char devpath[PCI_DEVPATH_SIZE];
	int r = device_find(wait->hotplug->sys_fd, &wait->want, devpath);

	if (r == 0 && !announces_itself(wait, devpath))
		note_found(wait, devpath);
	else if (r < 0 && r != -ENOENT)
		note_failure(wait, -r, "look for");
}

static void look_again(struct hotplug *h)
{
	LIST_FOREACH (wait, &h->waits, struct hotplug_wait, link)
		if (!wait->has_ended)
			look(wait);
}

static void on_event(struct hotplug *h, const struct uevent *e)
{
	char devpath[PCI_DEVPATH_SIZE];

	if (strcmp(e->action, "add") != 0 || !e->subsystem)
		return;
	LIST_FOREACH (wait, &h->waits, struct hotplug_wait, link) {
		int r;

		if (wait->has_ended ||
			strcmp(device_want_subsystem(&wait->want), e->subsystem) != 0)
			continue;
		r = device_find(h->sys_fd, &wait->want, devpath);
		if (r == 0 && strcmp(devpath, e->devpath + 1) == 0)
			note_found(wait, devpath);
		else if (r < 0 && r != -ENOENT)
			note_failure(wait, -r, "look for");
	}
}

static void on_readable(void *data, int fd, uint32_t events)
{
	struct hotplug *h = data;
	char buf[UEVENT_MAX + 1];
	struct uevent e;

	(void)events;
	for (int i = 0; i < EVENTS_AT_ONCE; i++) {
		int r = uevent_receive(fd, buf, &e);

		if (r == -ENOBUFS)
			look_again(h);
		else if (r < 0)
			break;
		else if (r > 0)
			on_event(h, &e);
	}
	end_all_that_have(h);
}

static void on_timer(void *data)
{
	struct hotplug_wait *wait = data;
	char text[DEVICE_TEXT_SIZE];

	if (!wait->has_looked) {
		wait->has_looked = true;
		source_set_deadline(wait->timer, wait->deadline_ns);
		look(wait);
	} else {
		device_want_format(&wait->want, text);
		err_set(&wait->failure, ETIMEDOUT, "%s has not appeared within %lld ms", text,
			(long long)(wait->hotplug->timeout_ns / NS_PER_MS));
		wait->has_ended = true;
	}
	if (wait->has_ended)
		end(wait);
}

static int listen_to_events(struct hotplug *h, struct err *err)
{
	int r;

	if (h->events)
		return 0;
	h->sys_fd = open(h->sys_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (h->sys_fd < 0)
		return err_sys(err, errno, "open %s", h->sys_dir);
	h->events_fd = uevent_open();
	if (h->events_fd < 0)
		return err_sys(err, -h->events_fd, "listen to the kernel's device events");
	r = loop_add_io(h->loop, h->events_fd, EPOLLIN, on_readable, h, &h->events);
	return r < 0 ? err_sys(err, -r, "listen to the kernel's device events") : 0;
}

static int start(struct hotplug_wait *wait, struct err *err)
{
	int64_t now_ns = clock_now_ns();
	int r = listen_to_events(wait->hotplug, err);

	if (r < 0)
		return r;
	wait->deadline_ns = wait->hotplug->timeout_ns > INT64_MAX - now_ns
				    ? INT64_MAX
				    : now_ns + wait->hotplug->timeout_ns;
	r = loop_add_timer(wait->hotplug->loop, now_ns, on_timer, wait, &wait->timer);
	return r < 0 ? err_sys(err, -r, "wait for a device") : 0;
}

int hotplug_wait(struct hotplug *h, const struct device_want *want, hotplug_done_fn *done,
	void *data, struct hotplug_wait **ret, struct err *err)
{
	struct hotplug_wait *wait;
	int r;

	if (h->n_waits >= HOTPLUG_WAITS_MAX)
		return err_status(err, EBUSY, WIRE_RESOURCE_EXHAUSTED,
			"more than %d devices are waited for", HOTPLUG_WAITS_MAX);
	wait = calloc(1, sizeof(*wait));
	if (!wait)
		return err_sys(err, ENOMEM, "wait for a device");
	wait->hotplug = h;
	wait->want = *want;
	wait->done = done;
	wait->data = data;
	list_add(&h->waits, &wait->link);
	h->n_waits++;
	r = start(wait, err);
	if (r < 0) {
		hotplug_wait_free(wait);
		return r;
	}
	*ret = wait;
	return 0;
}
