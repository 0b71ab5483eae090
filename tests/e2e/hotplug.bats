# SPDX-License-Identifier: Apache-2.0
# Processors and memory that are plugged into a running guest. The shim does not do that yet: QEMU is
# run through a script that leaves room for them and a monitor of its own, and the agent is told by
# kata-agent-ctl.

kihon_file=1
load lib

setup() {
	kihon_only
	playground_environment
	id=$playground_name-$BATS_SUITE_TEST_NUMBER
	tmp=$BATS_TEST_TMPDIR
	cp "$KATA_CONF_FILE" "$tmp/configuration.saved"
	save_machine "$tmp/before"
	leave_room
}

leave_room() {
	local qemu
	qemu=$(sed -n 's/^path = "\(.*qemu.*\)"$/\1/p' "$KATA_CONF_FILE")
	[[ -x $qemu ]]
	mkfifo "$tmp/monitor.in" "$tmp/monitor.out"
	cat > "$tmp/qemu-system-roomy" <<- END
		#!/bin/bash
		args=(-chardev pipe,id=monitor,path=$tmp/monitor -mon chardev=monitor,mode=readline)
		while ((\$#)); do
			case \$1 in
			-smp) args+=(-smp 1,sockets=2,cores=1,threads=1,maxcpus=2); shift ;;
			-m) args+=(-m "\$2,slots=2,maxmem=8G"); shift ;;
			*) args+=("\$1") ;;
			esac
			shift
		done
		exec $qemu "\${args[@]}"
	END
	chmod +x "$tmp/qemu-system-roomy"
	# And a kernel that leaves it to the agent to switch memory on.
	sed -i -e "s|^path = \"$qemu\"|path = \"$tmp/qemu-system-roomy\"|" \
		-e 's|^machine_type.*|&\nkernel_params = "memhp_default_state=offline"|' "$KATA_CONF_FILE"
}

monitor() {
	timeout 10 bash -c 'echo "$1" > "$2"' bash "$1" "$tmp/monitor.in"
}

agent_ctl() {
	timeout $((60 * patience)) "$build/host/src/tools/kata-agent-ctl" \
		--server-address "hvsock:///run/kata/$id/vsock.sock:1024" --timeout 50s "$@"
}

in_guest() {
	exec_in "e$((++n_execs))" sh -c "$1"
}

@test "a processor and memory that are plugged in are put to use" {
	local before after cpu=max-x86_64-cpu
	n_execs=0
	start_sleeper
	[[ -S /run/kata/$id/vsock.sock ]] || skip "the agent is reached by the kernel's vhost-vsock"
	[[ $(in_guest 'grep -c ^processor /proc/cpuinfo') == 1 ]]
	run -1 agent_ctl OnlineCPUMem nb_cpus=2 cpu_only=true
	[[ $output == *"1 of 2 processors are online"* ]]
	[[ ! -e /dev/kvm ]] || ! grep -qa -- "-cpu.host" "/proc/$(helper_pid qemu-system)/cmdline" || cpu=host-x86_64-cpu

	# Asked first: the agent waits for the kernel's event.
	agent_ctl OnlineCPUMem nb_cpus=2 cpu_only=true 3>&- > "$tmp/answer" 2>&1 &
	monitor "device_add $cpu,id=cpu1,socket-id=1,core-id=0,thread-id=0"
	wait $! || { cat "$tmp/answer"; false; }
	[[ $(in_guest 'grep -c ^processor /proc/cpuinfo') == 2 ]]

	[[ $(in_guest 'cat /sys/devices/system/memory/auto_online_blocks') == offline ]]
	before=$(in_guest 'grep MemTotal /proc/meminfo')
	monitor "object_add memory-backend-memfd,id=more,size=512M,share=on"
	monitor "device_add pc-dimm,id=dimm1,memdev=more"
	# The agent is told once the guest has it; until then it finds nothing to switch on.
	for ((i = 0; i < 50 * patience; i++)); do
		agent_ctl OnlineCPUMem nb_cpus=0
		after=$(in_guest 'grep MemTotal /proc/meminfo')
		[[ $after == "$before" ]] || break
	done
	echo "$before, then $after"
	(($(tr -dc 0-9 <<< "$after") - $(tr -dc 0-9 <<< "$before") > 400000))
	ctr task kill -s SIGKILL "$id"
}
