# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash

# Whether an unmodified guest can run under KVM. A /dev/kvm alone does not say so: without vmx or svm
# in the CPU's flags it serves only specially built guests. 44545 is KVM_CREATE_VM.
kvm_works() {
	[[ -c /dev/kvm ]] && grep -qwE 'vmx|svm' /proc/cpuinfo && /usr/bin/python3 -c '
import fcntl, os
fcntl.ioctl(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC), 44545, 0)' 2> /dev/null
}

accelerator_name() {
	if kvm_works; then echo KVM; else echo TCG; fi
}
