/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/rtnl_message.h"

#include <assert.h>
#include <limits.h>

/* NLMSG_ALIGN() counts in 32 bits. */
static size_t align(size_t len)
{
	return (len + NLMSG_ALIGNTO - 1) / NLMSG_ALIGNTO * NLMSG_ALIGNTO;
}

static void put_ip(struct rtnl_request *q, uint16_t type, const struct ip_address *ip)
{
	if (ip->family != AF_UNSPEC)
		rtnl_request_put(q, type, ip->bytes, ip_address_size(ip->family));
}

void rtnl_encode_link(const struct rtnl_link_change *change, struct rtnl_request *ret)
{
	struct ifinfomsg header = {.ifi_index = change->index,
		.ifi_flags = change->flags,
		.ifi_change = change->flags_mask};

	rtnl_request_begin(ret, RTM_NEWLINK, 0, &header, sizeof(header));
	if (change->mac)
		rtnl_request_put(ret, IFLA_ADDRESS, change->mac->bytes, change->mac->len);
	if (change->mtu)
		rtnl_request_put_u32(ret, IFLA_MTU, change->mtu);
	if (change->name)
		rtnl_request_put(ret, IFLA_IFNAME, change->name, strlen(change->name) + 1);
	rtnl_request_end(ret);
}

/* RFC 3021: a network of two has no broadcast address, and a single host no network. */
static bool get_broadcast(const struct ip_address *ip, struct ip_address *ret)
{
	*ret = *ip;
	for (unsigned int bit = ip->prefix; bit < 32; bit++)
		ret->bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return ip->family == AF_INET && ip->prefix <= 30;
}

void rtnl_encode_addr(
	uint16_t type, uint16_t flags, const struct rtnl_addr *addr, struct rtnl_request *ret)
{
	struct ifaddrmsg header = {.ifa_family = addr->ip.family,
		.ifa_prefixlen = addr->ip.prefix,
		.ifa_scope = addr->scope,
		.ifa_index = (unsigned int)addr->index};
	struct ip_address broadcast;

	rtnl_request_begin(ret, type, flags, &header, sizeof(header));
	put_ip(ret, IFA_LOCAL, &addr->ip);
	put_ip(ret, IFA_ADDRESS, &addr->ip);
	if (get_broadcast(&addr->ip, &broadcast))
		put_ip(ret, IFA_BROADCAST, &broadcast);
	if (addr->flags)
		rtnl_request_put_u32(ret, IFA_FLAGS, addr->flags);
	rtnl_request_end(ret);
}

static void put_metrics(struct rtnl_request *q, uint32_t mtu)
{
	struct {
		struct rtattr head;
		uint32_t mtu;
	} metric = {{.rta_type = RTAX_MTU, .rta_len = sizeof(metric)}, mtu};

	rtnl_request_put(q, RTA_METRICS, &metric, sizeof(metric));
}

void rtnl_encode_route(
	uint16_t type, uint16_t flags, const struct rtnl_route *route, struct rtnl_request *ret)
{
	struct rtmsg header = {.rtm_family = route->family,
		.rtm_dst_len = route->dest.family == AF_UNSPEC ? 0 : route->dest.prefix,
		.rtm_src_len = route->from.family == AF_UNSPEC ? 0 : route->from.prefix,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = route->protocol ? route->protocol : RTPROT_BOOT,
		.rtm_scope = route->scope,
		.rtm_type = route->type ? route->type : RTN_UNICAST,
		.rtm_flags = route->flags};

	/* A deletion takes only what is exactly so: the protocol is not ours to know. */
	if (type == RTM_DELROUTE)
		header.rtm_protocol = RTPROT_UNSPEC;
	rtnl_request_begin(ret, type, flags, &header, sizeof(header));
	put_ip(ret, RTA_DST, &route->dest);
	put_ip(ret, RTA_SRC, &route->from);
	put_ip(ret, RTA_PREFSRC, &route->source);
	put_ip(ret, RTA_GATEWAY, &route->gateway);
	if (route->index)
		rtnl_request_put_u32(ret, RTA_OIF, (uint32_t)route->index);
	if (route->priority)
		rtnl_request_put_u32(ret, RTA_PRIORITY, route->priority);
	if (route->table)
		rtnl_request_put_u32(ret, RTA_TABLE, route->table);
	if (route->mtu)
		put_metrics(ret, route->mtu);
	rtnl_request_end(ret);
}

