# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154  # shared with the tests that load it
# Pods as the kubelet makes them: containerd's CRI plugin, real CNI plugins, and `cri` in the kubelet's place.
# E2E_HANDLER=runc runs the tests against runc, which shows that they ask for the right thing.
export KIHON_PLAYGROUND=${KIHON_PLAYGROUND:-cri}
source "${BASH_SOURCE[0]%/*}/../lib.bash"
handler=${E2E_HANDLER:-kata}
pause_image=localhost/pause:latest
cri_dir=${BASH_SOURCE[0]%/*}
cni_dir=$playground_run/cni
export CRI_PB2=$playground_run/pb2
# Pods get addresses of 10.213.0.0/24.
bridge=kihon-cri0

# The playground's own, with the CRI plugin in place of nothing.
playground_write_containerd_configuration() {
	cat <<-END
	version = 2
	root = "$playground_dir/root"
	state = "$playground_run/state"
	disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs",
		"io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
		"io.containerd.snapshotter.v1.zfs"]
	[grpc]
	address = "$playground_socket"
	[plugins."io.containerd.grpc.v1.cri"]
	sandbox_image = "$pause_image"
	# Without CAP_SYS_RESOURCE a process cannot be made harder to kill.
	restrict_oom_score_adj = true
	stream_server_address = "127.0.0.1"
	[plugins."io.containerd.grpc.v1.cri".cni]
	bin_dir = "/usr/lib/cni"
	conf_dir = "$cni_dir"
	[plugins."io.containerd.grpc.v1.cri".containerd]
	snapshotter = "native"
	[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
	runtime_type = "io.containerd.runc.v2"
	[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]
	runtime_type = "io.containerd.kata.v2"
	privileged_without_host_devices = true
	pod_annotations = ["io.katacontainers.*"]
	END
}

write_cni_configuration() {
	mkdir -p "$cni_dir"
	cat > "$cni_dir/10-bridge.conflist" <<-END
	{"cniVersion": "0.4.0", "name": "kihon-cri", "plugins": [
		{"type": "bridge", "bridge": "$bridge", "isGateway": true, "hairpinMode": true,
			"ipam": {"type": "host-local", "dataDir": "$playground_run/ipam",
				"ranges": [[{"subnet": "10.213.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}
	]}
	END
}

import_pause() {
	local tar=$playground_dir/pause.tar
	"$top/tools/lib/make-image" "$(type -P busybox)" "$tar" "$pause_image" sleep 1000000
	ctr -n k8s.io images import --snapshotter native "$tar" > /dev/null
	ctr -n k8s.io images import --snapshotter native "$playground_dir/busybox.tar" > /dev/null
}

cri() {
	"$cri_dir/cri" "$playground_socket" "$@"
}

# pod_config [JSON]: of $id; JSON is laid over it.
pod_config() {
	jq -n --arg id "$id" --arg logs "$tmp/logs" --argjson more "${1:-{\}}" \
		'{metadata: {name: $id, uid: $id, namespace: "default"}, hostname: $id, log_directory: $logs} * $more'
}

# run_sandbox [JSON]: a pod, $pod is its id; JSON is laid over its configuration.
run_sandbox() {
	mkdir -p "$tmp/logs"
	pod_json=$(pod_config "$@")
	pod=$(cri RunPodSandbox "$(jq -n --argjson config "$pod_json" --arg handler "$handler" \
		'{config: $config, runtime_handler: $handler}')" | jq -r .pod_sandbox_id)
	[[ -n $pod ]]
}

# create NAME JSON [COMMAND...]: prints the container's id.
create() {
	local name=$1 more=$2
	shift 2
	cri CreateContainer "$(jq -n --arg pod "$pod" --arg name "$name" --arg image "$image" \
		--argjson pod_config "$pod_json" --argjson more "$more" \
		'{pod_sandbox_id: $pod, sandbox_config: $pod_config, config: ({metadata: {name: $name},
			image: {image: $image}, command: $ARGS.positional, log_path: ($name + ".log")} * $more)}' \
		--args -- "$@")" | jq -r .container_id
}

start() {
	cri StartContainer "{\"container_id\": \"$1\"}" > /dev/null
}

# container NAME JSON [COMMAND...]: created and started; prints its id.
container() {
	local made
	made=$(create "$@")
	[[ -n $made ]] && start "$made" && echo "$made"
}

# exec_sync CONTAINER COMMAND...
exec_sync() {
	cri ExecSync "$(jq -n --arg id "$1" '{container_id: $id, cmd: $ARGS.positional, timeout: 60}' --args -- "${@:2}")"
}

# status_of CONTAINER FIELD
status_of() {
	cri ContainerStatus "{\"container_id\": \"$1\"}" | jq -r ".status.$2"
}

stop_container() {
	cri StopContainer "{\"container_id\": \"$1\", \"timeout\": ${2:-0}}" > /dev/null
}

remove_container() {
	cri RemoveContainer "{\"container_id\": \"$1\"}" > /dev/null
}

pod_ip() {
	cri PodSandboxStatus "{\"pod_sandbox_id\": \"$pod\"}" | jq -r .status.network.ip
}

stop_sandbox() {
	cri StopPodSandbox "{\"pod_sandbox_id\": \"$1\"}" > /dev/null
}

remove_sandbox() {
	stop_sandbox "$1"
	cri RemovePodSandbox "{\"pod_sandbox_id\": \"$1\"}" > /dev/null
}

remove_sandboxes() {
	local one
	for one in $(cri ListPodSandbox | jq -r '.items[].id'); do
		remove_sandbox "$one"
	done
}

# Pods go as the kubelet lets them go; then the machine has to be as it was.
teardown() {
	[[ -n ${tmp:-} ]] || return 0
	playground_pid > /dev/null || playground_start 3>&-
	cp "$tmp/configuration.saved" "$KATA_CONF_FILE"
	remove_sandboxes
	"$leftovers" compare "$tmp/before"
}
