/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Connections that a guest opens to the host, across vsockd's jail.
 *
 * The process that touches guest memory has an empty root and may not even create a socket. A
 * second one beside it, which reads nothing but these fixed-size requests, has the sandbox's
 * directory as its root and connects to "<name>_<port>" there when asked, handing the socket over.
 * What a guest can make it do is therefore bounded by a 32-bit number.
 *
 * The two share a SOCK_SEQPACKET pair; answers come in the order of the requests.
 */
#include "base/err.h"
#include "linux/jail.h"

int vsock_dial_pair(int *ret_client_fd, int *ret_server_fd) must_check;

/* The client's side never waits. -EAGAIN: the server is busy with as many requests as fit. */
int vsock_dial_request(int fd, uint32_t port, uint64_t id) must_check;
/* 0: an answer to id, with a connected non-blocking socket (the caller's) or -1. -EAGAIN: none yet;
 * -ENODATA: the server has gone. */
int vsock_dial_receive(int fd, uint64_t *ret_id, int *ret_fd) must_check;
extern const struct jail_rule vsock_dial_client_rules[];

/* Serves until the client closes. name: the hybrid socket's, in the root directory. */
int vsock_dial_serve(int fd, const char *name, struct err *err) must_check;
extern const struct jail_rule vsock_dial_server_rules[];
