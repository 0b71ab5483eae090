# SPDX-License-Identifier: Apache-2.0
# Pods and their containers, as the kubelet has them made and unmade.

load lib

@test "a pod of one container: its log, its status, its end" {
	run_sandbox
	local c
	c=$(container a '{}' sh -c 'echo out; echo err >&2; sleep 100000')
	[ "$(status_of "$c" state)" = CONTAINER_RUNNING ]
	run -0 exec_sync "$c" hostname
	[ "$output" = "$id" ]
	run -7 exec_sync "$c" sh -c 'exit 7'
	grep -q 'stdout F out$' "$tmp/logs/a.log"
	grep -q 'stderr F err$' "$tmp/logs/a.log"
	stop_container "$c"
	[ "$(status_of "$c" state)" = CONTAINER_EXITED ]
	[ "$(status_of "$c" exit_code)" = 137 ]
	remove_container "$c"
}

@test "five containers share the machine, and one of them is made again" {
	run_sandbox
	local -a all=()
	local n c
	for n in 1 2 3 4 5; do
		all+=("$(container "c$n" '{}' sleep 100000)")
	done
	for c in "${all[@]}"; do
		exec_sync "$c" cat /proc/sys/kernel/random/boot_id
	done | sort -u | { run -0 wc -l; [ "$output" -eq 1 ]; }
	stop_container "${all[2]}"
	remove_container "${all[2]}"
	c=$(container c3 '{"metadata": {"attempt": 1}}' sh -c 'echo again; sleep 100000')
	run -0 exec_sync "$c" echo works
	run -0 exec_sync "${all[0]}" echo works
}

@test "the pod's address answers, and the host's from the pod" {
	run_sandbox
	local c ip
	c=$(container a '{}' sh -c 'while :; do echo hello | nc -l -p 8080; done')
	ip=$(pod_ip)
	[[ $ip == 10.213.0.* ]]
	run -0 busybox ping -c 1 -W 10 "$ip"
	run -0 exec_sync "$c" ping -c 1 -W 10 10.213.0.1
	run -0 exec_sync "$c" ip -4 addr show eth0
	[[ $output == *"$ip/24"* ]]
	run -0 busybox nc -w 10 "$ip" 8080
	[ "$output" = hello ]
}

@test "a container that ends by itself tells its status" {
	run_sandbox
	local c
	c=$(container a '{}' sh -c 'exit 42')
	until [[ $(status_of "$c" state) == CONTAINER_EXITED ]]; do sleep 0.1; done
	[ "$(status_of "$c" exit_code)" = 42 ]
}

@test "resources, user and environment arrive" {
	run_sandbox
	local c
	c=$(container a '{"envs": [{"key": "A", "value": "b c"}], "working_dir": "/tmp",
		"linux": {"resources": {"memory_limit_in_bytes": 67108864},
			"security_context": {"run_as_user": {"value": 1000}, "run_as_group": {"value": 1001}}}}' \
		sleep 100000)
	run -0 exec_sync "$c" sh -c 'echo $A $PWD $(id -u) $(id -g)'
	[ "$output" = "b c /tmp 1000 1001" ]
	run -0 cri ContainerStats "{\"container_id\": \"$c\"}"
	[ "$(jq -r .stats.memory.working_set_bytes.value <<< "$output")" -gt 0 ]
}

@test "volumes: a directory, read-only, and a file" {
	mkdir "$tmp/volume"
	echo content > "$tmp/volume/file"
	run_sandbox
	local c
	c=$(container a "$(jq -n --arg v "$tmp/volume" '{mounts: [{container_path: "/rw", host_path: $v},
		{container_path: "/ro", host_path: $v, readonly: true},
		{container_path: "/etc/one", host_path: ($v + "/file")}]}')" sleep 100000)
	run -0 exec_sync "$c" cat /rw/file /ro/file /etc/one
	[ "$output" = $'content\ncontent\ncontent' ]
	run -0 exec_sync "$c" sh -c 'echo new > /rw/new'
	[ "$(cat "$tmp/volume/new")" = new ]
	run ! exec_sync "$c" sh -c 'echo new > /ro/other'
}

@test "an annotation of the pod sizes its machine, where it is enabled" {
	sed -i 's/^machine_type.*/&\nenable_annotations = ["default_vcpus"]/' "$KATA_CONF_FILE"
	run_sandbox '{"annotations": {"io.katacontainers.config.hypervisor.default_vcpus": "2"}}'
	local c
	c=$(container a '{}' sleep 100000)
	run -0 exec_sync "$c" grep -c ^processor /proc/cpuinfo
	[[ $output == 2 || $handler == runc ]]
}

@test "a shim that is killed takes its pod with it, and nothing else" {
	run_sandbox
	local c first=$pod
	c=$(container a '{}' sleep 100000)
	id=$id-other run_sandbox
	kill -KILL "$(id=$first shim_pid)"
	until [[ $(status_of "$c" state) == CONTAINER_EXITED ]]; do sleep 0.1; done
	remove_sandbox "$first"
	c=$(container b '{}' sleep 100000)
	run -0 exec_sync "$c" echo works
}
