# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The guest with programs, kata-containers-initrd-tools.img: modprobe, iptables, mkfs and a shell, each used
# through the agent. No containerd and no shim.

load agent_vm

image=$build/guest-image

setup_file() {
	need_root
	[[ -s $image/kata-containers-initrd-tools.img ]] || skip "no initrd with programs: guest/build"
	dir=$BATS_FILE_TMPDIR
	export dir
	start_vm "$image/vmlinux.container" "$image/kata-containers-initrd-tools.img" \
		"agent.debug_console agent.debug_console_vport=1026"
}

teardown_file() {
	stop_vm
}

# in_console COMMAND: by the debug console's shell, without what it echoes; fails as the command does.
in_console() {
	timeout "$((60 * patience))" /usr/bin/python3 "$top/tests/e2e/console" "$dir/vsock.sock" 1026 "$1"
}

# set_rules IS_IPV6 RULES
set_rules() {
	agent_ctl --quiet SetIPTables is_ipv6="$1" data="$2"
}

get_rules() {
	agent_ctl --json GetIPTables is_ipv6="$1" | sed -n 's/.*"data":"\([^"]*\)".*/\1/p' | base64 -d
}

@test "a debug console has a shell, and the programs' directory cannot be written to" {
	run -0 in_console 'echo "$((6 * 7))" on $(uname -s)'
	[[ $output == "42 on Linux" ]]
	run -0 in_console 'readlink -f /proc/$$/exe'
	[[ $output == /usr/bin/busybox ]]
	run -1 in_console 'touch /usr/bin/new'
	[[ $output == *"Read-only file system"* ]]
	# What the agent was started from is gone.
	run -1 in_console 'test -e /init || test -e /usr/init'
}

@test "CreateSandbox loads kernel modules, with what they need and with parameters" {
	run -0 in_console 'lsmod'
	[[ $output != *ip_vs* && $output != *dummy* ]]
	run -1 agent_ctl CreateSandbox sid=pod 'kernel_modules=[{"name": "no_such_module"}]'
	[[ $output == *"kernel module no_such_module"*"not found"* ]]
	# ext4 is built in.
	agent_ctl --quiet CreateSandbox sid=pod 'kernel_modules=[{"name": "ext4"},
		{"name": "dummy", "parameters": ["numdummies=3"]}, {"name": "ip_vs"}]'
	run -0 in_console 'lsmod; ip link'
	[[ $output == *$'\nip_vs '* && $output == *$'\nnf_conntrack '* ]]
	[[ $output == *" dummy2: "* && $output != *" dummy3: "* ]]
}

@test "rules of iptables are set and told, for IPv4 and IPv6" {
	# The kernel asks for a module per table, match and target, when it first sees one. An emulated guest may
	# take longer for them than the agent lets iptables take.
	in_console 'ip6tables -n -L && iptables -n -L && iptables -t nat -A PREROUTING -p tcp --dport 1
		-m conntrack --ctstate NEW -m comment --comment first -j REDIRECT --to-ports 2 && iptables -t nat -F'
	set_rules false $'*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 192.0.2.1/32 -j DROP\nCOMMIT\n'
	set_rules true $'*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 2001:db8::1/128 -j DROP\nCOMMIT\n'
	run -0 get_rules false
	[[ $output == *"-A INPUT -s 192.0.2.1/32 -j DROP"* && $output != *2001* ]]
	run -0 get_rules true
	[[ $output == *"-A INPUT -s 2001:db8::1/128 -j DROP"* && $output != *192.0* ]]
	run -1 set_rules false $'*filter\n-A NOWHERE -j DROP\nCOMMIT\n'
	# As a service mesh has them.
	set_rules false $'*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 80 -m conntrack --ctstate NEW -m comment --comment mesh -j REDIRECT --to-ports 15001\nCOMMIT\n'
	run -0 get_rules false
	[[ $output == *"--dport 80 -m conntrack --ctstate NEW -m comment --comment mesh -j REDIRECT --to-ports 15001"* ]]
}

@test "file systems are made, grown and checked" {
	in_console 'cd /run && truncate -s 8M disk && mkfs.ext4 -q disk && truncate -s 16M disk &&
		resize2fs disk && e2fsck -f -n disk'
	# A mount of a loop device has the kernel ask for its driver.
	run -0 in_console 'mkdir /run/m && mount -o loop /run/disk /run/m && df -k /run/m && umount /run/m'
	[[ $output == */dev/loop0* ]]
}
