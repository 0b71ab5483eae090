# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154  # shared with the script that sources it
# What tools/bench measures of pods, and of runc's containers beside them, under one private containerd.
# Needs bench.sh, bench-agent.sh and playground.sh.

bench_containerd=

# containerd, when the first measurement wants it.
need_containerd() {
	[[ -z $bench_containerd ]] || return 0
	bench_containerd=1
	playground_up
}

runtime_of() {
	case $1 in
	kata) echo "$playground_runtime" ;;
	runc) echo io.containerd.runc.v2 ;;
	esac
}

container_of() {
	echo "bench-$$-$1"
}

# start_pod kata|runc: a container that stays.
start_pod() {
	timeout 120 ctr run --detach --null-io --runtime "$(runtime_of "$1")" "$playground_image" \
		"$(container_of "$1")" sleep 100000
}

remove_pod() {
	local log=$playground_dir/remove.log
	run_quietly "$log" timeout 60 ctr tasks rm --force "$(container_of "$1")"
	run_quietly "$log" timeout 60 ctr containers rm "$(container_of "$1")"
}

shim_of() {
	pgrep -f "containerd-shim-[a-z0-9-]+ .*-id $(container_of "$1")( |\$)" | head -n 1
}

measure_start() {
	local n
	local -a kata=() runc=()
	need_containerd
	for ((n = 0; n < bench_runs; n++)); do
		rm -f "$playground_timeline"
		kata+=("$(took_ms start_pod kata)")
		remove_pod kata
		runc+=("$(took_ms start_pod runc)")
		remove_pod runc
	done
	show_runs "start of a pod, as its user sees it" ms "$(accelerator_name)" "${kata[@]}"
	show_runs "start of a container by runc" ms "no virtual machine" "${runc[@]}"
	show_ratio "start, against runc" "${kata[*]}" "${runc[*]}"
	[[ ! -s $playground_timeline ]] || "$top/tools/timeline" --width 0 "$playground_timeline"
}

# start_execs KIND COUNT FIFO_DIRECTORY
start_execs() {
	local n
	for ((n = 0; n < $2; n++)); do
		timeout 60 ctr task exec --detach --fifo-dir "$3" --exec-id "e$n" "$(container_of "$1")" sleep 100000
	done
}

# tree_of PID: it and all below.
tree_of() {
	local pid
	echo "$1"
	for pid in $(pgrep -P "$1"); do
		tree_of "$pid"
	done
}

# vsockd and virtiofsd are two processes each.
show_helpers() {
	local pid
	local -a tree
	for pid in $(pgrep -P "$1"); do
		mapfile -t tree < <(tree_of "$pid")
		show "$(< "/proc/$pid/comm") $2, private memory" "$(private_kib "${tree[@]}")" KiB \
			"processes: ${#tree[@]}"
	done
}

measure_memory() {
	local kind shim fifos
	local -A idle=() busy=()
	need_containerd
	fifos=$(mktemp -d "$playground_run/fifos.XXXXXX")
	for kind in kata runc; do
		start_pod "$kind"
		shim=$(shim_of "$kind")
		idle[$kind]=$(private_kib "$shim")
		show "$kind: shim at rest, private memory" "${idle[$kind]}" KiB
		show "$kind: shim at rest, of that written" "$(dirty_kib "$shim")" KiB
		[[ $kind != kata ]] || show_helpers "$shim" "at rest"
		start_execs "$kind" 50 "$fifos"
		busy[$kind]=$(private_kib "$shim")
		show "$kind: shim with 50 execs, private memory" "${busy[$kind]}" KiB
		[[ $kind != kata ]] || show_helpers "$shim" "with 50 execs"
		remove_pod "$kind"
	done
	show "shim at rest, against runc's" "$(divide "${idle[kata]}" "${idle[runc]}")" x "goal: < 1024 KiB"
	show "shim with 50 execs, against runc's" "$(divide "${busy[kata]}" "${busy[runc]}")" x
}

