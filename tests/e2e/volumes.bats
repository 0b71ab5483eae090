#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Volumes: what of the host's a container is shown, and how. Kubernetes' volumes are known by the name of
# the directory that they are in, so directories of that name will do here.

load lib
load pod

kihon_file=1

# bind SOURCE DESTINATION [OPTIONS]: an argument of `ctr run --mount`.
bind() {
	echo "type=bind,src=$1,dst=$2,options=rbind${3:+:$3}"
}

# memory_at DIRECTORY OPTIONS: a tmpfs of the host. $tmp/before was saved without it: unmount it.
memory_at() {
	mkdir -p "$1"
	mount -t tmpfs -o "$2" none "$1"
}

# A ConfigMap as the kubelet writes it: publish NAME VALUE replaces its content at once.
publish() {
	local map=$tmp/kubernetes.io~configmap/map new=..$1
	mkdir -p "$map/$new"
	echo "$2" > "$map/$new/key"
	ln -s "$new" "$map/..data_tmp"
	mv -T "$map/..data_tmp" "$map/..data"
	[[ -L $map/key ]] || ln -s ..data/key "$map/key"
}

# wait_in COMMAND...: until it succeeds in the container. The agent hears of what the host changes by
# looking, every two seconds.
wait_in() {
	exec_in "w$RANDOM" timeout "$((30 * patience))" sh -c "until $1; do sleep 0.2; done"
}

@test "directories and files, read-only for the host's side too" {
	mkdir -p "$tmp/volume/below"
	echo content > "$tmp/volume/file"
	memory_at "$tmp/volume/below" size=1m
	echo deep > "$tmp/volume/below/file"
	start_sleeper --mount "$(bind "$tmp/volume" /ro ro)" --mount "$(bind "$tmp/volume" /rw rw)" \
		--mount "$(bind "$tmp/volume/file" /etc/one ro)"
	run -0 exec_in a cat /ro/file /ro/below/file /etc/one
	[ "$output" = $'content\ndeep\ncontent' ]
	run ! exec_in b sh -c 'echo x > /ro/file'
	run ! exec_in c sh -c 'echo x > /ro/below/file'
	run ! exec_in d sh -c 'echo x > /etc/one'
	exec_in e sh -c 'echo changed > /rw/file; echo changed > /rw/below/file'
	[ "$(cat "$tmp/volume/file" "$tmp/volume/below/file")" = $'changed\nchanged' ]
	# Not only the guest's word: so it is mounted in what virtiofsd serves.
	local view="/run/kata-containers/shared/sandboxes/$id/ro/passthrough/$id"
	run -0 nsenter -t "$(shim_pid)" -m grep -F " $view/vol" /proc/self/mountinfo
	[ "$(grep -cE '/vol[0-9]+(/below)? ro,' <<< "$output")" -eq 3 ]
	umount "$tmp/volume/below"
}

@test "what is mounted below a volume later is seen by who asks for it" {
	# A file system of its own, for this machine's root may be one that tells nobody of mounts.
	memory_at "$tmp/volume" size=1m
	mount --make-shared "$tmp/volume"
	mkdir "$tmp/volume/late"
	start_sleeper --mount "$(bind "$tmp/volume" /slave rslave)" \
		--mount "$(bind "$tmp/volume" /private)"
	memory_at "$tmp/volume/late" size=1m
	echo late > "$tmp/volume/late/file"
	wait_in '[ -e /slave/late/file ]'
	run ! exec_in a test -e /private/late/file
	# The guest holds on to what it has looked at.
	umount -l "$tmp/volume/late" "$tmp/volume"
}

@test "a ConfigMap's change comes at once and whole, and is notified" {
	publish 1 one
	start_sleeper --mount "$(bind "$tmp/kubernetes.io~configmap/map" /map ro)"
	run -0 exec_in a cat /map/key
	[ "$output" = one ]
	publish 2 two
	wait_in '[ "$(cat /map/key)" = two ]'
	run -0 exec_in b readlink /map/..data
	[ "$output" = ..2 ]
	# The agent's copy, in a tmpfs: virtio-fs tells of no changes.
	run -0 exec_in c stat -f -c %T /map
	[ "$output" = tmpfs ]
	run ! exec_in d sh -c 'echo x > /map/key'
}

@test "a large ConfigMap's change comes too" {
	local n
	publish 1 one
	for n in 1 2 3 4 5 6 7 8 9; do
		echo "$n" > "$tmp/kubernetes.io~configmap/map/..1/$n"
	done
	start_sleeper --mount "$(bind "$tmp/kubernetes.io~configmap/map" /map ro)"
	publish 2 two
	wait_in '[ "$(cat /map/key)" = two ]'
}

@test "an emptyDir in memory is the guest's, and the pod's" {
	local cache=$tmp/kubernetes.io~empty-dir/cache
	memory_at "$cache" size=3m,mode=2770,gid=42
	start_sandbox
	member_sleeper a --mount "$(bind "$cache" /cache rw)"
	member_sleeper b --mount "$(bind "$cache" /other rw)"
	in_member a sh -c 'echo shared > /cache/file'
	run -0 in_member b cat /other/file
	[ "$output" = shared ]
	[ -z "$(ls "$cache")" ]
	run -0 in_member b sh -c 'stat -c "%a %g" /other; df -k /other | tail -n 1'
	[ "${lines[0]}" = "2770 42" ]
	[[ ${lines[1]} == *" 3072 "* ]]
	remove_member a
	run -0 in_member b cat /other/file
	umount "$cache"
}