void rtnl_encode_neighbor(
	uint16_t type, uint16_t flags, const struct rtnl_neighbor *n, struct rtnl_request *ret)
{
	struct ndmsg header = {.ndm_family = n->ip.family,
		.ndm_ifindex = n->index,
		.ndm_state = n->state,
		.ndm_flags = n->flags};

	rtnl_request_begin(ret, type, flags, &header, sizeof(header));
	put_ip(ret, NDA_DST, &n->ip);
	if (n->mac.len)
		rtnl_request_put(ret, NDA_LLADDR, n->mac.bytes, n->mac.len);
	rtnl_request_end(ret);
}

/* The first byte is the family in each of them, and the rest may be zero. A link's header is the
 * longest of all but traffic control's. */
void rtnl_encode_dump(uint16_t type, uint8_t family, struct rtnl_request *ret)
{
	uint8_t header[sizeof(struct tcmsg)] = {family};

	static_assert(sizeof(struct tcmsg) > sizeof(struct ifinfomsg), "the longest");
	rtnl_request_begin(ret, type, NLM_F_DUMP, header,
		type == RTM_GETQDISC ? sizeof(header) : sizeof(struct ifinfomsg));
	if (type == RTM_GETLINK)
		rtnl_request_put_u32(ret, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	rtnl_request_end(ret);
}

int rtnl_next_message(struct slice *bytes, struct rtnl_message *ret)
{
	struct nlmsghdr h;
	size_t step;

	if (bytes->len == 0)
		return 0;
	if (bytes->len < sizeof(h))
		return -EBADMSG;
	memcpy(&h, bytes->p, sizeof(h));
	if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > bytes->len)
		return -EBADMSG;
	*ret = (struct rtnl_message){.type = h.nlmsg_type,
		.flags = h.nlmsg_flags,
		.sequence = h.nlmsg_seq,
		.port = h.nlmsg_pid,
		.body = slice_of(bytes->p + sizeof(h), h.nlmsg_len - sizeof(h)),
		.whole = slice_of(bytes->p, h.nlmsg_len)};
	step = align(h.nlmsg_len);
	if (step > bytes->len)
		step = bytes->len;
	*bytes = slice_of(bytes->p + step, bytes->len - step);
	return 1;
}

/* Copies the header of a body and leaves the attributes behind it. */
static int cut_header(struct slice *body, void *ret, size_t size)
{
	size_t step = align(size);

	if (body->len < size)
		return -EBADMSG;
	memcpy(ret, body->p, size);
	if (step > body->len)
		step = body->len;
	*body = slice_of(body->p + step, body->len - step);
	return 0;
}

static int get_u32(struct slice value, uint32_t *ret)
{
	if (value.len != sizeof(*ret))
		return -EBADMSG;
	memcpy(ret, value.p, sizeof(*ret));
	return 0;
}

static int get_index(struct slice value, int *ret)
{
	uint32_t n;

	if (get_u32(value, &n) < 0 || n > INT_MAX)
		return -EBADMSG;
	*ret = (int)n;
	return 0;
}

static int get_ip(struct slice value, uint8_t family, uint8_t prefix, struct ip_address *ret)
{
	if ((family != AF_INET && family != AF_INET6) || value.len != ip_address_size(family) ||
		prefix > 8 * value.len)
		return -EBADMSG;
	*ret = (struct ip_address){.family = family, .prefix = prefix};
	memcpy(ret->bytes, value.p, value.len);
	return 0;
}

static int get_host(struct slice value, uint8_t family, struct ip_address *ret)
{
	return get_ip(value, family, (uint8_t)(8 * ip_address_size(family)), ret);
}

static int get_mac(struct slice value, struct mac_address *ret)
{
	if (value.len > MAC_ADDRESS_MAX)
		return -EBADMSG;
	ret->len = (uint8_t)value.len;
	if (value.len > 0)
		memcpy(ret->bytes, value.p, value.len);
	return 0;
}

