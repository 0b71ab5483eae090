/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vsock device driven by hand: unbound from the kernel's driver, its registers mapped through
 * sysfs, its queues in pages of ours whose addresses /proc/self/pagemap tells.
 *
 * What the device is told is half right, or it would refuse at the door each time: most addresses
 * are good, most descriptors are nearly good. Where it is told to write is our pages or no memory
 * at all, so that it cannot be this guest that it harms.
 */
#include "guest.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, N_PAGES = 32, N_QUEUES = 3, KICKS_PER_SET_UP = 200 };
/* Offsets in the common configuration structure (virtio 1.2, 4.1.4.3). */
enum {
	FEATURE_SELECT = 8,
	FEATURE = 12,
	STATUS = 20,
	QUEUE_SELECT = 22,
	QUEUE_SIZE = 24,
	QUEUE_ENABLE = 28,
	QUEUE_NOTIFY_OFF = 30,
	QUEUE_DESC = 32,
	QUEUE_DRIVER = 40,
	QUEUE_DEVICE = 48,
};
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };
enum { RING_INDIRECT = 1 << 28, RING_EVENT_IDX = 1 << 29 };
enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_VENDOR = 9 };

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static struct {
	char name[64]; /* "0000:00:05.0" */
	uint8_t *bars[6], *common, *notify;
	uint32_t notify_multiplier;
	uint8_t *pages;
	uint64_t physical[N_PAGES];
	uint64_t random;
	int is_odd;
	unsigned long n_kicks, n_set_ups;
} dev;

static uint64_t pick(uint64_t n)
{
	dev.random ^= dev.random << 13;
	dev.random ^= dev.random >> 7;
	dev.random ^= dev.random << 17;
	return (dev.random * UINT64_C(0x2545f4914f6cdd1d) >> 16) % n;
}

/* ---- The device, by way of sysfs ---- */

