# SPDX-License-Identifier: Apache-2.0
# The virtual machine alone, without containerd and shim: src/hypervisor by tests/tools/boot_vm.

load lib
kihon_file=1

setup() {
	kihon_only
	tmp=$BATS_TEST_TMPDIR
	mkdir "$tmp/run" "$tmp/share"
}

# boot INITRD: boots until the agent answers, then stops; what was said into $output.
boot() {
	local line pid status=0
	mkfifo "$tmp/in" "$tmp/out"
	timeout 60 "$build/host/tests/tools/boot_vm" "$build/guest-image/vmlinux.container" "$1" \
		"$tmp/run" "$tmp/share" "$build/host/tests/tools/vsockd" < "$tmp/in" > "$tmp/out" 3>&- &
	pid=$!
	exec {to_vm}> "$tmp/in" {from_vm}< "$tmp/out"
	output=
	while read -r line; do
		output+=$line$'\n'
		[[ $line != "agent after"* ]] || exec {to_vm}>&-
	done <&"$from_vm"
	wait "$pid" || status=$?
	echo "$output"
	return "$status"
}

# No socket, and none of the processes that were started.
teardown() {
	local pid
	[[ -z $(ls -A "$tmp/run") ]]
	while read -r pid; do
		[[ ! -e /proc/$pid ]] || { echo "process $pid is left"; return 1; }
	done < <(awk '$1 == "process" { print $3 }' <<< "${output:-}")
}

@test "the agent answers, and an orderly stop leaves nothing" {
	boot "$build/guest-image/kata-containers-initrd.img"
	[[ $output == *"agent after "*stopped* ]]
}

@test "a kernel without init: the reason is its panic" {
	printf 'nothing' > "$tmp/initrd"
	boot "$tmp/initrd" && return 1
	[[ $output == *"guest panicked (the console's last line: "*"Kernel panic"* ]]
}
