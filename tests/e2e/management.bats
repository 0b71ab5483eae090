# SPDX-License-Identifier: Apache-2.0
# The endpoint of each shim that kata-ctl, kata-monitor and CSI drivers ask.

load lib
kihon_file=1

ask() {
	"$top/tests/tools/unix-http" "/run/kata/$id/shim-monitor.sock" "$@"
}

@test "the management endpoint tells of the pod, and goes with it" {
	start_sleeper
	[ "$(stat -c %a "/run/kata/$id/shim-monitor.sock")" = 600 ]
	run -0 ask GET /agent-url
	[[ $output =~ ^(vsock://[0-9]+|hvsock:///run/kata/$id/.*):1024$ ]]
	run -0 ask GET /metrics
	local name
	for name in kata_shim_threads kata_hypervisor_fds kata_agent_threads kata_guest_meminfo; do
		[[ $output == *$'\n'$name* ]] || { echo "no $name in: $output"; return 1; }
	done
	run -0 ask GET /direct-volume/stats?path=%2Frun
	[ "$(jq -c '[.usage[].unit] | sort' <<< "$output")" = '[1,2]' ]
	run -1 ask GET /direct-volume/stats?path=%2Fnowhere
	[[ $output == *nowhere*500* ]]
	run -1 ask GET /iptables
	[[ $output == *iptables*500* ]]
	run -1 ask GET /debug/vars
	[[ $output == *"URL NOT FOUND"*404* ]]
	ctr task rm --force "$id"
	[ ! -e "/run/kata/$id/shim-monitor.sock" ]
}
