# SPDX-License-Identifier: Apache-2.0
# `make install` puts each file in its place, and `make uninstall` takes it away.
bats_require_minimum_version 1.5.0

setup_file() {
	top=$(realpath "$BATS_TEST_DIRNAME/../..")
	dest=$BATS_FILE_TMPDIR/dest
	export top dest
	make -C "$top" -s install PREFIX=/opt/kihon-test DESTDIR="$dest"
}

# What is to be there: mode and path.
wanted() {
	cat <<-END
	755 bin/containerd-shim-kata-v2
	755 bin/kata-agent
	755 bin/kata-agent-ctl
	644 share/defaults/kata-containers/configuration.toml
	644 share/kata-containers/kata-containers-initrd.img
	644 share/kata-containers/kata-containers-initrd-tools.img
	644 share/kata-containers/vmlinux.container
	END
	find "$top/docs/man" -name '*.[1-8]' -printf '%f\n' | while read -r page; do
		echo "644 share/man/man${page##*.}/$page"
	done
}

@test "every file is there with its mode, and no other" {
	diff <(wanted | LC_ALL=C sort) \
		<(cd "$dest/opt/kihon-test" && find . -type f -printf '%m %P\n' | LC_ALL=C sort)
	# Nor outside of the prefix.
	diff <(echo "$dest/opt/kihon-test") <(find "$dest" -mindepth 2 -maxdepth 2)
	# Directories can be entered by everybody.
	[ -z "$(find "$dest/opt" -type d ! -perm 755)" ]
}

@test "the configuration and the shim go by the prefix" {
	local root=$dest/opt/kihon-test
	grep -qx 'kernel = "/opt/kihon-test/share/kata-containers/vmlinux.container"' \
		"$root/share/defaults/kata-containers/configuration.toml"
	grep -qx 'initrd = "/opt/kihon-test/share/kata-containers/kata-containers-initrd.img"' \
		"$root/share/defaults/kata-containers/configuration.toml"
	run ! grep -r @PREFIX@ "$root/share/defaults"
	strings "$root/bin/containerd-shim-kata-v2" |
		grep -qx /opt/kihon-test/share/defaults/kata-containers/configuration.toml
}

@test "the programs run, and are stripped" {
	local program
	"$dest/opt/kihon-test/bin/containerd-shim-kata-v2" -version | grep -q io.containerd.kata.v2
	"$dest/opt/kihon-test/bin/kata-agent" --version | grep -q '^kata-agent version '
	for program in "$dest"/opt/kihon-test/bin/*; do
		run ! grep -q '\.symtab' <(readelf -SW "$program")
	done
}

@test "the agent is the initrd's, which needs no library of the host" {
	local root=$dest/opt/kihon-test
	zstd -dc "$root/share/kata-containers/kata-containers-initrd.img" |
		(cd "$BATS_TEST_TMPDIR" && cpio -i --quiet init)
	cmp "$BATS_TEST_TMPDIR/init" "$root/bin/kata-agent"
	run ! grep -qE 'INTERP|DYNAMIC' <(readelf -lW "$root/bin/kata-agent")
}

@test "installing again replaces, uninstalling takes all of it and nothing else" {
	local own=$dest/opt/kihon-test/share/kata-containers/mine
	make -C "$top" -s install PREFIX=/opt/kihon-test DESTDIR="$dest"
	touch "$own"
	make -C "$top" -s uninstall PREFIX=/opt/kihon-test DESTDIR="$dest"
	diff <(echo "$own") <(find "$dest" -type f)
	rm "$own"
	make -C "$top" -s uninstall PREFIX=/opt/kihon-test DESTDIR="$dest"
	[ ! -e "$dest/opt/kihon-test/share/kata-containers" ]
}

@test "a place that is no absolute path is refused" {
	run make -C "$top" -s install PREFIX=relative
	[ "$status" -ne 0 ]
	[[ $output == *"PREFIX=relative: not an absolute path"* ]]
	run make -C "$top" -s install DESTDIR=relative
	[ "$status" -ne 0 ]
	run make -C "$top" -s install PREFIX='/a b'
	[ "$status" -ne 0 ]
}
