/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What is done to the network, by the methods of the agent (network.h says how they are run). */
#include "agent/network/network.h"

/*
 * UpdateInterface: the link of the device at devicePath, or else that with the MAC address hwAddr,
 * gets this address, the name, the MTU (0: stays), the flag
 * IFF_NOARP as raw_flags has it (no other), and is up in the end. Who has its name so far gets its
 * old one. Its permanent addresses become those of the request, but for the kernel's own link-local
 * ones; a request without addresses leaves them.
 *
 * Without such a link, one that has the name already is taken; but where devicePath says that a
 * device is to be plugged in, that is waited for.
 */
extern const struct network_method network_update_interface;
/* Every link, lo too, with name, MAC address, MTU and addresses. */
extern const struct network_method network_list_interfaces;

/*
 * UpdateRoutes: each is added to the main table, or replaces the one to the same destination; those
 * without gateway come first, because gateways must be reachable. Others stay. The answer is what
 * ListRoutes gives: the unicast routes of the main table.
 */
extern const struct network_method network_update_routes;
extern const struct network_method network_list_routes;

/* AddARPNeighbors: each is added, or replaces the one for the same address. */
extern const struct network_method network_add_neighbors;

/* iptables-save and iptables-restore of the guest's image, or their ip6 kind. */
extern const struct network_method network_get_iptables;
extern const struct network_method network_set_iptables;
