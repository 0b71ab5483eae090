/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Little-endian integers as they lie in guest memory and on wires. They are structs so that a raw
 * value cannot be used by accident: le16_get() and le16_of() are the only ways in and out.
 *
 * le16_load_acquire() and le16_store_release() are for the ring indices that the guest's processors
 * change while we look: each is one access, ordered against the bytes the index announces. They
 * need natural alignment, which vq_set_rings() has checked.
 */
#include <endian.h>
#include <stdint.h>

typedef struct {
	uint16_t raw;
} le16;
typedef struct {
	uint32_t raw;
} le32;
typedef struct {
	uint64_t raw;
} le64;

static inline uint16_t le16_get(le16 v)
{
	return le16toh(v.raw);
}

static inline uint32_t le32_get(le32 v)
{
	return le32toh(v.raw);
}

static inline uint64_t le64_get(le64 v)
{
	return le64toh(v.raw);
}

static inline le16 le16_of(uint16_t v)
{
	return (le16){htole16(v)};
}

static inline le32 le32_of(uint32_t v)
{
	return (le32){htole32(v)};
}

static inline le64 le64_of(uint64_t v)
{
	return (le64){htole64(v)};
}

static inline uint16_t le16_load_acquire(const le16 *p)
{
	return le16toh(__atomic_load_n(&p->raw, __ATOMIC_ACQUIRE));
}

static inline uint16_t le16_load_relaxed(const le16 *p)
{
	return le16toh(__atomic_load_n(&p->raw, __ATOMIC_RELAXED));
}

static inline void le16_store_release(le16 *p, uint16_t v)
{
	__atomic_store_n(&p->raw, htole16(v), __ATOMIC_RELEASE);
}

static inline void le16_store_relaxed(le16 *p, uint16_t v)
{
	__atomic_store_n(&p->raw, htole16(v), __ATOMIC_RELAXED);
}
