# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# vsockd, QEMU and a guest's own vsock driver, without containerd and agent: one VM for all tests, with
# vsockd/guest.c as its init. What it costs a hostile guest is in tests/unit and tests/fuzz.

bats_require_minimum_version 1.5.0
top=$(realpath "$BATS_TEST_DIRNAME/../..")
# shellcheck source=tools/lib/base.sh
source "$top/tools/lib/base.sh"
# shellcheck source=tools/lib/kvm.sh
source "$top/tools/lib/kvm.sh"
build=${KIHON_BUILD:-$top/build}
image=$build/guest-image

start_vm() {
	local -a accel=(-accel 'tcg,thread=multi' -cpu max)
	if kvm_works; then accel=(-accel kvm -cpu host); fi
	qemu-system-x86_64 -machine q35,memory-backend=mem "${accel[@]}" -m 512M \
		-object memory-backend-memfd,id=mem,size=512M,share=on \
		-nodefaults -no-user-config -display none -no-reboot \
		-kernel "$image/vmlinux.container" -initrd "$dir/initrd" \
		-append "console=ttyS0 quiet panic=1" -serial stdio \
		-chardev socket,id=vsock,path="$dir/vhost.sock" \
		-device vhost-user-vsock-pci,chardev=vsock < /dev/null > "$dir/console" 2>&1 3>&- &
	echo $! > "$dir/qemu.pid"
	disown
	timeout 60 bash -c 'until grep -q ready "$dir/console"; do sleep 0.1; done' ||
		{ tail "$dir/console" "$dir/vsockd.log" && return 1; }
}

setup_file() {
	need_root
	[[ -s $image/modules/order ]] || skip "no guest kernel: guest/build"
	dir=$BATS_FILE_TMPDIR
	export dir
	"$top/tests/e2e/vsockd/make-initrd" "$dir"
	mkfifo "$dir/stdin"
	"$build/host/tests/tools/vsockd" "$dir" 3 < "$dir/stdin" > "$dir/vsockd.log" 2>&1 3>&- &
	echo $! > "$dir/vsockd.pid"
	# Its end of stdin is asked for by closing this.
	exec 7> "$dir/stdin"
	timeout 10 bash -c 'until [[ -S $dir/vsock.sock ]]; do sleep 0.05; done'
	start_vm
}

teardown_file() {
	[[ -z ${dir:-} || ! -e $dir/qemu.pid ]] || kill -9 "$(< "$dir/qemu.pid")" 2> /dev/null || true
}

client() {
	timeout 120 "$top/tests/e2e/vsockd/client" "$dir" "$@"
}

# The pids of the two processes: children_of PID...
children_of() {
	ps -o pid= --ppid "$1" | tr -d ' '
}

status_field() {
	awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/status"
}

@test "100 MB go in, out, and both ways at once, byte for byte" {
	local what
	for what in in out echo; do
		echo "# $what: $(client "$what" 104857600)" >&3
	done
	client sum
}

@test "100 streams at once, then 100 one after the other" {
	client streams 100
	echo "# $(client one_by_one 100)" >&3
}

@test "a reader that stops for ten seconds loses nothing" {
	client slow_reader 10
}

@test "a port nobody listens on is refused" {
	client refused
}

@test "the guest connects to sockets of the sandbox's directory" {
	client guest_dials
}

@test "both processes are jailed" {
	local dial device pid
	dial=$(children_of "$(< "$dir/vsockd.pid")")
	device=$(children_of "$dial")
	for pid in "$dial" "$device"; do
		[[ $(status_field "$pid" CapEff) == 0000000000000000 ]]
		[[ $(status_field "$pid" CapPrm) == 0000000000000000 ]]
		[[ $(status_field "$pid" CapBnd) == 0000000000000000 ]]
		[[ $(status_field "$pid" NoNewPrivs) == 1 ]]
		[[ $(status_field "$pid" Seccomp) == 2 ]]
		local ns
		for ns in mnt net ipc uts cgroup; do
			[[ $(readlink "/proc/$pid/ns/$ns") != "$(readlink "/proc/self/ns/$ns")" ]]
		done
	done
	[[ $(status_field "$device" Uid) == 65534 ]]
	[[ $(readlink "/proc/$device/ns/pid") != "$(readlink /proc/self/ns/pid)" ]]
	[[ -z $(ls -A "/proc/$device/root/") ]]
	[[ $(ls "/proc/$dial/root/") == "$(ls "$dir")" ]]
}

@test "idle, the two hold less than 1 MiB of private memory" {
	local dial pid sum=0 kib
	dial=$(children_of "$(< "$dir/vsockd.pid")")
	for pid in "$dial" "$(children_of "$dial")"; do
		kib=$(awk '$1 == "RssAnon:" { print $2 }' "/proc/$pid/status")
		sum=$((sum + kib))
	done
	echo "# $sum KiB" >&3
	((sum < 1024))
}

@test "it ends when the VMM dies, without a word" {
	local pid
	pid=$(< "$dir/vsockd.pid")
	kill -9 "$(< "$dir/qemu.pid")"
	timeout 10 tail --pid="$pid" -f /dev/null
	[[ ! -s $dir/vsockd.log ]]
}
