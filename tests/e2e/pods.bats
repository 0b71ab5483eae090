# SPDX-License-Identifier: Apache-2.0
# Several containers in one pod: one virtual machine, one shim. Grouped as containerd's CRI does it,
# by annotations; $id is the pod, and its sandbox container.

load lib
load pod
kihon_file=1

boot_id() {
	"$@" cat /proc/sys/kernel/random/boot_id
}

@test "containers of a pod share a kernel, and end one by one" {
	local pod
	start_sandbox
	member_sleeper a
	member_sleeper b
	pod=$(boot_id exec_in x)
	[ "$(boot_id in_member a)" = "$pod" ]
	[ "$(boot_id in_member b)" = "$pod" ]
	[ "$pod" != "$(boot_id)" ]
	[ "$(pgrep -cf -- "-id $id ")" -eq 1 ]
	remove_member a
	assert_forgotten a
	[ "$(boot_id in_member b)" = "$pod" ]
	remove_member b
	[ "$(boot_id exec_in y)" = "$pod" ]
}

@test "each has its own output, status, pid namespace and files" {
	start_sandbox
	run -3 member a --rm -- sh -c 'echo $$ from a; echo > /only-in-a; exit 3'
	[ "$output" = "1 from a" ]
	run -4 member b --rm -- sh -c 'echo $$ from b; ls /only-in-a; exit 4'
	[[ $output == *"1 from b"*"No such file"* ]]
	run -0 exec_in x ls /
	[[ $output != *only-in* ]]
}

@test "they share IPC, host name and network, and their processes when asked to" {
	local pid
	start_sandbox
	pid=$(ctr task ls | awk -v id="$id" '$1 == id { print $2 }')
	member_sleeper a
	member_sleeper shared --with-ns "pid:/proc/$pid/ns/pid"
	local ns
	for ns in ipc uts net; do
		[ "$(exec_in "x$ns" readlink /proc/self/ns/$ns)" = "$(in_member a readlink /proc/self/ns/$ns)" ]
	done
	[ "$(exec_in pid readlink /proc/self/ns/pid)" != "$(in_member a readlink /proc/self/ns/pid)" ]
	[ "$(exec_in pid2 readlink /proc/self/ns/pid)" = "$(in_member shared readlink /proc/self/ns/pid)" ]
	[ "$(exec_in mnt readlink /proc/self/ns/mnt)" != "$(in_member shared readlink /proc/self/ns/mnt)" ]
}

@test "one that is killed leaves the others" {
	open_events
	start_sandbox
	member_sleeper a
	member_sleeper b
	ctr task kill -s SIGKILL "$id-a"
	wait_exit 5 137 "$id-a"
	run -0 in_member b echo still here
	[ "$output" = "still here" ]
	run -0 ctr task ls
	[[ $output == *"$id-a "*STOPPED* ]]
	[[ $output == *"$id-b "*RUNNING* ]]
}

@test "deleting the sandbox first ends its containers" {
	open_events
	start_sandbox
	member_sleeper a
	ctr task kill -s SIGKILL "$id"
	wait_exit 5 137 "$id"
	ctr task rm "$id"
	wait_exit 5 137 "$id-a"
	ctr task rm "$id-a"
	run -0 ctr task ls -q
	[[ $output != *"$id"* ]]
}

@test "a container that cannot be made leaves the others" {
	start_sandbox
	member_sleeper a
	run ! member bad -- /missing
	[[ $output == *"/missing"* ]]
	ctr container rm "$id-bad"
	assert_forgotten bad
	run ! member bad --mount type=bind,src=/missing,dst=/x -- true
	[[ $output == *"/missing"* ]]
	ctr container rm "$id-bad"
	run ! member bad --net-host -- true
	[[ $output == *"not supported yet"* ]]
	ctr container rm "$id-bad"
	assert_forgotten bad
	run -0 in_member a echo fine
	run -5 member good --rm -- sh -c 'exit 5'
}

@test "a container without its sandbox is refused" {
	run ! member a -- true
	[[ $output == *"no shim serves its sandbox $id"* ]]
	ctr container rm "$id-a"
	# Another namespace of containerd has sandboxes of its own.
	start_sandbox
	ctr -n other images import --snapshotter "$(< "$playground_dir/snapshotter")" \
		"$playground_dir/busybox.tar" > /dev/null
	run ! ctr -n other run --runtime "$runtime" --annotation "$type=container" \
		--annotation "$group=$id" "$image" "$id-a" true
	[[ $output == *"no shim serves its sandbox $id in namespace other"* ]]
	ctr -n other container rm "$id-a"
	ctr -n other images rm --sync "$image"
	ctr namespace rm other
	rmdir "$playground_run/state/io.containerd.runtime.v2.task/other"
}

@test "eight containers made at once" {
	local n
	local -a pids=()
	start_sandbox
	for n in {1..8}; do
		member "$n" --rm -- sh -c "echo number $n; exit $n" > "$tmp/out$n" 2>&1 3>&- &
		pids+=($!)
	done
	for n in {1..8}; do
		wait_status "$n" "${pids[n - 1]}"
		[ "$(cat "$tmp/out$n")" = "number $n" ]
		assert_forgotten "$n"
	done
	run -0 exec_in x true
}

# What virtiofsd holds open of a member.
n_held() {
	find "/proc/$(pgrep -P "$(helper_pid virtiofsd)" virtiofsd)/fd" -lname "/passthrough/$id-$1/*" | wc -l
}

@test "guest and virtiofsd let go of a container that is gone" {
	local n
	start_sandbox
	member_sleeper a
	in_member a ls -R /bin > /dev/null
	[ "$(n_held a)" -gt 0 ]
	remove_member a
	# The guest believes what it has seen for a second, and looks again when a container goes.
	for n in {1..10}; do
		[ "$(n_held a)" -gt 0 ] || break
		member "b$n" --rm -- true
	done
	[ "$(n_held a)" -eq 0 ]
}

@test "volumes of one container come and go with it" {
	start_sandbox
	mkdir "$tmp/volume"
	echo content > "$tmp/volume/file"
	for _ in 1 2; do
		member_sleeper a --mount "type=bind,src=$tmp/volume,dst=/volume,options=rbind:rw"
		run -0 in_member a cat /volume/file
		[ "$output" = content ]
		in_member a sh -c 'echo more > /volume/more'
		[ "$(cat "$tmp/volume/more")" = more ]
		remove_member a
		assert_forgotten a
	done
}

@test "kill -9 of QEMU ends every container of the pod" {
	open_events
	start_sandbox
	member_sleeper a
	member_sleeper b
	kill -KILL "$(pgrep -P "$(shim_pid)" qemu-system)"
	wait_exit 5 255 "$id"
	wait_exit 5 255 "$id-a"
	wait_exit 5 255 "$id-b"
	stop_events
	ctr task rm "$id-b" "$id" "$id-a"
}

@test "kill -9 of the shim: containerd ends every container of the pod" {
	open_events
	start_sandbox
	member_sleeper a
	wait_event 20 /tasks/start "$id-a"
	kill -KILL "$(shim_pid)"
	wait_exit 5 137 "$id-a"
	stop_events
	ctr container rm "$id-a"
	ctr container rm "$id"
}
