# SPDX-License-Identifier: Apache-2.0
# Pods on networks of real CNI plugins. At the end of each test the pod's namespace is compared with
# what the plugins had left there.

load lib
load cni
kihon_file=1

# bridge_list MTU: pods on a bridge, with addresses of both families.
bridge_list() {
	cat > "$tmp/bridge.conflist" <<-END
	{"cniVersion": "1.0.0", "name": "b", "plugins": [{"type": "bridge", "bridge": "kbr0", "isGateway": true,
		"mtu": $1, "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.87.0.0/24"}],
		[{"subnet": "fd87::/64"}]], "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}}]}
	END
	echo "$tmp/bridge.conflist"
}

# start_pod NAME [CTR OPTIONS...]: container $id-NAME in the namespace of that name.
start_pod() {
	ctr run --detach --null-io --runtime "$runtime" --with-ns "network:/run/netns/$id-$1" "${@:2}" \
		"$image" "$id-$1" sleep 100000
}

in_pod() {
	ctr task exec --exec-id "x$RANDOM" "$id-$1" "${@:2}"
}

remove_pod() {
	ctr task kill -s KILL "$id-$1" || true
	ctr task rm -f "$id-$1" || true
	ctr container rm "$id-$1"
}

# What answers "hello" to whoever connects.
serve() {
	in_pod "$1" sh -c 'while echo hello | nc -l -p 8080; do :; done' > /dev/null 2>&1 3>&- &
}

# ask_on_host ADDRESS PORT: until it is served.
ask_on_host() {
	local deadline=$(($(now_ms) + 20000 * patience))
	until [[ $(on_host busybox nc -w 5 "$1" "$2" < /dev/null 2> /dev/null) == hello ]]; do
		(($(now_ms) < deadline)) || { echo "no answer from $1 port $2"; return 1; }
		sleep 0.2
	done
}

@test "bridge: a pod reaches the host and the host the pod, over IPv4 and IPv6" {
	need_cni
	make_pod_network "$id-a" "$(bridge_list 1500)"
	start_pod a
	run -0 in_pod a ip address show eth0
	[[ $output == *"inet $(address_of "$id-a")/24"* && $output == *"inet6 $(address_of "$id-a" eth0 6)/64"* ]]
	[[ $output == *"link/ether $(jq -r '.interfaces[] | select(.name == "eth0").mac' "$tmp/$id-a.eth0")"* ]]
	run -0 in_pod a ip route
	[[ $output == *"default via 10.87.0.1 dev eth0"* ]]
	run -0 in_pod a ping -c 1 -W 20 10.87.0.1
	run -0 in_pod a ping -6 -c 1 -W 20 fd87::1
	serve a
	ask_on_host "$(address_of "$id-a")" 8080
	remove_pod a
	assert_pod_network_restored "$id-a"
}

@test "pod to pod, with an MTU of 9000" {
	need_cni
	local list
	list=$(bridge_list 9000)
	make_pod_network "$id-a" "$list"
	make_pod_network "$id-b" "$list"
	start_pod a
	start_pod b
	run -0 in_pod a cat /sys/class/net/eth0/mtu
	[ "$output" = 9000 ]
	run -0 in_pod a ping -c 1 -W 20 -s 8900 "$(address_of "$id-b")"
	run -0 in_pod a ping -6 -c 1 -W 20 -s 8900 "$(address_of "$id-b" eth0 6)"
	remove_pod a
	remove_pod b
}

@test "ptp with an MTU of 1400, and a port of the host that is the pod's" {
	need_cni
	cat > "$tmp/ptp.conflist" <<-END
	{"cniVersion": "1.0.0", "name": "p", "plugins": [{"type": "ptp", "mtu": 1400, "ipam": {"type": "host-local",
		"subnet": "10.88.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}}, {"type": "portmap", "snat": true,
		"capabilities": {"portMappings": true},
		"runtimeConfig": {"portMappings": [{"hostPort": 9090, "containerPort": 8080, "protocol": "tcp"}]}}]}
	END
	make_pod_network "$id-a" "$tmp/ptp.conflist"
	start_pod a
	run -0 in_pod a cat /sys/class/net/eth0/mtu
	[ "$output" = 1400 ]
	run -0 in_pod a ip route
	[[ $output == *"10.88.0.0/24 via 10.88.0.1"* && $output == *"10.88.0.1 dev eth0 scope link"* ]]
	run -0 in_pod a ping -c 1 -W 20 -s 1372 10.88.0.1
	serve a
	ask_on_host 10.88.0.1 9090
	remove_pod a
}

kill_shim_of() {
	local id=$1
	kill -KILL "$(shim_pid)"
}

@test "ten interfaces, one a macvlan; kill -9 of the shim leaves nothing on them" {
	need_cni
	local i
	make_pod_network "$id-a" "$(bridge_list 1500)" eth0 eth1 eth2 eth3 eth4 eth5 eth6 eth7 eth8
	ip -n "$host" link add up0 type veth peer name up1
	ip -n "$host" address add 10.89.0.1/24 dev up1
	ip -n "$host" link set up0 up
	ip -n "$host" link set up1 up
	cat > "$tmp/macvlan.conflist" <<-END
	{"cniVersion": "1.0.0", "name": "m", "plugins": [{"type": "macvlan", "master": "up0", "mode": "bridge",
		"ipam": {"type": "static", "addresses": [{"address": "10.89.0.2/24"}]}}]}
	END
	cni_add "$tmp/macvlan.conflist" "$id-a" net1
	describe_pod_network "$id-a" > "$tmp/$id-a.before"
	start_pod a
	run -0 in_pod a ip -o -4 address
	for ((i = 0; i < 9; i++)); do
		[[ $output == *" eth$i "*" $(address_of "$id-a" "eth$i")/24 "* ]]
	done
	run -0 in_pod a ping -c 1 -W 20 10.89.0.1
	open_events
	kill_shim_of "$id-a"
	wait_event 10 /tasks/delete "$id-a"
	stop_events
	assert_pod_network_restored "$id-a"
}
