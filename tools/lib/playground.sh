# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154  # shared with the script that sources it
# A private containerd with Kihon as a runtime: its own root, state, socket and configuration. Nothing
# of a system containerd is used or touched. Needs base.sh, build.sh and $top.
#
# KIHON_PLAYGROUND names it (default "playground"), so that several can run beside each other:
#   build/NAME          (or $KIHON_PLAYGROUND_DIR) root, image, configuration.toml, containerd.log, timeline.json
#   /run/kihon-NAME     state, socket, pid file (short: a socket's path may have 107 bytes)
# KIHON_INSTALLED=PREFIX runs what `make install` has put there, with the configuration found there, and
# not what is built here.

playground_name=${KIHON_PLAYGROUND:-playground}
playground_dir=${KIHON_PLAYGROUND_DIR:-$build/$playground_name}
playground_run=/run/kihon-$playground_name
playground_image=localhost/busybox:latest
playground_runtime=io.containerd.kata.v2
playground_socket=$playground_run/containerd.sock
playground_timeline=$playground_dir/timeline.json

# What a containerd client, and the shim through containerd, go by.
playground_environment() {
	export CONTAINERD_ADDRESS=$playground_socket
	export CONTAINERD_NAMESPACE=default
	export KIHON_TIMELINE=$playground_timeline
	if [[ -n ${KIHON_INSTALLED:-} ]]; then
		unset KATA_CONF_FILE
		export PATH=$KIHON_INSTALLED/bin:$PATH
	else
		export KATA_CONF_FILE=$playground_dir/configuration.toml
		export PATH=$build/host/src/shim:$PATH
	fi
	# ctr runs with --snapshotter from here when this is set.
	if [[ -e $playground_dir/snapshotter ]]; then
		CONTAINERD_SNAPSHOTTER=$(< "$playground_dir/snapshotter")
		export CONTAINERD_SNAPSHOTTER
	fi
}

playground_virtiofsd() {
	local path
	for path in /usr/lib/qemu/virtiofsd /usr/libexec/virtiofsd /usr/lib/virtiofsd; do
		[[ -x $path ]] && { echo "$path"; return; }
	done
	die "no virtiofsd: tools/deps run"
}

playground_write_configuration() {
	local qemu virtiofsd
	qemu=$(type -P "qemu-system-$(uname -m)") || die "no qemu-system-$(uname -m): tools/deps run"
	virtiofsd=$(playground_virtiofsd)
	cat <<-END
	# Written by tools/playground.
	[hypervisor.qemu]
	path = "$qemu"
	kernel = "$build/guest-image/vmlinux.container"
	initrd = "$build/guest-image/kata-containers-initrd.img"
	machine_type = "q35"
	default_vcpus = 1
	default_memory = 256
	shared_fs = "virtio-fs"
	virtio_fs_daemon = "$virtiofsd"
	virtio_fs_cache = "auto"

	[agent.kata]
	reconnect_timeout_ms = $((60000 * ${E2E_PATIENCE:-1}))
	create_container_timeout = $((60 * ${E2E_PATIENCE:-1}))
	# The agent's own 6 s are short for a machine that is emulated.
	launch_process_timeout = $((15 * ${E2E_PATIENCE:-1}))

	[runtime]
	hypervisor_name = "qemu"
	END
}

# restrict_oom_score_adj belongs to the CRI plugin, which is off: a plain containerd is all we need.
playground_write_containerd_configuration() {
	cat <<-END
	version = 2
	root = "$playground_dir/root"
	state = "$playground_run/state"
	disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt",
		"io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
		"io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
	[grpc]
	address = "$playground_socket"
	END
}

# Pid of the running containerd of this playground; fails when there is none.
playground_pid() {
	local pid
	pid=$(cat "$playground_run/pid" 2> /dev/null) && [[ -n $pid ]] || return 1
	{ tr '\0' ' ' < "/proc/$pid/cmdline"; } 2> /dev/null | grep -qF "$playground_run/config.toml" || return 1
	echo "$pid"
}

# A client's connect blocks until the socket answers, for at most its own time-out.
playground_wait_ready() {
	local pid=$1 deadline
	deadline=$(($(now_ms) + 20000))
	until ctr --connect-timeout 1s version > /dev/null 2>&1; do
		kill -0 "$pid" 2> /dev/null || break
		(($(now_ms) < deadline)) || break
		sleep 0.1
	done
	ctr --connect-timeout 1s version > /dev/null 2>&1 && return 0
	tail -n 5 "$playground_dir/containerd.log" >&2
	die "the private containerd does not answer (log: $playground_dir/containerd.log)"
}

# overlayfs where the file system below can carry it, else native, which always works.
playground_choose_snapshotter() {
	if ctr plugins ls | grep -qE '^io\.containerd\.snapshotter\.v1 +overlayfs .* ok *$'; then
		echo overlayfs
	else
		echo native
	fi
}

playground_import_image() {
	local tar=$playground_dir/busybox.tar
	ctr images ls -q | grep -qxF "$playground_image" && return 0
	"$top/tools/lib/make-image" "$(type -P busybox)" "$tar" "$playground_image"
	ctr images import --snapshotter "$(< "$playground_dir/snapshotter")" "$tar" > /dev/null
}

playground_start() {
	local pid
	mkdir -p "$playground_dir" "$playground_run"
	playground_write_configuration > "$playground_dir/configuration.toml"
	playground_write_containerd_configuration > "$playground_run/config.toml"
	# Its own session: a Ctrl-C meant for a client must not end the server.
	setsid containerd --config "$playground_run/config.toml" --log-level info \
		< /dev/null >> "$playground_dir/containerd.log" 2>&1 &
	pid=$!
	# When a test kills it, this shell has nothing to say about that.
	disown "$pid"
	echo "$pid" > "$playground_run/pid"
	playground_wait_ready "$pid"
	playground_choose_snapshotter > "$playground_dir/snapshotter"
	playground_environment
	playground_import_image
}

# Starts it unless it runs.
playground_up() {
	playground_environment
	playground_pid > /dev/null && return 0
	playground_clean_run
	playground_start
}

# What a containerd that was killed may have left: mounts of bundles, its state.
playground_clean_run() {
	local target
	awk -v run="$playground_run/" -v dir="$playground_dir/" \
		'index($5, run) == 1 || index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac |
		while read -r target; do
			umount -l "$(printf '%b' "$target")" || true
		done
	rm -rf "$playground_run"
}

playground_remove_containers() {
	local name
	for name in $(ctr tasks ls -q 2> /dev/null); do
		timeout 30 ctr tasks rm --force "$name" > /dev/null || say "could not remove task $name"
	done
	for name in $(ctr containers ls -q 2> /dev/null); do
		timeout 30 ctr containers rm "$name" > /dev/null || say "could not remove container $name"
	done
}

playground_down() {
	local pid
	playground_environment
	if pid=$(playground_pid); then
		playground_remove_containers
		kill "$pid"
		# Not our child when another call of the script started it, so there is nothing to wait on
		# but its pid.
		timeout 20 tail --pid="$pid" -f /dev/null || kill -9 "$pid"
	fi
	playground_clean_run
}
