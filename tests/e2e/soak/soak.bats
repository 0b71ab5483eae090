# SPDX-License-Identifier: Apache-2.0
# What only time shows: memory and descriptors that grow, with many execs and much data in one pod.

load ../lib
kihon_file=1

open_fds() {
	find "/proc/$1/fd" -mindepth 1 | wc -l
}

one_exec() {
	exec_in "soak-$1" sh -c 'head -c 100000 /dev/zero; exit 3' < /dev/null > "$tmp/out"
}

# rounds FROM TO: execs one after the other, each checked.
rounds() {
	local n
	for ((n = $1; n <= $2; n++)); do
		run -3 one_exec "$n"
		[ "$(stat -c %s "$tmp/out")" -eq 100000 ]
	done
}

@test "300 execs in one pod: memory and descriptors of its processes stay flat" {
	local pid grown fds
	local -A memory=() files=()
	start_sleeper
	rounds 1 20
	for pid in $(shim_pid) $(pgrep -P "$(shim_pid)"); do
		memory[$pid]=$(rss_kib "$pid")
		files[$pid]=$(open_fds "$pid")
	done
	rounds 21 320
	for pid in "${!memory[@]}"; do
		grown=$(($(rss_kib "$pid") - memory[$pid]))
		fds=$(($(open_fds "$pid") - files[$pid]))
		echo "$(cat "/proc/$pid/comm"): grown by $grown KiB and $fds descriptors"
		# QEMU holds the guest's memory, which the guest fills as it runs.
		[[ $(cat "/proc/$pid/comm") == qemu* ]] || ((grown < 512))
		((fds <= 2))
	done
	ctr task kill -s SIGKILL "$id"
}

@test "1 GB through a pod, there and back" {
	limit=1200
	head -c 100000000 /dev/urandom > "$tmp/part"
	for _ in {1..10}; do cat "$tmp/part"; done > "$tmp/in"
	run_pod -- cat < "$tmp/in" | cmp - "$tmp/in"
}
