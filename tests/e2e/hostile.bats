# SPDX-License-Identifier: Apache-2.0
# Guests that hang, lie, flood and torture. hostile/agent.c is /init of their initrd, in the agent's
# place, and does what the word HOSTILE of the kernel's command line says. Whatever it is: the call
# fails with an error that names it, or the pod ends with an exit event; delete works; the shim stays
# small; an ordinary pod beside works on; and nothing is left.

load lib
kihon_file=1

# Private memory of a shim, in KiB: what SECURITY.md promises.
shim_limit_kib=8192

setup_file() {
	local -a modules
	[[ -s $build/guest-image/modules/order ]] || skip "no guest kernel: guest/build"
	musl-gcc -Os -static -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu \
		-o "$BATS_FILE_TMPDIR/init" "$BATS_TEST_DIRNAME"/hostile/{agent,rings}.c
	mapfile -t modules < <(sed "s|^|$build/guest-image/modules/|" "$build/guest-image/modules/order")
	"$top/guest/make-initrd" "$BATS_FILE_TMPDIR/init" "${modules[@]}" | zstd -q -1 > "$BATS_FILE_TMPDIR/initrd"
}

# configure FILTER...: the saved configuration through sed.
configure() {
	sed "$@" "$tmp/configuration.saved" > "$KATA_CONF_FILE"
}

# Short limits, so that silence is found within the test's patience.
short_limits='s/^reconnect_timeout_ms.*/&\nhealth_check_request_timeout_ms = 6000/
	s/^create_container_timeout.*/create_container_timeout = 10/'

configure_hostile() {
	configure -e "s|^initrd.*|initrd = \"$BATS_FILE_TMPDIR/initrd\"|" -e "$short_limits" \
		-e "s|^machine_type.*|&\nkernel_params = \"HOSTILE=$1\"|"
}

start_watch() {
	rm -f "$tmp/memory"
	"$BATS_TEST_DIRNAME/hostile/watch" "$id" "$tmp/memory" 3>&- &
	watch_pid=$!
}

# The shim has stayed below its limit. LABEL is for the report.
end_watch() {
	kill "$watch_pid"
	wait "$watch_pid" || true
	echo "# $1: the shim held up to $(< "$tmp/memory") KiB" >&3
	(($(< "$tmp/memory") < shim_limit_kib))
}

# An ordinary pod, under another id.
start_beside() {
	ctr run --detach --null-io --runtime "$runtime" "$image" "$id-beside" sleep 100000
	beside_execs=0
}

beside_works() {
	run -0 ctr task exec --exec-id "e$((++beside_execs))" "$id-beside" echo works
	[[ $output == works ]]
}

# create_fails WHAT:WHEN TEXT: the pod is not created, and the error says why.
create_fails() {
	configure_hostile "$1"
	start_watch
	run start_sleeper
	[[ $status -ne 0 && $output == *"$2"* ]] || { echo "$1: status $status: $output"; return 1; }
	# A new line ends what ctr says.
	[[ $output != *[$'\001'-$'\037']* ]] || { printf '%s: not printable: %q\n' "$1" "$output"; return 1; }
	end_watch "$1"
	run ctr container rm "$id"
	beside_works
}

# pod_ends WHAT:WHEN STATUS: the pod starts, ends with that status and can be deleted.
pod_ends() {
	configure_hostile "$1"
	start_watch
	open_events
	start_sleeper
	wait_exit 20 "$2" || { echo "$1"; return 1; }
	stop_events
	end_watch "$1"
	run -0 ctr task rm "$id"
	run -0 ctr container rm "$id"
	beside_works
}

# ends_when_killed WHAT:WHEN: the pod lives on, and ends when it is told to.
ends_when_killed() {
	configure_hostile "$1"
	start_watch
	open_events
	start_sleeper
	wait_event 20 /tasks/start "$id"
	beside_works
	run -0 ctr task kill -s KILL "$id"
	wait_exit 20 137 || { echo "$1"; return 1; }
	stop_events
	end_watch "$1"
	run -0 ctr task rm "$id"
	run -0 ctr container rm "$id"
	beside_works
}

@test "answers that are no answers fail the start, by name" {
	start_beside
	create_fails garbage:Check "connection lost"
	create_fails type:Check "frame of type 9"
	create_fails request:GetGuestDetails "frame of type 1"
	create_fails uncalled:CreateSandbox "which has no call"
	create_fails even:CreateContainer "which has no call"
	create_fails twice:CreateSandbox "which has no call"
}

@test "answers of absurd sizes fail the start, and are not kept" {
	start_beside
	create_fails 4gib:CreateSandbox "4294967295 bytes"
	create_fails 4mib:GetGuestDetails "bytes"
	create_fails bomb:GetGuestDetails "more than 16384 times"
}

@test "error texts are cut and made printable" {
	start_beside
	create_fails text:CreateContainer evil
	create_fails nul:CreateContainer NUL
}

@test "silence fails the start after its limit" {
	start_beside
	create_fails silence:Check "no answer within 6000 ms"
	create_fails half:CreateSandbox "no answer within 10000 ms"
	# From here on the health check is sooner than the call's own limit.
	create_fails half-header:CreateContainer "fails its health check"
	create_fails deaf:CreateContainer "fails its health check"
}

@test "a connection closed at any call fails the start" {
	local method
	start_beside
	for method in Check GetGuestDetails CreateSandbox CreateContainer StartContainer; do
		create_fails "close:$method" "closed by the peer"
	done
}

@test "a running pod whose guest goes mad ends" {
	start_beside
	pod_ends garbage:ReadStdout 255
	pod_ends close:ReadStderr 255
	pod_ends silence:ReadStdout 255
}

@test "output without end ends with the kill" {
	start_beside
	ends_when_killed flood:ReadStdout
	ends_when_killed more:ReadStdout
}

@test "a log without end, and one without lines" {
	start_beside
	ends_when_killed line:log
	ends_when_killed lines:log
	ends_when_killed brackets:log
}

# ---- The torture of the vsock device ----

# KIHON_SEED repeats a run. An odd seed is for the queues' content, an even one for their set-up.
seed=${KIHON_SEED:-$RANDOM}

# torture SEED: before the agent listens. With a device that has survived, the pod works.
torture() {
	echo "# seed $1" >&3
	configure_hostile "rings:$1"
	start_watch
	open_events
	if start_sleeper 2> "$tmp/error"; then
		echo "# the device has survived" >&3
		wait_event 5 /tasks/start "$id"
		run -0 ctr task kill -s KILL "$id"
		wait_exit 20 137
		run -0 ctr task rm "$id"
	else
		echo "# $(< "$tmp/error")" >&3
		grep -q vsockd "$tmp/error"
	fi
	stop_events
	end_watch "rings:$1"
	run ctr container rm "$id"
	beside_works
}

@test "garbage in the device's queues harms nobody but its VM" {
	[[ ! -e /dev/vhost-vsock ]] || skip "the kernel's vhost-vsock serves here"
	start_beside
	torture $((seed | 1))
	torture $((seed & ~1))
}

@test "garbage in the device's queues under a running pod ends it" {
	[[ ! -e /dev/vhost-vsock ]] || skip "the kernel's vhost-vsock serves here"
	start_beside
	pod_ends "late-rings:$((seed | 1))" 255
	pod_ends "late-rings:$((seed & ~1))" 255
}
