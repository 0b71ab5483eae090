# SPDX-License-Identifier: Apache-2.0
# Whatever dies, the pod ends: an exit event within 5 seconds, delete works, nothing is left.

load lib
kihon_file=1

# ends_after STATUS COMMAND...: runs it on a pod that is up.
ends_after() {
	local status=$1
	shift
	open_events
	start_sleeper "${pod_options[@]}"
	wait_event 20 /tasks/start "$id"
	"$@"
	wait_exit 5 "$status"
	# A client of an exec removes its own fifos, which it cannot once the task is gone.
	wait_clients
	ctr task rm "$id" || [ "${task_is_gone:-0}" = 1 ]
	run -0 ctr container rm "$id"
}

kill_helper() {
	local pid
	pid=$(helper_pid "$1") || { echo "the pod has no $1"; return 1; }
	kill -KILL "$pid"
}

@test "kill -9 of QEMU" {
	ends_after 255 kill_helper qemu-system
}

@test "kill -9 of virtiofsd" {
	ends_after 255 kill_helper virtiofsd
}

@test "kill -9 of vsockd" {
	[[ ! -e /dev/vhost-vsock ]] || skip "the kernel's vhost-vsock serves here"
	ends_after 255 kill_helper vsockd
}

kill_shim() {
	kill -KILL "$(shim_pid)"
}

@test "kill -9 of the shim" {
	# containerd itself reports the exit then, and forgets the task.
	task_is_gone=1
	ends_after 137 kill_shim
}

panic_guest() {
	exec_in panic sh -c 'echo c > /proc/sysrq-trigger' > /dev/null 2>&1 3>&- &
}

@test "a guest kernel that panics" {
	pod_options=(--privileged)
	ends_after 255 panic_guest
}

@test "a pod that lost its VM can be asked for its state and killed" {
	open_events
	start_sleeper
	wait_event 20 /tasks/start "$id"
	kill_helper qemu-system
	wait_exit 5 255
	run -0 ctr task ls
	[[ $output == *"$id"*STOPPED* ]]
	run ctr task kill -s SIGKILL "$id"
	[[ $status -eq 0 || $output == *"not found"* || $output == *"process already finished"* ]]
	run -0 ctr task rm "$id"
	run -0 ctr container rm "$id"
}
