# SPDX-License-Identifier: Apache-2.0
# Each process of a pod is killed at each step of its life. The shim is held right after the step
# (tests/tools/fault.c), so the step is the one named and nothing is left to luck: within 5 seconds its
# client has an error or an exit event comes, delete works, and nothing is left.
#
# FAULT_STEPS, a regular expression, chooses among the steps; FAULT_JOBS (2) pods live at a time.

load lib

# In the order in which they end, as far as the host is sure to be there: the guest's own spans arrive at
# times of their own.
steps_of_create=("shim start" "shim daemon" "shim wait for create" "shim check" "shim prepare" "shim mount"
	"vm virtiofsd" "vm vsockd" "vm qemu" "vm launch" "vm qmp" "shim start the virtual machine"
	"shim guest boot" "shim health check" "shim ask the guest" "shim create sandbox"
	"shim fit the virtual machine"
	"shim create container" "shim create")
steps_of_start=("shim wait for start" "shim start container")
steps_of_exec=("shim add exec" "shim exec" "shim exit/exec" "shim delete exec")
steps_of_stop=("shim kill" "shim exit/task")
steps_of_delete=("shim remove container" "shim destroy sandbox" "shim stop the virtual machine"
	"shim unmount" "shim stop" "shim delete")
steps_of_agent=(boot mounts modules root settings serve "create sandbox" "prepare container"
	"create container" "start container" exec "remove container")

running=("${steps_of_start[@]}" "${steps_of_exec[@]}" "${steps_of_stop[@]}")

# during_life VICTIM STEP
during_life() {
	local client from killed=1
	begin_case "$2"
	life > "$tmp/$id.client" 2>&1 3>&- &
	client=$!
	wait_held || { cat "$tmp/$id.client"; return 1; }
	kill_victim "$1" || killed=0
	from=$(now_ms)
	[[ $1 == shim ]] || let_go
	await_client "$client" 5 || killed=0
	wait "$client" || true
	echo "$2, $1 killed: $(($(now_ms) - from)) ms: $(tail -n 1 "$tmp/$id.client" | cut -c 1-160)"
	[[ $1 != containerd ]] || start_containerd
	clean_up
	end_case
	((killed))
}

# each_step FUNCTION VICTIM STEP...: all in one test, which goes on after a failure and names each. What is
# left is looked for at the end; it mostly bears the name of its pod.
each_step() {
	local function=$1 victim=$2 step n=0 first=$id
	shift 2
	for step; do
		[[ $step != "vm vsockd" || ! -e /dev/vhost-vsock ]] || continue
		[[ $step =~ ${FAULT_STEPS:-.} ]] || continue
		id=$first-$((++n))
		(
			set -e
			# shellcheck disable=SC2064  # the names are those of now
			trap "[[ \$? -eq 0 ]] || echo 'FAILED: $id: $step, $victim killed' >> '$tmp/failed'" EXIT
			"$function" "$victim" "$step"
		) > "$tmp/$id.log" 2>&1 &
		(($(jobs -rp | wc -l) < ${FAULT_JOBS:-2})) || wait -n || true
	done
	wait
	id=$first
	for ((; n > 0; n--)); do
		tac "$tmp/$id-$n.log"
	done | tac
	"$leftovers" compare --within "${within:-5}" "$tmp/before"
	[[ ! -e $tmp/failed ]] || { cat "$tmp/failed"; return 1; }
}

@test "the shim is killed at each step" {
	each_step during_life shim "${steps_of_create[@]}" "${running[@]}" "${steps_of_delete[@]}"
}

@test "QEMU is killed at each step" {
	each_step during_life qemu-system "${steps_of_create[@]:8}" "${running[@]}" "${steps_of_delete[@]:0:2}"
}

@test "virtiofsd is killed at each step" {
	each_step during_life virtiofsd "${steps_of_create[@]:6}" "${running[@]}" "${steps_of_delete[@]:0:2}"
}

@test "vsockd is killed at each step" {
	[[ ! -e /dev/vhost-vsock ]] || skip "the kernel's vhost-vsock serves here"
	each_step during_life vsockd "${steps_of_create[@]:7}" "${running[@]}" "${steps_of_delete[@]:0:2}"
}

