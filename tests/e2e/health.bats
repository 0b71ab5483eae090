# SPDX-License-Identifier: Apache-2.0
# A guest that hangs is found though nobody calls it, and its pod ends.

load lib
kihon_file=1

# stops_answering COMMAND...: the process whose pid that prints is stopped, as if it hung, in a good pod.
stops_answering() {
	local pid
	sed 's/^reconnect_timeout_ms.*/&\nhealth_check_request_timeout_ms = 6000/' \
		"$tmp/configuration.saved" > "$KATA_CONF_FILE"
	open_events
	start_sleeper
	wait_event 20 /tasks/start "$id"
	pid=$("$@")
	kill -STOP "$pid"
	# A check every 2 seconds, with 6 to answer it; and the end of the VM.
	wait_exit 12 255
	run -0 ctr task rm "$id"
	run -0 ctr container rm "$id"
	[[ ! -e /proc/$pid ]]
}

@test "a VM that hangs is found by the health check" {
	stops_answering helper_pid qemu-system
}

# The second of vsockd's two processes.
device_pid() {
	pgrep -P "$(helper_pid vsockd)"
}

@test "a vsock device that hangs is found by the health check" {
	[[ ! -e /dev/vhost-vsock ]] || skip "the kernel's vhost-vsock serves here"
	stops_answering device_pid
}
