# SPDX-License-Identifier: Apache-2.0
# kata-agent.service under systemd, as a guest image with systemd has it, and containers that are scopes.
# In the lab VM: tests/lab/run -s -w BUILD -- tests/lab/e2e TAP_FILE tests/lab/systemd.bats

bats_require_minimum_version 1.5.0
top=$(realpath "$BATS_TEST_DIRNAME/../..")
build=${KIHON_BUILD:-$top/build}
slice=kihon-test.slice
# What a slice's name says: it lives in kihon.slice.
slice_directory=/sys/fs/cgroup/kihon.slice/$slice
units=/run/systemd/system
socket=/run/kihon-agent.sock

setup_file() {
	[[ -d /run/systemd/system && $(stat -f -c %T /sys/fs/cgroup) == cgroup2fs ]] ||
		skip "systemd is not this machine's init, or cgroup v2 not its only one; tests/lab/run -s"
	grep -qw lab_systemd /proc/cmdline || skip "units are installed in the lab VM only"
	install -m 755 "${KIHON_AGENT:-$build/guest/kata-agent.stripped}" \
		"$(sed -n 's/^ExecStart=//p' "$build/host/src/agent/kata-agent.service")"
	install -m 644 "$build/host/src/agent/kata-agent.service" "$top/src/agent/kata-containers.target" $units/
	mkdir -p $units/kata-agent.service.d
	# Emulated processors take their time.
	echo 'launch_process_timeout = 60' > /run/kihon-agent.toml
	# Its end is not to be the machine's.
	cat > $units/kata-agent.service.d/test.conf <<-END
	[Unit]
	FailureAction=none
	[Service]
	ExecStart=
	ExecStart=$(sed -n 's/^ExecStart=//p' "$build/host/src/agent/kata-agent.service") --config /run/kihon-agent.toml
	ExecStop=
	StandardOutput=journal
	Environment=KATA_AGENT_SERVER_ADDR=unix://$socket
	END
	systemctl daemon-reload
	systemctl start kata-agent.service
	make_bundle
	agent -c CreateSandbox
}

make_bundle() {
	local tool
	mkdir -p "$BATS_FILE_TMPDIR/bundle/rootfs/bin"
	cp "$(type -P busybox)" "$BATS_FILE_TMPDIR/bundle/rootfs/bin/busybox"
	for tool in sh sleep true cat head mknod tail; do
		ln -s busybox "$BATS_FILE_TMPDIR/bundle/rootfs/bin/$tool"
	done
}

teardown_file() {
	systemctl stop kata-agent.service
}

# agent -c COMMAND...
agent() {
	timeout 60 "$build/host/src/tools/kata-agent-ctl" connect --quiet --server-address "${address:-unix://$socket}" \
		"$@"
}

# create ID RESOURCES ARGUMENT...: a container of the scope kata-ID.
create() {
	local id=$1 resources=$2 config=$BATS_TEST_TMPDIR/$1.json
	shift 2
	jq -n --arg path "${cgroups_path:-$slice:kata:$id}" --arg root "$BATS_FILE_TMPDIR/bundle/rootfs" \
		--argjson resources "$resources" '{
			ociVersion: "1.0.2", root: {path: $root},
			process: {args: $ARGS.positional, cwd: "/", env: ["PATH=/bin"], user: {uid: 0, gid: 0}},
			mounts: [{destination: "/proc", type: "proc", source: "proc"}],
			linux: {cgroupsPath: $path, resources: $resources,
				namespaces: [{type: "mount"}, {type: "cgroup"}]}}' --args "$@" > "$config"
	agent -c "CreateContainer cid=$id spec=$config"
}

run_container() {
	create "$@"
	agent -c "StartContainer cid=$1"
}

remove() {
	agent -c "RemoveContainer cid=$1"
}

property() {
	systemctl show --value -p "$2" "kata-$1.scope"
}

file_of() {
	cat "$slice_directory/kata-$1.scope/$2"
}

# The units and directories of one container, or of all.
assert_nothing_left() {
	run -0 systemctl list-units --all --plain --no-legend "kata-${1:-*}.scope"
	[ "$output" = "" ]
	run -0 find /sys/fs/cgroup -name "kata-${1:-*}.scope"
	[ "$output" = "" ]
	[ -n "${1:-}" ] || [ -z "$(ls -A /run/kata-containers 2> /dev/null)" ]
}

# exec_in ID SCRIPT: what it writes.
exec_in() {
	local process
	process=$(jq -cn --arg script "$2" '{args: ["sh", "-c", $script], cwd: "/", env: ["PATH=/bin"],
		user: {uid: 0, gid: 0}, capabilities: {bounding: ["CAP_MKNOD"], permitted: ["CAP_MKNOD"],
		effective: ["CAP_MKNOD"]}}')
	timeout 60 "$build/host/src/tools/kata-agent-ctl" connect --json --server-address "unix://$socket" \
		-c "ExecProcess json://{\"container_id\":\"$1\",\"exec_id\":\"e\",\"process\":$process}" \
		-c "ReadStdout cid=$1 eid=e len=4096" -c "WaitProcess cid=$1 eid=e" |
		jq -r 'select(.data) | .data | @base64d'
}

@test "the service answers" {
	[ "$(systemctl is-active kata-agent.service)" = active ]
	agent -c Check
	run -0 "$build/host/src/tools/kata-agent-ctl" --server-address "unix://$socket" --json GetGuestDetails
	[[ $output != *'"init_daemon":true'* ]]
}

