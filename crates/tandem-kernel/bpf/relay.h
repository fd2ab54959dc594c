// SPDX-License-Identifier: Apache-2.0 OR MIT OR GPL-2.0-only
// The maps of relay.c with their layouts, which ../src/layout.rs has too, and the kernel's functions that it calls. No code.
#include <linux/bpf.h>

#define FLOWS 65536 // streams at most
#define CHANGES 8192 // of them that may be changed or ended within the time that a reader may take

#define SEC(name) __attribute__((section(name), used))
#define INLINE static __attribute__((always_inline))
#define be16(number) __builtin_bswap16(number)
#define be32(number) __builtin_bswap32(number)

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static __u64 (*const bpf_ktime_get_ns)(void) = (void *)BPF_FUNC_ktime_get_ns;
static long (*const bpf_skb_pull_data)(struct __sk_buff *skb, __u32 bytes) = (void *)BPF_FUNC_skb_pull_data;
static long (*const bpf_l4_csum_replace)(struct __sk_buff *skb, __u32 at, __u64 from, __u64 to, __u64 flags) =
	(void *)BPF_FUNC_l4_csum_replace;
static __s64 (*const bpf_csum_update)(struct __sk_buff *skb, __u32 sum) = (void *)BPF_FUNC_csum_update;
static long (*const bpf_check_mtu)(void *skb, __u32 interface, __u32 *mtu, __s32 more, __u64 flags) = (void *)BPF_FUNC_check_mtu;
static long (*const bpf_redirect_neigh)(__u32 interface, struct bpf_redir_neigh *hop, int bytes, __u64 flags) =
	(void *)BPF_FUNC_redirect_neigh;

// Who sends to whom; an IPv4 address is mapped (RFC 4291 2.5.5.2). All in network order.
struct place {
	__u32 local[4], remote[4];
	__u16 local_port, remote_port;
};

// What to do with the packets of a place. It never changes while a packet may be looking at it.
struct flow {
	struct place place; // again: an element of a hash may be used anew under its reader
	__u32 source[4], destination[4], hop[4];
	__u16 source_port, destination_port;
	__u32 interface; // where it leaves
	__u32 tick; // of the RTP clock, in 1/256 ns
	__u32 state;
	__u32 hop_family;
	__u8 tos, rtp, unused[2]; // rtp: 0: whatever comes is forwarded
	__u32 more[5];
};

// What has come. One stream arrives on one core at a time, so nothing here is locked.
struct state {
	__u64 packets, bytes, last_ns, jitter_ns;
	__u32 ssrc, highest, base, before; // the last three: extended sequence numbers, and what was expected of earlier beginnings
	__u32 timestamp, late, twice, beginnings;
};

struct rtp {
	__u8 first, second;
	__u16 sequence;
	__u32 timestamp, ssrc;
};

struct map {
	__u32 type, key_bytes, value_bytes, entries, flags;
};

struct map places SEC("maps") = {BPF_MAP_TYPE_HASH, sizeof(struct place), sizeof(__u32), FLOWS, 0};
struct map flows SEC("maps") = {BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(struct flow), FLOWS + CHANGES, BPF_F_MMAPABLE};
struct map states SEC("maps") = {BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(struct state), FLOWS + CHANGES, BPF_F_MMAPABLE};
struct map lease SEC("maps") = {BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(__u64), 1, BPF_F_MMAPABLE};