/* With its NUL, which must be the last byte and the only one. */
static int get_name(struct slice value, char ret[static IFNAMSIZ])
{
	if (value.len < 2 || value.len > IFNAMSIZ ||
		memchr(value.p, '\0', value.len) != value.p + value.len - 1)
		return -EBADMSG;
	memcpy(ret, value.p, value.len);
	return 0;
}

/* A kind that is longer than ours is one that nobody here knows. */
static int decode_info(struct slice info, char kind[static RTNL_KIND_SIZE])
{
	struct slice value;
	uint16_t type;
	int more;

	while ((more = rtnl_next_attribute(&info, &type, &value)) > 0)
		if (type == IFLA_INFO_KIND && value.len > 0 && value.len <= RTNL_KIND_SIZE &&
			value.p[value.len - 1] == '\0')
			memcpy(kind, value.p, value.len);
	return more;
}

static int decode_link_attribute(struct rtnl_link *link, uint16_t type, struct slice value)
{
	switch (type) {
	case IFLA_IFNAME:
		return get_name(value, link->name);
	case IFLA_ADDRESS:
		return get_mac(value, &link->mac);
	case IFLA_MTU:
		return get_u32(value, &link->mtu);
	case IFLA_LINKINFO:
		link->is_virtual = true;
		return decode_info(value, link->kind);
	default:
		return 0;
	}
}

int rtnl_decode_link(struct slice body, struct rtnl_link *ret)
{
	struct ifinfomsg header;
	struct rtnl_link link;
	struct slice value;
	uint16_t type;
	int r = cut_header(&body, &header, sizeof(header)), more;

	if (r < 0 || header.ifi_index <= 0)
		return -EBADMSG;
	link = (struct rtnl_link){.index = header.ifi_index, .flags = header.ifi_flags};
	while ((more = rtnl_next_attribute(&body, &type, &value)) > 0 && r == 0)
		r = decode_link_attribute(&link, type, value);
	if (r < 0 || more < 0 || !link.name[0])
		return -EBADMSG;
	*ret = link;
	return 0;
}

/* IFA_ADDRESS of a point-to-point link is the other end, and IFA_LOCAL then is ours; IPv6 has only
 * the first of them on other links. */
static int decode_addr_attribute(struct rtnl_addr *addr, const struct ifaddrmsg *header,
	uint16_t type, struct slice value, bool *has_local)
{
	if (type == IFA_FLAGS)
		return get_u32(value, &addr->flags);
	if (type != IFA_LOCAL && (type != IFA_ADDRESS || *has_local))
		return 0;
	*has_local |= type == IFA_LOCAL;
	return get_ip(value, header->ifa_family, header->ifa_prefixlen, &addr->ip);
}

int rtnl_decode_addr(struct slice body, struct rtnl_addr *ret)
{
	struct ifaddrmsg header;
	struct rtnl_addr addr;
	bool has_local = false;
	struct slice value;
	uint16_t type;
	int r = cut_header(&body, &header, sizeof(header)), more;

	if (r < 0 || header.ifa_index == 0 || header.ifa_index > INT_MAX)
		return -EBADMSG;
	addr = (struct rtnl_addr){.index = (int)header.ifa_index,
		.scope = header.ifa_scope,
		.flags = header.ifa_flags};
	while ((more = rtnl_next_attribute(&body, &type, &value)) > 0 && r == 0)
		r = decode_addr_attribute(&addr, &header, type, value, &has_local);
	if (r < 0 || more < 0 || addr.ip.family == AF_UNSPEC)
		return -EBADMSG;
	*ret = addr;
	return 0;
}

static int decode_metrics(struct slice metrics, uint32_t *mtu)
{
	struct slice value;
	uint16_t type;
	int r = 0, more;

	while ((more = rtnl_next_attribute(&metrics, &type, &value)) > 0 && r == 0)
		if (type == RTAX_MTU)
			r = get_u32(value, mtu);
	return r < 0 ? r : more;
}