@test "an emptyDir on disk is the host's" {
	local disk=$tmp/kubernetes.io~empty-dir/disk
	mkdir -p "$disk"
	chmod 0777 "$disk"
	run -0 run_pod --mount "$(bind "$disk" /disk rw)" -- sh -c 'echo written > /disk/file'
	[ "$(cat "$disk/file")" = written ]
}

@test "/dev/shm has the size of the pod's" {
	memory_at "$tmp/shm" size=5m
	run -0 run_pod --mount "$(bind "$tmp/shm" /dev/shm)" -- \
		sh -c 'df -k /dev/shm | tail -n 1; echo x > /dev/shm/x'
	[[ $output == *" 5120 "* ]]
	[ -z "$(ls "$tmp/shm")" ]
	umount "$tmp/shm"
}

@test "what is the host's own is not shared" {
	local row
	mknod "$tmp/char" c 1 3
	ln -s /proc "$tmp/proc"
	ln -s /sys/kernel "$tmp/sys"
	for row in "char:character device" "proc:proc" "sys:sysfs"; do
		run ! run_pod --mount "$(bind "$tmp/${row%%:*}" /x)" -- true
		[[ $output == *"$tmp/${row%%:*}: "*"${row#*:} cannot be shared"* ]]
	done
}

@test "a socket of the host is there, and connects to nobody in the guest" {
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$tmp/socket"
	run -0 run_pod --mount "$(bind "$tmp/socket" /socket)" -- stat -c %F /socket
	[ "$output" = socket ]
}

@test "a source that goes away takes nothing else with it" {
	mkdir "$tmp/volume"
	echo content > "$tmp/volume/file"
	start_sleeper --mount "$(bind "$tmp/volume" /volume rw)"
	exec_in a cat /volume/file
	rm -r "$tmp/volume"
	# What the guest has cached is good for a second.
	wait_in '! cat /volume/file 2> /dev/null'
	exec_in c true
}

# disk NAME CONTENT: an image with a file system in which /file is CONTENT, into $tmp/NAME.
disk() {
	mkdir "$tmp/$1.d"
	echo "$2" > "$tmp/$1.d/file"
	truncate -s 8M "$tmp/$1"
	mkfs.ext4 -q -F -O ^has_journal -d "$tmp/$1.d" "$tmp/$1"
}

@test "a file system on a disk image is mounted in the guest" {
	disk image content
	start_sleeper --mount "type=ext4,src=$tmp/image,dst=/disk,options=loop:rw" \
		--mount "type=ext4,src=$tmp/image,dst=/again,options=loop:rw"
	run -0 exec_in a cat /disk/file /again/file
	[ "$output" = $'content\ncontent' ]
	exec_in b sh -c 'echo written > /disk/new; sync'
	ctr task kill -s SIGKILL "$id"
	playground_remove_containers
	run -0 debugfs -R 'cat /new' "$tmp/image"
	[[ $output == *written* ]]
}

@test "a disk comes and goes with a container of the pod" {
	disk image content
	start_sandbox
	for _ in 1 2; do
		member_sleeper a --mount "type=ext4,src=$tmp/image,dst=/disk,options=loop:ro"
		run -0 in_member a cat /disk/file
		[ "$output" = content ]
		run ! in_member a sh -c 'echo x > /disk/file'
		remove_member a
	done
	# QEMU has closed it.
	[ -z "$(find "/proc/$(helper_pid qemu-system)/fd" -lname "$tmp/image")" ]
}

@test "a block device is one in the container" {
	local loop
	echo "on the disk" > "$tmp/raw"
	truncate -s 1M "$tmp/raw"
	loop=$(losetup --find --show "$tmp/raw") || skip "no loop devices here"
	start_sleeper --mount "$(bind "$loop" /dev/data rw)"
	run -0 exec_in a sh -c 'stat -c %F /dev/data; head -c 11 /dev/data'
	[ "$output" = $'block special file\non the disk' ]
	exec_in b sh -c 'printf changed | dd of=/dev/data conv=notrunc 2> /dev/null; sync'
	ctr task kill -s SIGKILL "$id"
	playground_remove_containers
	run -0 head -c 7 "$tmp/raw"
	[ "$output" = changed ]
	losetup --detach "$loop"
}

@test "sandbox_bind_mounts are in every guest, read-only but for :rw" {
	local in_guest=/run/kata-containers/shared/containers/sandbox-mounts
	mkdir "$tmp/shown" "$tmp/open"
	echo content > "$tmp/shown/file"
	sed -i "/^\[runtime\]/a sandbox_bind_mounts = [\"$tmp/shown\", \"$tmp/open:rw\"]" "$KATA_CONF_FILE"
	start_sleeper \
		--mount "type=kata:guest-mount:bind,src=$in_guest/shown,dst=/shown,options=rbind" \
		--mount "type=kata:guest-mount:bind,src=$in_guest/open,dst=/open,options=rbind"
	run -0 exec_in a cat /shown/file
	[ "$output" = content ]
	run ! exec_in b sh -c 'echo x > /shown/file'
	exec_in c sh -c 'echo written > /open/file'
	[ "$(cat "$tmp/open/file")" = written ]
}