# MB/s of 100 MiB between the first byte and the last, so that the start of the process is not in it.
# By dd: busybox's head takes each byte by itself, which in an emulated guest is all that one would see.
exec_stdout() {
	timeout 300 ctr task exec --exec-id out "$(container_of "$1")" \
		dd if=/dev/zero bs=64k count=1600 status=none | "$top/tools/lib/pipe-rate" 104857600
}

measure_stdout() {
	local n
	local -a kata=() runc=()
	need_containerd
	start_pod kata
	start_pod runc
	for ((n = 0; n < bench_runs; n++)); do
		kata+=("$(exec_stdout kata)")
		runc+=("$(exec_stdout runc)")
	done
	remove_pod kata
	remove_pod runc
	show_runs "stdout of an exec, 100 MiB to a pipe" MB/s "$(accelerator_name)" "${kata[@]}"
	show_runs "the same through runc" MB/s "no virtual machine" "${runc[@]}"
	show_ratio "stdout, against runc" "${kata[*]}" "${runc[*]}" "more is better"
}

# ---- Processor time ----

# cpu_ticks FIELDS PID...: of /proc/PID/stat, counted behind the name: 12 and 13 are the process's own
# time, 14 and 15 that of the children it has reaped.
cpu_ticks() {
	local fields=$1 pid
	shift
	for pid; do
		sed 's/.*) //' "/proc/$pid/stat"
	done | awk -v fields="$fields" '{ n = split(fields, f, ","); for (i = 1; i <= n; i++) sum += $f[i] }
		END { print sum + 0 }'
}

ticks_ms() {
	echo "$(($1 * 1000 / $(getconf CLK_TCK)))"
}

# exact_ms PID...: of processes with one thread, whose time the scheduler counts in nanoseconds. What
# they have reaped is not in it.
exact_ms() {
	local pid
	for pid; do
		cat "/proc/$pid/schedstat"
	done | awk '{ sum += $1 } END { printf "%.1f\n", sum / 1e6 }'
}

# The agent's, as itself tells it (GetMetrics); empty where it cannot be asked.
agent_cpu_ms() {
	local socket
	socket=/run/kata/$(container_of kata)/vsock.sock
	[[ -S $socket ]] || return 0
	timeout 30 "$agent_ctl_program" --server-address "hvsock://$socket:1024" \
		--timeout 20s --json GetMetrics |
		jq -r '.metrics' | awk '$1 == "kata_agent_total_time" { printf "%d\n", $2 * 1000 }'
}

# add_cpu_times SHIM: one value more to each list of $cpu, which belongs to the caller.
add_cpu_times() {
	local pid name
	local -a tree
	cpu["shim"]+="$(exact_ms "$1") "
	cpu["shim, its jobs"]+="$(ticks_ms "$(cpu_ticks 14,15 "$1")") "
	for pid in $(pgrep -P "$1"); do
		name=$(< "/proc/$pid/comm")
		mapfile -t tree < <(tree_of "$pid")
		case $name in
		vsockd*) cpu[$name]+="$(exact_ms "${tree[@]}") " ;;
		*) cpu[$name]+="$(ticks_ms "$(cpu_ticks 12,13,14,15 "${tree[@]}")") " ;;
		esac
	done
	cpu["agent, in the guest"]+="$(agent_cpu_ms) "
}

cpu_remark() {
	case $1 in
	shim | vsockd*) ;;
	*) echo "in steps of $(ticks_ms 1), less is 0" ;;
	esac
}

# From the daemon's start to the answer of Start. `containerd-shim-kata-v2 start`, which leaves the daemon, is not in it.
measure_cpu() {
	local n name
	local -A cpu=()
	need_containerd
	for ((n = 0; n < bench_runs; n++)); do
		start_pod kata
		add_cpu_times "$(shim_of kata)"
		remove_pod kata
	done
	while read -r name; do
		if [[ -z ${cpu[$name]// /} ]]; then
			not_here "processor time, create to running: $name" "no address of the agent"
			continue
		fi
		# shellcheck disable=SC2086  # words
		show_runs "processor time to running: $name" ms "$(cpu_remark "$name")" ${cpu[$name]}
	done < <(printf '%s\n' "${!cpu[@]}" | sort)
}
