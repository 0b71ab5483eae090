# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154  # shared with the script that sources it
# What tools/bench measures of the way into the guest: vsockd against the kernel's vhost-vsock, each with
# a virtual machine of its own that runs tests/e2e/vsockd/guest.c, asked by turns. Neither shim nor agent
# has a part in it, so nothing has to be told which of the two to take. Needs bench.sh, kvm.sh, build.sh.

# What goes each way in one run: enough that the start of a connection does not show. A virtual machine
# inside the emulated lab needs minutes for that much, and shows its ratio with 2 as well.
vsock_mib=${KIHON_BENCH_VSOCK_MIB:-32}
vsock_directory=
vsock_stdin=
vsock_pids=()

# Waits until FILE has LINE, or PID has ended: wait_line SECONDS PID FILE LINE
wait_line() {
	timeout "$1" tail -n +1 -f --pid="$2" "$3" | grep -q -m 1 "$4" || true
	# tail's end by a closed pipe is no failure.
	grep -q "$4" "$3" || { tail -n 5 "$3" >&2; return 1; }
}

# boot_vsock_guest NAME DEVICE_ARGUMENT...
boot_vsock_guest() {
	local console=$vsock_directory/$1.console
	local -a accel=(-accel "tcg,thread=multi" -cpu max)
	if kvm_works; then accel=(-accel kvm -cpu host); fi
	shift
	qemu-system-x86_64 -machine q35,memory-backend=mem "${accel[@]}" -m 256M \
		-object memory-backend-memfd,id=mem,size=256M,share=on \
		-nodefaults -no-user-config -display none -no-reboot \
		-kernel "$vsock_directory/kernel" -initrd "$vsock_directory/initrd" \
		-append "console=ttyS0 quiet panic=-1" -serial stdio "$@" < /dev/null > "$console" 2>&1 &
	vsock_pids+=("$!")
	wait_line 180 "$!" "$console" ready || die "no guest to speak to"
}

boot_vsockd_guest() {
	local log=$vsock_directory/vsockd.log
	mkfifo "$vsock_directory/stdin"
	"$build/host/tests/tools/vsockd" "$vsock_directory" 3 < "$vsock_directory/stdin" > "$log" 2>&1 &
	vsock_pids+=("$!")
	# Its end of stdin would end it.
	exec {vsock_stdin}> "$vsock_directory/stdin"
	# shellcheck disable=SC2016  # the inner shell's
	timeout 10 bash -c 'until [[ -S $0/vsock.sock ]]; do sleep 0.05; done' "$vsock_directory"
	boot_vsock_guest vsockd -chardev "socket,id=vsock,path=$vsock_directory/vhost.sock" \
		-device vhost-user-vsock-pci,chardev=vsock
}

stop_vsock() {
	[[ -n $vsock_directory ]] || return 0
	[[ -z $vsock_stdin ]] || exec {vsock_stdin}>&-
	if ((${#vsock_pids[@]})); then
		kill -9 "${vsock_pids[@]}" 2> /dev/null || true
		wait "${vsock_pids[@]}" 2> /dev/null || true
	fi
	rm -rf "$vsock_directory"
	vsock_pids=() vsock_stdin='' vsock_directory=''
}

# ask_vsock TARGET TEST ARGUMENT: the figure alone.
ask_vsock() {
	timeout 120 "$top/tests/e2e/vsockd/client" "$@" | cut -d ' ' -f 1
}

# The three figures of each side, $1 of them the number of bytes: into $vsock, which is the caller's.
vsock_run() {
	local side
	for side in "${!targets[@]}"; do
		vsock[$side in]+="$(ask_vsock "${targets[$side]}" in "$1") "
		vsock[$side out]+="$(ask_vsock "${targets[$side]}" out "$1") "
		vsock[$side round]+="$(ask_vsock "${targets[$side]}" round_trips 500) "
	done
}

show_vsock() {
	local what=$1 key=$2 unit=$3 remark=$4
	# shellcheck disable=SC2086  # words
	show_runs "vsockd: $what" "$unit" "$(accelerator_name)" ${vsock[vsockd $key]}
	[[ -n ${vsock[kernel $key]:-} ]] || return 0
	# shellcheck disable=SC2086
	show_runs "kernel's vhost-vsock: $what" "$unit" "$(accelerator_name)" ${vsock[kernel $key]}
	show_ratio "vsockd against the kernel: $what" "${vsock[vsockd $key]}" "${vsock[kernel $key]}" "$remark"
}

measure_vsock() {
	local n cid=$((10000 + $$ % 100000))
	local -A targets=() vsock=()
	vsock_directory=$(mktemp -d)
	# A kernel on the lab's 9p folder would be read page by page.
	cp "$build/guest-image/vmlinux.container" "$vsock_directory/kernel"
	"$top/tests/e2e/vsockd/make-initrd" "$vsock_directory"
	boot_vsockd_guest
	targets[vsockd]=$vsock_directory
	if [[ -c /dev/vhost-vsock ]]; then
		boot_vsock_guest kernel -device "vhost-vsock-pci,guest-cid=$cid"
		targets[kernel]=$cid
	fi
	for ((n = 0; n < bench_runs; n++)); do
		vsock_run $((vsock_mib << 20))
	done
	stop_vsock
	show_vsock "into the guest, $vsock_mib MiB" in MB/s "more is better"
	show_vsock "out of the guest, $vsock_mib MiB" out MB/s "more is better"
	show_vsock "a byte there and back" round us "less is better"
	[[ -n ${targets[kernel]:-} ]] || not_here "vsockd against the kernel's vhost-vsock" \
		"/dev/vhost-vsock is missing; tests/lab/run -w $build -- $top/tools/bench --built vsock"
}
