# SPDX-License-Identifier: Apache-2.0
# kata-agent-ctl against the agent of a pod, over the vsock that the shim uses too.

kihon_file=1
load lib

# Where the agent of the pod $id listens: behind vsockd's socket, or the kernel's vhost-vsock.
agent_address() {
	local socket=/run/kata/$id/vsock.sock pid
	if [[ -S $socket ]]; then
		echo "hvsock://$socket:1024"
		return
	fi
	pid=$(pgrep -f -- "-name sandbox-$id ")
	tr '\0' '\n' < "/proc/$pid/cmdline" | sed -n 's|.*guest-cid=\([0-9]*\).*|vsock://\1:1024|p'
}

agent_ctl() {
	timeout 30 "$build/host/src/tools/kata-agent-ctl" --server-address "$address" --timeout 20s "$@"
}

@test "kata-agent-ctl looks into a running pod" {
	start_sleeper
	address=$(agent_address)
	run -0 agent_ctl Check
	[ "$output" = $'Check:\n  status: SERVING' ]
	run -0 --separate-stderr agent_ctl --json GetGuestDetails
	[[ $output == *'"init_daemon":true'* ]]
	run -0 --separate-stderr agent_ctl --json StatsContainer cid="$id"
	[[ $output == '{"cgroup_stats":{"cpu_stats":{'* ]]
	run -0 agent_ctl connect -c "ExecProcess cid=$id exec_id=by-hand \
		process='{\"args\":[\"sh\",\"-c\",\"hostname; exit 5\"],\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],\"user\":{}}'" \
		-c 'ReadStdout eid=by-hand len=100' -c 'WaitProcess eid=by-hand'
	[[ $output == *$'\n  status: 5' ]]
	run -4 agent_ctl exec cid="$id" -- sh -c 'read -r line; echo "got $line"; exit 4' <<< typed
	[[ $output == "got typed" ]]
	run -1 agent_ctl StartContainer cid=nobody
	[[ $output == 'kata-agent-ctl: StartContainer: '* ]]
	ctr task kill -s SIGKILL "$id"
}

@test "kata-agent-ctl sets the clock of a guest" {
	start_sleeper
	address=$(agent_address)
	run -0 agent_ctl SetGuestDateTime Sec=1000000000 Usec=999999
	run -0 agent_ctl connect -c "ExecProcess cid=$id exec_id=clock \
		process='{\"args\":[\"sh\",\"-c\",\"[ \$(date +%s) -ge 1000000000 ] && [ \$(date +%s) -lt 1000003600 ]\"],\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],\"user\":{}}'" \
		-c 'WaitProcess eid=clock'
	[[ $output == *$'\n  status: 0' ]]
	run -1 agent_ctl SetGuestDateTime Sec=1000000000 Usec=1000000
	ctr task kill -s SIGKILL "$id"
}
