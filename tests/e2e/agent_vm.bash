# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A virtual machine with an agent, and neither containerd nor a shim: kata-agent-ctl asks it, through
# vsockd. $dir, the test file's own directory, holds what belongs to it.

bats_require_minimum_version 1.5.0
top=$(realpath "${BASH_SOURCE[0]%/*}/../..")
# shellcheck source=tools/lib/base.sh
source "$top/tools/lib/base.sh"
# shellcheck source=tools/lib/kvm.sh
source "$top/tools/lib/kvm.sh"
build=${KIHON_BUILD:-$top/build}
patience=${E2E_PATIENCE:-1}

agent_ctl() {
	timeout "$((60 * patience))" "$build/host/src/tools/kata-agent-ctl" \
		--server-address "hvsock://$dir/vsock.sock:1024" --timeout "$((30 * patience))s" "$@"
}

start_vsockd() {
	mkfifo "$dir/stdin"
	"$build/host/tests/tools/vsockd" "$dir" 3 < "$dir/stdin" > "$dir/vsockd.log" 2>&1 3>&- &
	# Its end of stdin is asked for by closing this.
	exec 7> "$dir/stdin"
	timeout 10 bash -c 'until [[ -S $dir/vsock.sock ]]; do sleep 0.05; done'
}

# start_vm KERNEL INITRD PARAMETERS QEMU_OPTIONS...: until its agent answers.
start_vm() {
	local -a accel=(-accel 'tcg,thread=multi' -cpu max)
	if kvm_works; then accel=(-accel kvm -cpu host); fi
	start_vsockd
	qemu-system-x86_64 -machine q35,memory-backend=mem "${accel[@]}" -m 512M \
		-object memory-backend-memfd,id=mem,size=512M,share=on \
		-nodefaults -no-user-config -display none -no-reboot \
		-kernel "$1" -initrd "$2" -append "console=ttyS0 quiet panic=1 no_timer_check $3" -serial stdio \
		-chardev socket,id=vsock,path="$dir/vhost.sock" \
		-device vhost-user-vsock-pci,chardev=vsock,addr=02.0 "${@:4}" \
		< /dev/null > "$dir/console" 2>&1 3>&- &
	echo $! > "$dir/qemu.pid"
	disown
	for ((i = 0; i < 60 * patience; i++)); do
		! agent_ctl --quiet Check 2> /dev/null || return 0
		sleep 1
	done
	tail "$dir/console" "$dir/vsockd.log"
	return 1
}

stop_vm() {
	[[ -z ${dir:-} || ! -e $dir/qemu.pid ]] || kill -9 "$(< "$dir/qemu.pid")" 2> /dev/null || true
}
