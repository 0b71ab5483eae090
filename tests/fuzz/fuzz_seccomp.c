/* SPDX-License-Identifier: Apache-2.0 */
/* A profile as a host sends it, compiled and never loaded. What comes out is a program that a kernel
 * would look at: jumps forward and inside, and a return at the end. */
#include <assert.h>

#include "agent/container/seccomp_profile.h"
#include "wire/message.h"

/* libseccomp's time grows with the square of the rules. */
enum { MAX_SIZE = 2048 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_program(const struct syscall_filter *filter)
{
	assert(filter->n_insns > 0 && filter->n_insns <= BPF_MAXINSNS);
	for (size_t i = 0; i < filter->n_insns; i++) {
		const struct sock_filter *in = &filter->insns[i];
		size_t left = filter->n_insns - i - 1;

		if (BPF_CLASS(in->code) != BPF_JMP)
			continue;
		if (BPF_OP(in->code) == BPF_JA)
			assert(in->k < left);
		else
			assert(in->jt < left && in->jf < left);
	}
	assert(BPF_CLASS(filter->insns[filter->n_insns - 1].code) == BPF_RET);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct syscall_filter filter = {.insns = NULL};
	struct message_budget budget = {.limit = 1 << 20};
	struct err err = ERR_INIT;
	ProtobufCMessage *profile;

	if (size > MAX_SIZE || message_decode(&grpc__linux_seccomp__descriptor,
				       slice_of(data, size), &budget, &profile, &err) < 0)
		return 0;
	if (seccomp_profile_compile((Grpc__LinuxSeccomp *)profile, -1, &filter, &err) < 0)
		assert(err_is_set(&err) && !filter.insns);
	else
		check_program(&filter);
	syscall_filter_fini(&filter);
	message_free(profile, &budget);
	return 0;
}
