# SPDX-License-Identifier: Apache-2.0
# The comparison that every end-to-end test relies on must be able to fail: once for each thing it sees.

setup() {
	leftovers=$BATS_TEST_DIRNAME/leftovers
	watched=$BATS_TEST_TMPDIR/watched
	mkdir -p "$watched"
	"$leftovers" save "$BATS_TEST_TMPDIR/before" "$watched"
}

# finds TEXT: the comparison names it, and nothing counts as all right.
finds() {
	run "$leftovers" compare --within 0 "$BATS_TEST_TMPDIR/before"
	[ "$status" -eq 1 ]
	[[ $output == *"$1"* ]]
}

finds_nothing() {
	run "$leftovers" compare "$BATS_TEST_TMPDIR/before"
	[ "$output" = "" ]
	[ "$status" -eq 0 ]
}

@test "an unchanged machine compares equal" {
	finds_nothing
}

@test "a process of a pod is found until it has ended" {
	cp "$(type -P sleep)" "$BATS_TEST_TMPDIR/virtiofsd"
	"$BATS_TEST_TMPDIR/virtiofsd" 60 3>&- &
	finds "left: process $! virtiofsd"
	kill $!
	wait $! || true
	finds_nothing
}

@test "a zombie is found" {
	cp "$(type -P true)" "$BATS_TEST_TMPDIR/qemu-fake"
	# The parent tells when its child has died, and then keeps it unreaped until its stdin closes.
	coproc holder { exec /usr/bin/python3 -c '
import os, sys
pid = os.posix_spawn(sys.argv[1], ["qemu-fake"], {})
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
print(pid, flush=True)
sys.stdin.read()' "$BATS_TEST_TMPDIR/qemu-fake" 3>&-; }
	read -r -u "${holder[0]}" pid
	finds "left: process $pid qemu-fake zombie"
	eval "exec ${holder[1]}>&-"
	finds_nothing
}

@test "a mount is found, also a second one at the same place" {
	[ "$EUID" -eq 0 ] || skip "needs root"
	mount -t tmpfs leftovers "$watched"
	"$leftovers" save "$BATS_TEST_TMPDIR/before" "$watched"
	mount -t tmpfs leftovers "$watched"
	finds "left: mount $watched (tmpfs)"
	umount "$watched"
	finds_nothing
	umount "$watched"
	finds "gone: mount $watched (tmpfs)"
}

@test "a fifo, a directory, a file and a socket are found" {
	mkfifo "$watched/f"
	finds "left: fifo $watched/f"
	mkdir -p "$watched/a/b"
	finds "left: directory $watched/a/b"
	touch "$watched/a/c"
	finds "left: file $watched/a/c"
	/usr/bin/python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$watched/s"
	finds "left: socket file $watched/s"
	rm -rf "${watched:?}"/*
	finds_nothing
}

@test "a listening socket without a file is found" {
	coproc holder { exec /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind("\0/containerd-shim/leftovers-test")
s.listen()
print("ready", flush=True)
sys.stdin.read()' 3>&-; }
	read -r -u "${holder[0]}" _
	finds "left: socket @/containerd-shim/leftovers-test"
	eval "exec ${holder[1]}>&-"
	finds_nothing
}

@test "a cgroup is found in each hierarchy" {
	[ "$EUID" -eq 0 ] || skip "needs root"
	local top
	while read -r top; do
		mkdir "$top/leftovers-test" 2> /dev/null || continue
		finds "left: cgroup $top/leftovers-test"
		rmdir "$top/leftovers-test"
	done < <(awk '/ - cgroup/ { print $5 }' /proc/self/mountinfo)
	finds_nothing
}

@test "a network interface is found" {
	[ "$EUID" -eq 0 ] || skip "needs root"
	ip tuntap add leftovers0 mode tap 2> /dev/null || ip link add leftovers0 type dummy ||
		skip "this kernel makes neither tap nor dummy interfaces"
	run "$leftovers" compare --within 0 "$BATS_TEST_TMPDIR/before"
	ip link del leftovers0
	[ "$status" -eq 1 ]
	[[ $output == *"left: network interface leftovers0"* ]]
	finds_nothing
}