@test "a container is a scope with its limits, which outlive a reload of systemd" {
	run_container c1 '{"memory": {"limit": 67108864, "swap": 67108864}, "pids": {"limit": 20},
		"cpu": {"shares": 512, "quota": 25000, "period": 50000, "cpus": "0"}}' sleep 1000
	[ "$(property c1 ControlGroup)" = "/kihon.slice/$slice/kata-c1.scope" ]
	[ "$(property c1 Delegate)" = yes ]
	systemctl daemon-reload
	[ "$(property c1 MemoryMax)" = 67108864 ]
	[ "$(file_of c1 memory.max)" = 67108864 ]
	[ "$(file_of c1 pids.max)" = 20 ]
	[ "$(file_of c1 cpu.max)" = "25000 50000" ]
	[ "$(file_of c1 cpu.weight)" = 20 ]
	[ "$(file_of c1 cpuset.cpus)" = 0 ]
	# Only the container's own process is left in it.
	[ "$(file_of c1 cgroup.procs | wc -l)" = 1 ]
	[ "$(exec_in c1 'cat /proc/self/cgroup')" = 0::/ ]
	remove c1
	assert_nothing_left c1
}

@test "limits change while it runs, in systemd and in the cgroup" {
	run_container c2 '{"memory": {"limit": 67108864}}' sleep 1000
	agent -c 'UpdateContainer json://{"container_id": "c2", "resources":
		{"memory": {"limit": 33554432}, "pids": {"limit": 7}, "cpu": {"quota": 20000}}}'
	[ "$(property c2 MemoryMax)" = 33554432 ]
	[ "$(property c2 TasksMax)" = 7 ]
	systemctl daemon-reload
	[ "$(file_of c2 memory.max)" = 33554432 ]
	[ "$(file_of c2 pids.max)" = 7 ]
	[ "$(file_of c2 cpu.max)" = "20000 100000" ]
	run -0 agent -c 'PauseContainer cid=c2' -c 'ResumeContainer cid=c2' -c 'StatsContainer cid=c2'
	remove c2
	assert_nothing_left c2
}

@test "a limit of one task is enough for one" {
	run_container c3 '{"pids": {"limit": 1}}' sleep 1000
	[ "$(file_of c3 pids.max)" = 1 ]
	[ "$(file_of c3 pids.current)" = 1 ]
	run ! agent -c "ExecProcess cid=c3 eid=e process='{\"args\":[\"true\"],\"cwd\":\"/\",\"user\":{}}'"
	remove c3
	assert_nothing_left c3
}

@test "devices are limited" {
	run_container c4 '{}' sleep 1000
	[ "$(exec_in c4 'mknod /x c 240 7; head -c 1 /x 2>&1; rm -f /x')" = "head: /x: Operation not permitted" ]
	remove c4
}

@test "its end is told and its scope goes by itself" {
	run_container c5 '{}' true
	agent -c "WaitProcess cid=c5"
	timeout 20 bash -c "while [[ -d $slice_directory/kata-c5.scope ]]; do sleep 0.1; done"
	remove c5
	assert_nothing_left c5
	# And again by the same name.
	run_container c5 '{}' sleep 1000
	remove c5
	assert_nothing_left c5
}

@test "running out of memory is told" {
	run_container c6 '{"memory": {"limit": 8388608, "swap": 8388608}}' tail /dev/zero
	run -0 agent -c "WaitProcess cid=c6" -c GetOOMEvent
	remove c6
	assert_nothing_left c6
}

@test "what fails leaves nothing" {
	run ! create c7 '{}' /no/such/program
	assert_nothing_left c7
	run ! create c7 '{"cpu": {"mems": "77"}}' sleep 1000
	assert_nothing_left c7
	create c7 '{}' sleep 1000
	cgroups_path=$slice:kata:c7 run ! create c8 '{}' sleep 1000
	remove c7
	assert_nothing_left c7
	cgroups_path=system:kata:c8 run ! create c8 '{}' sleep 1000
	[[ $output == *'not the name of a slice'* ]]
}

@test "a unit of somebody else's is not taken over, nor stopped" {
	systemd-run --quiet --slice $slice --unit kata-c9.scope --scope sleep 1000 3>&- &
	timeout 20 bash -c "until [[ -d $slice_directory/kata-c9.scope ]]; do sleep 0.1; done"
	run ! create c9 '{}' sleep 1000
	[[ $output == *kata-c9.scope* ]]
	[ "$(systemctl is-active kata-c9.scope)" = active ]
	systemctl stop kata-c9.scope
	assert_nothing_left c9
}

@test "stopping the service ends its containers and leaves nothing" {
	run_container c10 '{}' sleep 1000
	create c11 '{}' sleep 1000
	systemctl stop kata-agent.service
	[ "$(systemctl show --value -p Result kata-agent.service)" = success ]
	assert_nothing_left
	run -0 findmnt --noheadings --output TARGET --raw
	[[ $output != */run/kata-containers* ]]
	# By the address that it has without the test's: vsock, which this kernel has a loopback for.
	sed -i '/^Environment/d' $units/kata-agent.service.d/test.conf
	systemctl daemon-reload
	systemctl start kata-agent.service
	address=vsock://1:1024 agent -c Check
}
