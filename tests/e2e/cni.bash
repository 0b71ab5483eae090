# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154  # of lib.bash
# Pod networks made by real CNI plugins, as a container runtime calls them (CNI specification 1.0, "The
# protocol"). What such a runtime calls the host is a network namespace of the test's own, $host, so that
# the machine's interfaces, routes and packet filters are not touched. Load lib first.

cni_path=/usr/lib/cni
host=

need_cni() {
	[[ -x $cni_path/bridge ]] || skip "no CNI plugins in $cni_path"
	ip netns add "$id-host" || skip "no network namespaces here"
	host=$id-host
	ip -n "$host" link set lo up
}

on_host() {
	ip netns exec "$host" "$@"
}

in_pod_netns() {
	ip netns exec "$1" "${@:2}"
}

# One plugin of a list, with what those before it have said: cni_call COMMAND LIST INDEX POD INTERFACE PREVIOUS
cni_call() {
	local plugin configuration
	plugin=$(jq -r ".plugins[$3].type" "$2")
	configuration=$(jq -c --argjson i "$3" --argjson previous "$6" --arg directory "$tmp/ipam" '
		{cniVersion, name} + .plugins[$i]
		+ (if $previous == null then {} else {prevResult: $previous} end)
		| if .ipam then .ipam.dataDir = $directory else . end' "$2")
	on_host env CNI_COMMAND="$1" CNI_CONTAINERID="$4" CNI_NETNS="/run/netns/$4" CNI_IFNAME="$5" \
		CNI_PATH="$cni_path" "$cni_path/$plugin" <<< "$configuration"
}

# cni_add LIST POD INTERFACE: the result is in $tmp/POD.INTERFACE.
cni_add() {
	local result=null i n
	n=$(jq '.plugins | length' "$1")
	for ((i = 0; i < n; i++)); do
		result=$(cni_call ADD "$1" "$i" "$2" "$3" "$result") || { echo "$result"; return 1; }
	done
	echo "$result" > "$tmp/$2.$3"
	cp "$1" "$tmp/$2.$3.list"
}

cni_delete() {
	local i n result
	n=$(jq '.plugins | length' "$1")
	result=$(cat "$tmp/$2.$3")
	for ((i = n - 1; i >= 0; i--)); do
		cni_call DEL "$1" "$i" "$2" "$3" "$result"
	done
}

# make_pod_network NAME LIST [INTERFACE...]: a namespace with an interface each (eth0).
make_pod_network() {
	local pod=$1 list=$2 interface
	shift 2
	ip netns add "$pod"
	ip -n "$pod" link set lo up
	for interface in "${@:-eth0}"; do
		cni_add "$list" "$pod" "$interface"
	done
	describe_pod_network "$pod" > "$tmp/$pod.before"
}

# All that a pod's life could leave in its namespace. IPv6's own addresses come when they like.
describe_pod_network() {
	local link
	ip -n "$1" -br link | sed 's/@if[0-9]*//'
	ip -n "$1" -br -4 address
	ip -n "$1" route
	ip -n "$1" -6 route | grep -v '^fe80\|^ff00' || true
	in_pod_netns "$1" tc qdisc
	ip -n "$1" -br link | sed 's/[@ ].*//' | while read -r link; do
		in_pod_netns "$1" tc filter show dev "$link" ingress
		in_pod_netns "$1" tc filter show dev "$link"
	done
}

# The pod's containers have gone: its namespace is as it was made.
assert_pod_network_restored() {
	diff "$tmp/$1.before" <(describe_pod_network "$1")
}

# address_of POD [INTERFACE [VERSION]]: what the plugin has given.
address_of() {
	jq -r --arg v "${3:-4}" '[.ips[].address | select((index(":") != null) == ($v == "6"))][0] |
		split("/")[0]' "$tmp/$1.${2:-eth0}"
}

# Called by lib's teardown when no container is left.
after_containers() {
	local file pod status=0
	[[ -n $host ]] || return 0
	for file in "$tmp"/*.before; do
		pod=$(basename "$file" .before)
		[[ -e /run/netns/$pod ]] || continue
		assert_pod_network_restored "$pod" || status=1
	done
	for file in "$tmp"/*.list; do
		[[ -e $file ]] || continue
		pod=$(basename "$file" .list)
		cni_delete "$file" "${pod%.*}" "${pod##*.}" || true
	done
	for file in /run/netns/"$id"-*; do
		ip netns delete "${file##*/}"
	done
	return "$status"
}
