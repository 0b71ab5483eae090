# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Disks that are plugged into a running guest: QEMU's, behind a bridge, with the guest kernel's own
# drivers and events. No containerd and no shim: the agent is asked by kata-agent-ctl. The guest is
# ours, with the drivers for disks added.

load agent_vm

make_guest() {
	local -a modules
	"$top/guest/kernel-debian" "$dir/image" virtio_blk virtio_scsi sd_mod
	mapfile -t modules < <(sed "s|^|$dir/image/modules/|" "$dir/image/modules/order")
	"$top/guest/make-initrd" "$build/guest/kata-agent.stripped" "${modules[@]}" | zstd -q -1 > "$dir/initrd"
}

# The root file system of a container, on a disk.
make_disks() {
	mkdir -p "$dir/root/"{bin,proc,dev,sys,tmp,etc,run}
	cp "$(command -v busybox)" "$dir/root/bin/"
	ln -s busybox "$dir/root/bin/sh"
	truncate -s 16M "$dir/root.img" "$dir/data.img" "$dir/scsi.img"
	mke2fs -q -F -t ext4 -O ^has_journal -d "$dir/root" "$dir/root.img"
	printf 'on virtio' | dd of="$dir/data.img" conv=notrunc status=none
	printf 'on scsi  ' | dd of="$dir/scsi.img" conv=notrunc status=none
}

setup_file() {
	need_root
	[[ -s $build/guest/kata-agent.stripped ]] || skip "no agent for the guest: guest/build"
	dir=$BATS_FILE_TMPDIR
	export dir
	make_guest
	make_disks
	start_vm "$dir/image/vmlinux.container" "$dir/initrd" "agent.hotplug_timeout=$((5 * patience))" \
		-device pcie-root-port,id=late,addr=03.0,chassis=1 \
		-device virtio-scsi-pci,id=hba,addr=04.0 \
		-device pci-bridge,id=behind,chassis_nr=2,shpc=on,addr=05.0 \
		-qmp "unix:$dir/qmp.sock,server=on,wait=off"
}

teardown_file() {
	stop_vm
}

# plug FILE ID DEVICE: by QMP.
plug() {
	/usr/bin/python3 "$top/tests/e2e/devices/plug" "$dir/qmp.sock" "$@"
}

# The spec of a container on the root disk, with /dev/data as the host's 8:16.
spec() {
	local script=$1
	cat <<- END
		{"process": {"args": ["/bin/sh", "-c", "$script"], "cwd": "/", "env": ["PATH=/bin"],
		             "user": {"uid": 0, "gid": 0}},
		 "root": {"path": "/run/root"}, "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
		             {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}],
		 "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}],
		           "devices": [{"path": "/dev/data", "type": "b", "major": 8, "minor": 16, "fileMode": 384}],
		           "resources": {"devices": [{"allow": false, "access": "rwm"},
		             {"allow": true, "type": "b", "major": 8, "minor": 16, "access": "rwm"}]}}}
	END
}

# create ID DEVICE: a container whose root is at PCI path 03/00 and whose /dev/data is DEVICE.
create() {
	local request
	request=$(printf '{"container_id": "%s", "OCI": %s, "devices": [%s], "storages": [%s]}' "$1" \
		"$(spec 'busybox stat -c %F:%t:%T /dev/data; busybox head -c 9 /dev/data')" \
		"$2" '{"driver": "blk", "source": "03/00", "fstype": "ext4", "mount_point": "/run/root", "options": ["ro"]}')
	agent_ctl CreateContainer "$request"
}

# What it writes; it has to end well.
output_of() {
	agent_ctl StartContainer "cid=$1" > /dev/null
	agent_ctl --json ReadStdout "cid=$1" len=4096
	agent_ctl --json ReadStdout "cid=$1" len=4096
	agent_ctl --json WaitProcess "cid=$1"
	agent_ctl RemoveContainer "cid=$1" > /dev/null
}

decoded() {
	sed -n 's/.*"data":"\([^"]*\)".*/\1/p' | while read -r text; do base64 -d <<< "$text"; done
}

@test "a disk that is not there yet is waited for, and not for ever" {
	run create none '{"type": "blk", "id": "05/01", "container_path": "/dev/data"}'
	[[ $status -ne 0 && $output == *"has not appeared within"* ]]
}

@test "a root that is plugged in late, and a disk behind a bridge" {
	create virtio '{"type": "blk", "id": "05/01", "container_path": "/dev/data"}' > "$dir/created" 2>&1 3>&- &
	plug "$dir/root.img" root virtio-blk-pci bus=late
	plug "$dir/data.img" data virtio-blk-pci bus=behind addr=1
	wait $! || { cat "$dir/created"; return 1; }
	run output_of virtio
	echo "$output"
	[[ $(decoded <<< "$output") == "block special file:fe:"*"on virtio" ]]
}

@test "a SCSI disk, after a virtio disk that stays" {
	plug "$dir/scsi.img" scsi0 scsi-hd bus=hba.0 channel=0 scsi-id=1 lun=2
	create scsi '{"type": "scsi", "id": "1:2", "container_path": "/dev/data"}'
	run output_of scsi
	echo "$output"
	[[ $(decoded <<< "$output") == "block special file:8:0"*"on scsi"* ]]
}
