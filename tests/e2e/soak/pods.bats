# SPDX-License-Identifier: Apache-2.0
# What only time shows: memory, descriptors and mounts that grow with the containers of one pod, and with
# pods. KIHON_SOAK_CONTAINERS and KIHON_SOAK_PODS make it shorter or longer.

load ../lib
load ../pod
kihon_file=1

n_containers=${KIHON_SOAK_CONTAINERS:-500}
n_pods=${KIHON_SOAK_PODS:-200}
# What is filled once and then used again is there after these.
n_warm=20

agent_ctl=$build/host/src/tools/kata-agent-ctl

one_container() {
	member_sleeper "$1"
	run -0 in_member "$1" echo "$1"
	[ "$output" = "$1" ]
	ctr task rm --force "$id-$1" > "$tmp/out" 2>&1
	ctr container rm "$id-$1"
}

descendants() {
	local pid
	for pid in $(pgrep -P "$1"); do
		echo "$pid"
		descendants "$pid"
	done
}

# measure_process PID NAME: anonymous memory, for what the kernel drops by itself is not counted.
measure_process() {
	awk -v name="$2" '$1 == "RssAnon:" { print "memory:" name, $2 }' "/proc/$1/status"
	echo "fds:$2 $(find "/proc/$1/fd" -mindepth 1 | wc -l)"
	echo "mounts:$2 $(wc -l < "/proc/$1/mountinfo")"
}

# What a container sees of the guest as a whole, and the agent of itself.
measure_guest() {
	local socket=/run/kata/$id/vsock.sock
	exec_in "measure$RANDOM" sh -c '
		awk "{ print \"fds:guest\", \$1 }" /proc/sys/fs/file-nr
		awk "{ split(\$4, n, \"/\"); print \"tasks:guest\", n[2] }" /proc/loadavg
		awk "\$1 == \"memory\" { print \"cgroups:guest\", \$3 }" /proc/cgroups
		awk "\$1 == \"AnonPages:\" { print \"memory:guest\", \$2 }" /proc/meminfo
		awk "\$1 == \"SUnreclaim:\" { print \"memory:guest-kernel\", \$2 }" /proc/meminfo'
	# With the kernel's vhost-vsock the shim alone knows the way.
	[[ ! -S $socket ]] || "$agent_ctl" --server-address "hvsock://$socket:1024" GetMetrics |
		sed -n 's/^ *kata_agent_proc_status{item="rssanon"} \([0-9]*\).*/memory:agent \1/p'
}

# A line for each number of the pod: KIND:NAME VALUE. The memory of QEMU is that of the guest, which
# fills it as it runs.
measure() {
	local pid name shim
	shim=$(shim_pid)
	for pid in "$shim" $(descendants "$shim"); do
		name=$(tr ' ' _ < "/proc/$pid/comm")
		measure_process "$pid" "$name-$pid" | grep -v '^memory:qemu'
	done
	measure_guest
}

# assert_flat BEFORE AFTER: memory to within a tenth, but at least four pages, for a heap ends in another one
# each time; that of all processes of the guest as exactly as its kernel counts. Of the rest less than one
# for each container: virtiofsd holds 17 files of each that has gone in the last second.
assert_flat() {
	paste -d ' ' "$1" "$2" | awk '
		$1 != $3 { print "compared " $1 " with " $3; bad = 1 }
		{ bound = $1 == "memory:guest" ? $2 + 128 : $1 !~ /^memory/ ? $2 + 100 : $2 > 160 ? $2 * 1.1 : $2 + 16 }
		$4 > bound { print $1 " has grown from " $2 " to " $4; bad = 1 }
		END { exit bad }'
}

@test "$n_containers containers one after another in one pod, an exec in each" {
	local n
	start_sandbox
	for ((n = 1; n <= n_warm; n++)); do one_container "$n"; done
	measure > "$tmp/warm"
	for (( ; n <= n_containers; n++)); do one_container "$n"; done
	measure > "$tmp/end"
	paste "$tmp/warm" "$tmp/end"
	assert_flat "$tmp/warm" "$tmp/end"
}

@test "$n_pods pods one after another" {
	local n base=$id
	for ((n = 1; n <= n_pods; n++)); do
		id=$base-$n
		run -0 run_pod -- true
	done
}
