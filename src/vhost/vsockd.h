/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * vsockd: our vsock device (virtio/vsock.h) over vhost-user, for a VMM on a host without
 * /dev/vhost-vsock. A role of the shim's program:
 *
 *	kata-vsockd --vhost-fd N --hybrid-fd N --guest-dir-fd N --control-fd N --cid N
 *
 *	--vhost-fd	connected stream socket; the VMM has the other end for vhost-user-vsock-pci
 *	--hybrid-fd	listening stream socket, bound to a path: clients come here (CONNECT <port>)
 *	--guest-dir-fd	the directory of that path; a guest that connects to host port P reaches the
 *			socket "<name of the hybrid socket>_P" in it, if there is one. Its owner
 *			is who connects: mode 0600 in a directory of mode 0700 is fine
 *	--control-fd	stream socket of the parent, which ends vsockd by closing its end
 *	--cid		the guest's address, as the VMM shows it to the guest
 *	--uid, --gid	who the device process becomes; 65534 (nobody) by default
 *
 * It must be started as root. Two processes come of it, both in their own mount, pid, network, ipc,
 * uts and cgroup namespaces, without capabilities, not dumpable, under seccomp and, where the
 * kernel has it, Landlock. The first keeps the pid that its parent knows; it connects for the guest
 * (vsock_dial.h) and ends as the second ends. The second maps guest memory: unprivileged uid, empty
 * root, nothing but the sockets above. It jails itself before it reads the first byte of the VMM.
 *
 * Both die with the parent (PR_SET_PDEATHSIG). The exit status is 0 when the VMM or the parent has
 * closed its socket, 1 after an error, said in one line on stderr.
 */
int vsockd_main(int argc, char **argv);