static int open_file(const char *file, int flags)
{
	char path[160];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", dev.name, file);
	return open(path, flags | O_CLOEXEC);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

static unsigned read_id(const char *file)
{
	unsigned id = 0;
	char text[16] = "";
	int fd = open_file(file, O_RDONLY);

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		(void)sscanf(text, "%x", &id);
	close(fd);
	return id;
}

static int find_device(void)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *e;
	int found = 0;

	while (dir && !found && (e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(dev.name, sizeof(dev.name), "%.63s", e->d_name);
		/* 19 is the vsock device. */
		found = read_id("vendor") == 0x1af4 && read_id("device") == 0x1040 + 19;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Memory decoding and bus mastering, which end with the driver. */
static void enable_device(int config_fd)
{
	int fd = open_file("enable", O_WRONLY);
	uint16_t command = 0;

	if (fd >= 0)
		(void)!write(fd, "1", 1);
	close(fd);
	(void)!pread(config_fd, &command, sizeof(command), 4);
	command |= 6;
	(void)!pwrite(config_fd, &command, sizeof(command), 4);
}

static uint8_t *map_bar(unsigned bar)
{
	char name[16];
	struct stat st;
	int fd;

	if (bar > 5 || dev.bars[bar])
		return bar > 5 ? NULL : dev.bars[bar];
	snprintf(name, sizeof(name), "resource%u", bar);
	fd = open_file(name, O_RDWR | O_SYNC);
	if (fd >= 0 && fstat(fd, &st) == 0)
		dev.bars[bar] =
			mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (dev.bars[bar] == MAP_FAILED)
		dev.bars[bar] = NULL;
	return dev.bars[bar];
}

static int map_registers(void)
{
	uint8_t config[256] = {0};
	int fd = open_file("config", O_RDWR);

	enable_device(fd);
	(void)!pread(fd, config, sizeof(config), 0);
	close(fd);
	for (unsigned at = config[0x34]; at >= 0x40 && at < 0xec; at = config[at + 1]) {
		uint32_t offset;
		uint8_t *bar;

		if (config[at] != CAP_VENDOR)
			continue;
		memcpy(&offset, config + at + 8, sizeof(offset));
		if (config[at + 3] != CAP_COMMON && config[at + 3] != CAP_NOTIFY)
			continue;
		bar = map_bar(config[at + 4]);
		if (!bar)
			return 0;
		if (config[at + 3] == CAP_COMMON) {
			dev.common = bar + offset;
		} else {
			dev.notify = bar + offset;
			memcpy(&dev.notify_multiplier, config + at + 16, 4);
		}
	}
	return dev.common && dev.notify;
}

/* Registers: each access is of its width, once. */
static void put8(unsigned at, uint8_t v)
{
	*(volatile uint8_t *)(dev.common + at) = v;
}

static void put16(unsigned at, uint16_t v)
{
	*(volatile uint16_t *)(dev.common + at) = v;
}

static void put32(unsigned at, uint32_t v)
{
	*(volatile uint32_t *)(dev.common + at) = v;
}

static void put64(unsigned at, uint64_t v)
{
	put32(at, (uint32_t)v);
	put32(at + 4, (uint32_t)(v >> 32));
}

static uint16_t get16(unsigned at)
{
	return *(volatile uint16_t *)(dev.common + at);
}

static void reset(void)
{
	put8(STATUS, 0);
	while (*(volatile uint8_t *)(dev.common + STATUS) != 0)
		;
}

/* ---- Memory that the device is shown ---- */

static int make_pages(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	dev.pages = mmap(NULL, (size_t)N_PAGES * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
	for (unsigned i = 0; i < N_PAGES && dev.pages != MAP_FAILED; i++) {
		uint64_t entry = 0;
		off_t at = (off_t)((uintptr_t)(dev.pages + (size_t)i * PAGE) / PAGE * 8);

		/* Bits 0-54: the frame; 0 for who may not know. */
		if (pread(fd, &entry, sizeof(entry), at) == sizeof(entry))
			dev.physical[i] = (entry & ((UINT64_C(1) << 55) - 1)) * PAGE;
	}
	close(fd);
	return dev.physical[0] != 0;
}

static uint64_t nonsense_address(void)
{
	static const uint64_t some[] = {0xfee00000, 0xb0000000, 0x7ffffffffff0, UINT64_MAX,
		UINT64_MAX - 15, UINT64_C(1) << 63, 0xfffffff0, 0x100000000};

	return pick(2) ? some[pick(sizeof(some) / sizeof(some[0]))]
		       : dev.random | UINT64_C(1) << 40;
}

/* One in rare is nonsense. */
static uint64_t address(unsigned rare)
{
	if (pick(rare) == 0)
		return nonsense_address();
	return dev.physical[pick(N_PAGES)] + (pick(4) ? 0 : pick(PAGE));
}

/* ---- The torture ---- */

static void write_features(void)
{
	uint32_t any = (uint32_t)pick(UINT64_C(1) << 32);

	put32(FEATURE_SELECT, 0);
	put32(FEATURE, dev.is_odd ? any : any & (RING_INDIRECT | RING_EVENT_IDX));
	put32(FEATURE_SELECT, 1);
	put32(FEATURE, dev.is_odd ? (uint32_t)pick(16) : 1);
}

static uint64_t queue_address(unsigned page)
{
	return dev.is_odd && pick(8) == 0 ? address(2) : dev.physical[page];
}

/* Queue i has pages 3i (descriptors), 3i + 1 (available) and 3i + 2 (used). */
static void set_up_queue(uint16_t i)
{
	static const uint16_t sizes[] = {128, 64, 16, 1, 3, 0, 256, 32768, 65535};

	put16(QUEUE_SELECT, i);
	put16(QUEUE_SIZE, sizes[pick(dev.is_odd ? sizeof(sizes) / sizeof(sizes[0]) : 3)]);
	put64(QUEUE_DESC, queue_address(3U * i));
	put64(QUEUE_DRIVER, queue_address(3U * i + 1));
	put64(QUEUE_DEVICE, queue_address(3U * i + 2));
	put16(QUEUE_ENABLE, 1);
}

static void set_up(void)
{
	reset();
	memset(dev.pages, 0, (size_t)N_PAGES * PAGE);
	put8(STATUS, ACKNOWLEDGE);
	put8(STATUS, ACKNOWLEDGE | DRIVER);
	write_features();
	put8(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	for (uint16_t i = 0; i < N_QUEUES; i++)
		set_up_queue(i);
	put8(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	dev.n_set_ups++;
}

static void write_desc(struct desc *d)
{
	static const uint32_t lengths[] = {44, 44, 44 + 100, 4096, 65536, 0, 1, 43, 0x7fffffff,
		0x80000000, 0xffffffff, 44 + 65536};

	*d = (struct desc){.addr = address(16),
		.len = lengths[pick(sizeof(lengths) / sizeof(lengths[0]))],
		.flags = (uint16_t)(pick(16) ? pick(4) : pick(65536)),
		.next = (uint16_t)(pick(16) ? pick(128) : pick(65536))};
}

/* A packet: struct virtio_vsock_hdr with a bit of everything. */
static void write_packet(uint8_t *p)
{
	uint64_t cids[] = {3, 2, 0, UINT64_MAX};
	uint16_t type_op[2] = {(uint16_t)(pick(16) ? 1 : pick(65536)), (uint16_t)pick(10)};

	for (unsigned i = 0; i < 44; i++)
		p[i] = (uint8_t)pick(pick(2) ? 256 : 2);
	memcpy(p, &cids[pick(8) ? 0 : pick(4)], 8);
	memcpy(p + 8, &cids[pick(8) ? 1 : pick(4)], 8);
	memcpy(p + 28, type_op, sizeof(type_op));
}

static void scribble(uint16_t queue)
{
	struct desc *table = (struct desc *)(void *)(dev.pages + (size_t)3 * queue * PAGE);
	uint16_t *avail = (uint16_t *)(void *)(dev.pages + (size_t)(3 * queue + 1) * PAGE);
	uint16_t *used = (uint16_t *)(void *)(dev.pages + (size_t)(3 * queue + 2) * PAGE);

	for (unsigned n = pick(16); n > 0; n--)
		write_desc(&table[pick(128)]);
	for (unsigned n = pick(16); n > 0; n--)
		avail[2 + pick(128)] = (uint16_t)(pick(32) ? pick(128) : pick(65536));
	for (unsigned n = pick(8); n > 0; n--)
		write_packet(dev.pages + (9 + pick(N_PAGES - 9)) * PAGE);
	if (pick(64) == 0)
		used[pick(PAGE / 2)] = (uint16_t)pick(65536);
	if (pick(16) == 0)
		avail[0] = (uint16_t)pick(65536);
	/* The index last, and seldom by more than the queue holds. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	avail[1] = (uint16_t)(avail[1] + (pick(64) ? pick(8) : pick(65536)));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void kick(uint16_t queue)
{
	uint32_t at;

	put16(QUEUE_SELECT, queue);
	at = get16(QUEUE_NOTIFY_OFF) * dev.notify_multiplier;
	*(volatile uint16_t *)(dev.notify + at) = queue;
	dev.n_kicks++;
}

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void torture(unsigned seconds)
{
	time_t end = now() + (time_t)seconds;

	while (now() < end) {
		set_up();
		for (unsigned i = 0; i < KICKS_PER_SET_UP; i++) {
			uint16_t queue = (uint16_t)pick(N_QUEUES);

			scribble(queue);
			kick(queue);
		}
	}
	reset();
}

void guest_torture_rings(uint64_t seed, unsigned seconds)
{
	char path[160];

	dev.random = seed * 2 + 1;
	dev.is_odd = seed % 2 == 0;
	if (!find_device()) {
		printf("rings: no vsock device\n");
		return;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind", dev.name);
	write_text(path, dev.name);
	if (!map_registers() || !make_pages()) {
		printf("rings: the device %s cannot be driven by hand\n", dev.name);
		return;
	}
	printf("rings: seed %llu\n", (unsigned long long)seed);
	torture(seconds);
	printf("rings: %lu set-ups, %lu kicks\n", dev.n_set_ups, dev.n_kicks);
	write_text("/sys/bus/pci/drivers/virtio-pci/bind", dev.name);
}
