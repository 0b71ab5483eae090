# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154  # shared with the script that sources it
# What tools/bench measures of the agent alone: the guest's own binary as a service on this machine (no
# container can see the guest's PID 1), with kata-agent-ctl as its client. Needs bench.sh and build.sh.

agent_pid=
agent_directory=
agent_ctl_program=$build/host/src/tools/kata-agent-ctl

start_agent() {
	agent_directory=$(mktemp -d)
	export KATA_AGENT_SERVER_ADDR=unix://$agent_directory/agent.sock
	KIHON_AGENT_RUN_DIR=$agent_directory/run "$build/guest/kata-agent.stripped" \
		> "$agent_directory/log" 2>&1 &
	agent_pid=$!
	# It says so when it listens, which ends tail.
	timeout 10 tail -n +1 -f --pid="$agent_pid" "$agent_directory/log" |
		grep -q -m 1 "ttRPC server started" || true
	kill -0 "$agent_pid" || die "the agent did not start: $(< "$agent_directory/log")"
}

stop_agent() {
	[[ -n $agent_pid ]] || return 0
	kill "$agent_pid" 2> /dev/null || true
	wait "$agent_pid" 2> /dev/null || true
	rm -rf "$agent_directory"
	agent_pid=
}

agent_ctl() {
	timeout 120 "$agent_ctl_program" connect --quiet --bundle-dir "$agent_directory/bundle" "$@"
}

# write_bundle ARGUMENT...: runc's own default but for the network, which the containers of a pod share,
# and the terminal.
write_bundle() {
	local bundle=$agent_directory/bundle tool
	mkdir -p "$bundle/rootfs/bin"
	cp "$(type -P busybox)" "$bundle/rootfs/bin/busybox"
	for tool in sh true sleep dd; do
		ln -s busybox "$bundle/rootfs/bin/$tool"
	done
	runc spec --bundle "$bundle"
	jq '.process.args = $ARGS.positional | .process.terminal = false | del(.process.rlimits) |
		.linux.namespaces |= map(select(.type != "network"))' \
		"$bundle/config.json" --args "$@" > "$bundle/config.new"
	mv "$bundle/config.new" "$bundle/config.json"
}

measure_agent_memory() {
	local process='{"args":["sleep","100000"],"cwd":"/","env":["PATH=/bin"],"user":{}}' n
	local -a execs=()
	start_agent
	write_bundle sleep 100000
	show "agent at rest, RssAnon" "$(rss_anon_kib "$agent_pid")" KiB "goal: < 100"
	agent_ctl -c CreateSandbox -c "CreateContainer cid=one" -c "StartContainer cid=one"
	show "agent with one container, RssAnon" "$(rss_anon_kib "$agent_pid")" KiB
	for n in {1..50}; do
		execs+=(-c "ExecProcess cid=one exec_id=e$n process='$process'")
	done
	agent_ctl "${execs[@]}"
	show "agent with 50 execs, RssAnon" "$(rss_anon_kib "$agent_pid")" KiB "their children not counted"
	agent_ctl -c "SignalProcess cid=one signal=kill" -c "WaitProcess cid=one" -c "RemoveContainer cid=one"
	show "agent after them, RssAnon" "$(rss_anon_kib "$agent_pid")" KiB
	measure_hundred_containers
	stop_agent
}

# One after another, and then all at once.
measure_hundred_containers() {
	local n
	local -a calls=() starts=() ends=()
	for n in {1..100}; do
		starts+=(-c "CreateContainer cid=h$n" -c "StartContainer cid=h$n")
		ends+=(-c "SignalProcess cid=h$n signal=kill" -c "WaitProcess cid=h$n" -c "RemoveContainer cid=h$n")
		calls+=("${starts[@]: -4}" "${ends[@]: -6}")
	done
	agent_ctl "${calls[@]}"
	show "agent after 100 containers, RssAnon" "$(rss_anon_kib "$agent_pid")" KiB "one after another; goal: < 100"
	agent_ctl "${starts[@]}"
	show "agent with 100 containers, RssAnon" "$(rss_anon_kib "$agent_pid")" KiB
	agent_ctl "${ends[@]}"
	show "agent after 100 at once, RssAnon" "$(rss_anon_kib "$agent_pid")" KiB
}