static int decode_route_attribute(
	struct rtnl_route *route, const struct rtmsg *header, uint16_t type, struct slice value)
{
	switch (type) {
	case RTA_DST:
		return get_ip(value, header->rtm_family, header->rtm_dst_len, &route->dest);
	case RTA_SRC:
		return get_ip(value, header->rtm_family, header->rtm_src_len, &route->from);
	case RTA_PREFSRC:
		return get_host(value, header->rtm_family, &route->source);
	case RTA_GATEWAY:
		return get_host(value, header->rtm_family, &route->gateway);
	case RTA_OIF:
		return get_index(value, &route->index);
	case RTA_PRIORITY:
		return get_u32(value, &route->priority);
	case RTA_TABLE:
		return get_u32(value, &route->table);
	case RTA_METRICS:
		return decode_metrics(value, &route->mtu);
	default:
		return 0;
	}
}

int rtnl_decode_route(struct slice body, struct rtnl_route *ret)
{
	struct rtnl_route route;
	struct rtmsg header;
	struct slice value;
	uint16_t type;
	int r = cut_header(&body, &header, sizeof(header)), more;

	if (r < 0)
		return r;
	route = (struct rtnl_route){.family = header.rtm_family,
		.table = header.rtm_table,
		.scope = header.rtm_scope,
		.type = header.rtm_type,
		.protocol = header.rtm_protocol,
		.flags = header.rtm_flags};
	while ((more = rtnl_next_attribute(&body, &type, &value)) > 0 && r == 0)
		r = decode_route_attribute(&route, &header, type, value);
	if (r < 0 || more < 0)
		return -EBADMSG;
	*ret = route;
	return 0;
}

int rtnl_decode_neighbor(struct slice body, struct rtnl_neighbor *ret)
{
	struct rtnl_neighbor n;
	struct ndmsg header;
	struct slice value;
	uint16_t type;
	int r = cut_header(&body, &header, sizeof(header)), more;

	if (r < 0 || header.ndm_ifindex < 0)
		return -EBADMSG;
	n = (struct rtnl_neighbor){
		.index = header.ndm_ifindex, .state = header.ndm_state, .flags = header.ndm_flags};
	while ((more = rtnl_next_attribute(&body, &type, &value)) > 0 && r == 0)
		if (type == NDA_DST)
			r = get_host(value, header.ndm_family, &n.ip);
		else if (type == NDA_LLADDR)
			r = get_mac(value, &n.mac);
	if (r < 0 || more < 0)
		return -EBADMSG;
	*ret = n;
	return 0;
}

/* The kernel's words, without what a terminal or a log would stumble over. */
static void copy_words(struct slice from, char why[static RTNL_WHY_SIZE])
{
	size_t n = 0;

	for (; n < from.len && n < RTNL_WHY_SIZE - 1 && from.p[n]; n++)
		why[n] = from.p[n] >= ' ' && from.p[n] < 0x7f ? (char)from.p[n] : '?';
	why[n] = '\0';
}

int rtnl_decode_error(const struct rtnl_message *m, int *ret_code, char why[static RTNL_WHY_SIZE])
{
	struct slice rest = m->body, value;
	struct nlmsgerr header;
	uint16_t type;
	int r = cut_header(&rest, &header, sizeof(header));

	why[0] = '\0';
	if (r < 0 || header.error > 0 || header.error < -4095)
		return -EBADMSG;
	*ret_code = header.error;
	if (!(m->flags & NLM_F_ACK_TLVS))
		return 0;
	/* In front of the words comes our own request, or, when it is capped, nothing of it. */
	if (!(m->flags & NLM_F_CAPPED)) {
		size_t len = header.msg.nlmsg_len;

		if (len < sizeof(header.msg) || align(len) - sizeof(header.msg) > rest.len)
			return -EBADMSG;
		rest = slice_of(rest.p + (align(len) - sizeof(header.msg)),
			rest.len - (align(len) - sizeof(header.msg)));
	}
	while ((r = rtnl_next_attribute(&rest, &type, &value)) > 0)
		if (type == NLMSGERR_ATTR_MSG)
			copy_words(value, why);
	return r;
}
