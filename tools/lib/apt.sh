# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# apt without questions and without needless work. Needs base.sh.

# update: 1 once the lists have been read in this run.
apt_updated=0

apt_run() {
	DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 \
		-o Dpkg::Use-Pty=0 -o APT::Sandbox::User=root "$@"
}

apt_update() {
	((apt_updated)) && return 0
	say "apt-get update"
	apt_run update >&2
	apt_updated=1
}

# Prints the arguments that are not installed.
apt_missing() {
	local package
	for package; do
		[[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null) == installed ]] ||
			echo "$package"
	done
}

# Version apt would install, empty when its lists do not know the package.
apt_candidate() {
	apt-cache policy "$1" 2> /dev/null | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'
}

# Installs what is missing of the arguments. The lists are read again only when they do not know a
# package, or name a file that the mirror no longer has.
apt_install() {
	local -a missing
	local package
	mapfile -t missing < <(apt_missing "$@")
	((${#missing[@]})) || return 0
	for package in "${missing[@]}"; do
		[[ -n $(apt_candidate "$package") ]] || apt_update
	done
	say "installing ${missing[*]}"
	apt_run install -y --no-install-recommends "${missing[@]}" >&2 && return 0
	((apt_updated == 0)) || return 1
	apt_update
	apt_run install -y --no-install-recommends "${missing[@]}" >&2
}

# apt_download DIRECTORY PACKAGE: the .deb, not installed.
apt_download() {
	(cd "$1" && apt_run download "$2" >&2) && return 0
	((apt_updated == 0)) || return 1
	apt_update
	(cd "$1" && apt_run download "$2" >&2)
}
