# SPDX-License-Identifier: Apache-2.0
# Bad input: an error that a person can act on, and nothing left (teardown compares).

load lib
kihon_file=1

# refused TEXT...: a pod does not start, and the message holds each TEXT.
refused() {
	run -1 run_pod -- true
	local text
	for text; do
		[[ $output == *"$text"* ]] || { echo "no \"$text\" in: $output"; return 1; }
	done
}

# set_key KEY VALUE
set_key() {
	sed -i "s|^$1 = .*|$1 = \"$2\"|" "$KATA_CONF_FILE"
	grep -qxF "$1 = \"$2\"" "$KATA_CONF_FILE"
}

@test "no configuration" {
	rm "$KATA_CONF_FILE"
	refused "$KATA_CONF_FILE" "No such file"
}

@test "bad TOML is named by file, line and column" {
	printf '[hypervisor.qemu]\npath = \n' > "$KATA_CONF_FILE"
	refused "$KATA_CONF_FILE:2:"
}

@test "a missing kernel, initrd, QEMU or virtiofsd is named" {
	local key
	for key in kernel initrd path virtio_fs_daemon; do
		set_key "$key" "/nonexistent/$key"
		refused "/nonexistent/$key"
		cp "$tmp/configuration.saved" "$KATA_CONF_FILE"
	done
}

@test "a kernel that does not boot: the console's last line is in the error" {
	# Without an initrd's init the kernel says so and panics.
	printf 'nothing' > "$tmp/initrd"
	set_key initrd "$tmp/initrd"
	refused "Kernel panic"
}

@test "a kernel that is no kernel" {
	head -c 100000 /dev/zero > "$tmp/kernel"
	set_key kernel "$tmp/kernel"
	refused "qemu"
}

# A bundle of our own: ctr cannot make a wrong specification, but hands on one it is given.
make_spec() {
	local root=$tmp/rootfs
	mkdir -p "$root"/{bin,proc,dev,sys,tmp}
	cp "$(type -P busybox)" "$root/bin/busybox"
	ln -s busybox "$root/bin/true"
	ctr oci spec | jq --arg root "$root" --arg cgroup "/e2e/$id" \
		'.root = {path: $root} | .process.args = ["/bin/true"] | .linux.cgroupsPath = $cgroup' > "$tmp/spec"
}

# refused_spec JQ_FILTER TEXT...
refused_spec() {
	jq "$1" "$tmp/spec" > "$tmp/config.json"
	run -1 ctr run --rm --runtime "$runtime" --config "$tmp/config.json" "$id"
	shift
	local text
	for text; do
		[[ $output == *"$text"* ]] || { echo "no \"$text\" in: $output"; return 1; }
	done
}

@test "config.json: without process, with an unknown capability, with a relative directory" {
	make_spec
	run -0 ctr run --rm --runtime "$runtime" --config "$tmp/spec" "$id"
	refused_spec 'del(.process)' process
	refused_spec '.process.capabilities.bounding += ["CAP_NONSENSE"]' CAP_NONSENSE
	refused_spec '.process.cwd = "tmp"' cwd
}

@test "a network namespace with an interface that a guest cannot have is refused" {
	ip netns add "$id" || skip "no network namespaces here"
	ip -n "$id" link add test0 type bridge && ip -n "$id" address add 10.1.2.3/24 dev test0 || {
		ip netns del "$id"
		skip "this kernel makes no bridges"
	}
	run run_pod --with-ns "network:/run/netns/$id" -- true
	ip netns del "$id"
	[ "$status" -eq 1 ]
	[[ $output == *"interface test0: links of kind \"bridge\" are not supported"* ]]
}
