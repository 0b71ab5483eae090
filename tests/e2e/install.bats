# SPDX-License-Identifier: Apache-2.0
# What `make install` puts somewhere runs from there, with a containerd that knows nothing but its PATH.

load lib
kihon_file=1

setup_file() {
	[[ $runtime == "$playground_runtime" ]] || return 0
	prefix=$BATS_FILE_TMPDIR/prefix
	make -C "$top" -s install PREFIX="$prefix" DESTDIR=
	# Emulated guests take longer to start than the 10 s of the default.
	mkdir "$prefix/share/defaults/kata-containers/config.d"
	cat > "$prefix/share/defaults/kata-containers/config.d/test.toml" <<-END
	[hypervisor.qemu]
	default_memory = 256
	[agent.kata]
	reconnect_timeout_ms = 60000
	END
	export prefix
}

setup() {
	kihon_only
	[[ ! -e /etc/kata-containers/configuration.toml && ! -e /etc/kata-containers/runtime-rs ]] ||
		skip "this machine has its own /etc/kata-containers"
	tmp=$BATS_TEST_TMPDIR
	id=$playground_name-$BATS_SUITE_TEST_NUMBER
	save_machine "$tmp/before"
	other up
}

teardown() {
	[[ -n ${tmp:-} && -e $tmp/before ]] || return 0
	other down
	"$leftovers" compare "$tmp/before"
}

# A second containerd beside the tests' own.
other() {
	KIHON_PLAYGROUND=$playground_name-i KIHON_PLAYGROUND_DIR=$BATS_FILE_TMPDIR/other KIHON_INSTALLED=$prefix \
		"$top/tools/playground" "$@" 3>&-
}

# The installed shim, its kernel and its initrd are what runs.
check_programs() {
	local shim
	shim=$(shim_pid)
	[[ $(readlink "/proc/$shim/exe") == "$prefix/bin/containerd-shim-kata-v2" ]]
	tr '\0' '\n' < "/proc/$(helper_pid qemu)/cmdline" > "$tmp/qemu"
	grep -qxF "$prefix/share/kata-containers/vmlinux.container" "$tmp/qemu"
	grep -qxF "$prefix/share/kata-containers/kata-containers-initrd.img" "$tmp/qemu"
	# kata-vsockd is the same program by its other name.
	[[ -e /dev/vhost-vsock ]] ||
		[[ $(readlink "/proc/$(helper_pid vsockd)/exe") == "$prefix/bin/containerd-shim-kata-v2" ]]
}

@test "containerd finds the shim in its PATH, and the shim its configuration and guest below PREFIX" {
	other ctr run --detach --null-io --runtime "$playground_runtime" "$image" "$id" sleep 1000
	check_programs
	run other ctr task exec --exec-id e1 "$id" uname -s
	[[ $output == Linux ]]
	other ctr task kill -s KILL "$id"
}

@test "a runtime named by its path" {
	other ctr run --detach --null-io --runtime "$prefix/bin/containerd-shim-kata-v2" "$image" "$id" sleep 1000
	check_programs
	other ctr task kill -s KILL "$id"
}
