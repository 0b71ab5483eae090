# SPDX-License-Identifier: Apache-2.0
# io.katacontainers.config.* of a pod: docs/annotations.md.

load lib
load pod
kihon_file=1

hypervisor=io.katacontainers.config.hypervisor

# enable PATTERN...: what the administrator allows.
enable() {
	local list
	list=$(printf '"%s",' "$@")
	sed -i "s|^\[hypervisor.qemu\]|&\nenable_annotations = [${list%,}]|" "$KATA_CONF_FILE"
}

@test "memory, processors and kernel parameters of the sandbox, not of its members" {
	local before
	enable default_ kernel_params
	start_sandbox --annotation "$hypervisor.default_memory=384Mi" \
		--annotation "$hypervisor.default_vcpus=1.5" \
		--annotation "$hypervisor.kernel_params=from.a_pod=yes"
	run -0 exec_in a cat /proc/meminfo
	[[ $output =~ MemTotal:\ +([0-9]+) ]]
	((BASH_REMATCH[1] > 300 * 1024 && BASH_REMATCH[1] <= 384 * 1024))
	run -0 exec_in b nproc
	[ "$output" -eq 2 ]
	run -0 exec_in c cat /proc/cmdline
	[[ $output == *" from.a_pod=yes"* ]]
	before=$(exec_in d cat /proc/meminfo | grep MemTotal)
	run -0 member a --rm --annotation "$hypervisor.default_memory=99999999" \
		--annotation "$hypervisor.path=/bin/sh" -- cat /proc/meminfo
	[[ $output == *"$before"* ]]
}

@test "what is not enabled has no effect" {
	run -0 run_pod --annotation "$hypervisor.kernel_params=from.a_pod=yes" \
		--annotation "$hypervisor.virtio_fs_extra_args=-o,source=/" -- cat /proc/cmdline
	[[ $output != *from.a_pod* ]]
}

# refused ANNOTATION TEXT: no pod starts with it, and the message holds TEXT.
refused() {
	run -1 run_pod --annotation "$hypervisor.$1" -- true
	[[ $output == *"annotation $hypervisor.${1%%=*}: $2"* ]] || { echo "$output"; return 1; }
}

@test "what a pod may not ask for" {
	refused path=/bin/sh "names a path and is not enabled"
	enable '.*'
	refused path=/bin/sh "/bin/sh is not allowed"
	refused kernel=/etc/passwd "/etc/passwd is not allowed"
	refused "kernel_params=a init=/bin/sh" "init may not be set by an annotation"
	refused default_memory=99999999 "99999999 is out of range"
	refused machine_accelerators=kernel=/etc/shadow '"kernel" may not be set by an annotation'
}