@test "containerd is killed at each step" {
	# A shim that it does not know any more ends by itself (shim/shim_end.h).
	within=$((35 * patience))
	FAULT_JOBS=1 each_step during_life containerd \
		"${steps_of_create[@]}" "${running[@]}" "${steps_of_delete[@]}"
}

# ---- The agent ----

# faults/init.c beside the agent as it is released.
build_initrd() {
	local -a modules
	[[ -s $build/guest-image/modules/order ]] || skip "no guest kernel: guest/build"
	musl-gcc -Os -static -D_GNU_SOURCE -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu \
		-o "$tmp/init" "$BATS_TEST_DIRNAME/init.c"
	cp "$build/guest/kata-agent.stripped" "$tmp/agent"
	mapfile -t modules < <(sed "s|^|$build/guest-image/modules/|" "$build/guest-image/modules/order")
	(
		cd "$tmp"
		echo agent | cpio --quiet -o -H newc
		"$top/guest/make-initrd" "$tmp/init" "${modules[@]}" | zstd -q -1
	) > "$tmp/initrd"
}

# configure_guest [WORD]: of the kernel's command line.
configure_guest() {
	sed -e "s|^initrd.*|initrd = \"$tmp/initrd\"|" \
		-e "s|^machine_type.*|&\nkernel_params = \"${1:-}\"|" \
		"$tmp/configuration.saved" > "$KATA_CONF_FILE"
}

@test "the agent is killed at each step of the shim" {
	build_initrd
	configure_guest
	each_step during_life agent "${steps_of_create[@]:12}" "${running[@]}" "${steps_of_delete[@]:0:1}"
}

# The spans of $id, as "WHO WHAT TO_MS".
spans_of_pod() {
	jq -r "select(.pod == \"$id\") | .who + \" \" + .what + \" \" + (.to_ns / 1000000 | floor | tostring)" \
		"$playground_timeline"
}

# When the last step ended that belongs to life.
last_sign_of_life() {
	spans_of_pod | grep -vE '^shim (destroy|stop|unmount|delete)' | awk '{ print $NF }' | sort -n | tail -n 1
}

# panicked FILE: when the guest of $id did, by its own clock, which starts after its machine has. Nothing when
# FILE does not tell.
panicked() {
	local up
	up=$(spans_of_pod | sed -n 's/^shim start the virtual machine //p')
	[[ -n $up && $(< "$1") =~ \[\ *([0-9]+)\.([0-9]{3})[0-9]*\]\ Kernel\ panic ]] || return 0
	echo $((up + BASH_REMATCH[1] * 1000 + 10#${BASH_REMATCH[2]}))
}

# at_own_step agent STEP: when it is about to tell it, which so nobody hears of. The limit runs from its kernel's
# last word or, where that is not known, from the last thing that the host has heard of. The configuration is
# this pod's until its shim has read it.
at_own_step() {
	local client ended last died lock
	exec {lock}> "$tmp/lock"
	flock "$lock"
	configure_guest "FAULT=${2// /-}"
	begin_case "shim check"
	life > "$tmp/$id.client" 2>&1 3>&- {lock}>&- &
	client=$!
	wait_held || { cat "$tmp/$id.client"; return 1; }
	let_go
	exec {lock}>&-
	await_client "$client" 30 || { cat "$tmp/$id.client"; return 1; }
	ended=$(now_ms)
	wait "$client" || true
	last=$(last_sign_of_life)
	died=$(panicked "$tmp/$id.client")
	((${died:-0} <= last)) || last=$died
	echo "$2, the agent killed: $((ended - last)) ms: $(tail -n 1 "$tmp/$id.client" | cut -c 1-160)"
	((ended - last <= 5000 * patience))
	clean_up
	end_case
	[[ ! $(spans_of_pod) =~ (agent|kernel)" $2 " ]] || { echo "it was not killed"; return 1; }
}

@test "the agent is killed at each of its own steps" {
	build_initrd
	each_step at_own_step agent "${steps_of_agent[@]}"
}