# As a program, on this machine: an address, a log and a loop, and no guest to set up.
measure_agent_start() {
	local cpu_ms wall_ms
	local -a cpu=() wall=()
	while read -r cpu_ms wall_ms; do
		cpu+=("$cpu_ms")
		wall+=("$wall_ms")
	done < <("$build/host/tests/bench/bench_agent_start" "$build/guest/kata-agent.stripped" "$((bench_runs * 4))")
	((${#cpu[@]})) || die "no agent has answered"
	show_runs "agent, execve to the first Check, processor" ms "getrusage; goal: < 5" "${cpu[@]}"
	show_runs "agent, execve to the first Check, time" ms "seen by its client" "${wall[@]}"
}

# MB/s of 100 MiB, read as the shim does: 64 KiB at a time, one request after the other.
agent_stdout() {
	local ms
	agent_ctl -c "CreateContainer cid=$1" -c "StartContainer cid=$1"
	ms=$(took_ms agent_ctl -c "repeat 1600" -c "ReadStdout cid=$1 len=65536")
	# A read that got less would have left something: what comes now has to be the end.
	"$agent_ctl_program" --json ReadStdout "cid=$1" len=1 | jq -e '.data == ""' > /dev/null ||
		die "a read of stdout was short"
	agent_ctl -c "WaitProcess cid=$1" -c "RemoveContainer cid=$1"
	awk -v ms="$ms" 'BEGIN { printf "%.1f\n", 104857.6 / ms }'
}

runc_stdout() {
	runc run --bundle "$agent_directory/bundle" "bench-$$" < /dev/null |
		"$top/tools/lib/pipe-rate" 104857600
}

# The agent's part of the way that `stdout` measures, without shim and emulator.
measure_agent_stdout() {
	local n
	local -a agent=() runc=()
	start_agent
	write_bundle dd if=/dev/zero bs=64k count=1600 status=none
	agent_ctl -c CreateSandbox
	for ((n = 0; n < bench_runs; n++)); do
		agent+=("$(agent_stdout "out$n")")
		runc+=("$(runc_stdout)")
	done
	stop_agent
	show_runs "stdout through the agent, 100 MiB" MB/s "by kata-agent-ctl" "${agent[@]}"
	show_runs "the same by runc, a bare pipe" MB/s "nobody in between" "${runc[@]}"
	show_ratio "agent's stdout against a bare pipe" "${agent[*]}" "${runc[*]}" "more is better"
}

# How many containers one run makes; a run is so long that the start of a client is lost in it.
lifecycle_count=20

agent_lifecycle() {
	local n
	local -a calls=()
	for ((n = 0; n < lifecycle_count; n++)); do
		calls+=(-c "CreateContainer cid=b$n" -c "StartContainer cid=b$n" -c "WaitProcess cid=b$n"
			-c "RemoveContainer cid=b$n")
	done
	agent_ctl "${calls[@]}"
}

# program_lifecycle PROGRAM: `run` creates, starts, waits and deletes.
program_lifecycle() {
	local n
	for ((n = 0; n < lifecycle_count; n++)); do
		"$1" run --bundle "$agent_directory/bundle" "bench-$$-$n" < /dev/null
	done
}

# In milliseconds for one container.
each_ms() {
	local ms
	ms=$(took_ms "$@") && awk -v ms="$ms" -v n="$lifecycle_count" 'BEGIN { printf "%.2f\n", ms / n }'
}

# crun 1.8 wants cgroup v2 alone, which the lab has.
crun_works() {
	type -P crun > /dev/null &&
		crun run --bundle "$agent_directory/bundle" "bench-$$" < /dev/null > /dev/null 2>&1
}

# One container's create, start, wait and delete of `true`, from the same bundle on the same machine. The
# agent's figure has kata-agent-ctl's reading of config.json and five messages each way in it, and no start
# of a program but the container's; that of the others has the start of the program, once for each.
measure_lifecycle() {
	local program n
	local -a programs=(runc)
	local -A times=()
	start_agent
	write_bundle true
	agent_ctl -c CreateSandbox
	if crun_works; then programs+=(crun); fi
	for ((n = 0; n < bench_runs; n++)); do
		times[agent]+="$(each_ms agent_lifecycle) "
		for program in "${programs[@]}"; do
			times[$program]+="$(each_ms program_lifecycle "$program") "
		done
	done
	stop_agent
	# shellcheck disable=SC2086  # words
	show_runs "agent, create+start+wait+delete" ms "$lifecycle_count containers each, one connection" ${times[agent]}
	for program in "${programs[@]}"; do
		# shellcheck disable=SC2086
		show_runs "$program run" ms "$lifecycle_count containers each, a process each" ${times[$program]}
		show_ratio "agent against $program" "${times[agent]}" "${times[$program]}" "goal: < 1 beside crun"
	done
	[[ -n ${times[crun]:-} ]] ||
		not_here "agent against crun" "crun does not run here; tests/lab/run -w $build -- $top/tools/bench --built lifecycle"
}
