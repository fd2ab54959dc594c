// SPDX-License-Identifier: Apache-2.0 OR MIT OR GPL-2.0-only
// Forwards established RTP streams where they enter an interface, and counts them; all else goes up unchanged. It learns nothing and
// decides nothing: streams are put into its maps by their holder, whose Rust side (../src) has the same layouts.
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stddef.h>

#include "relay.h"

#define MAX_DROPOUT 3000 // RFC 3550 A.1: a larger jump of the sequence is a new beginning
#define MAX_MISORDER 100 // packets that may be late
#define PLAIN_BYTES 1294 // a frame that fits any interface (RFC 8200 5: 1280); a longer one is checked
#define UP TC_ACT_UNSPEC

char _license[] SEC("license") = "Dual MIT/GPL";

INLINE __u32 fold32(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

INLINE __u16 fold16(__u64 sum)
{
	__u32 half = fold32(sum);
	half = (half & 0xffff) + (half >> 16);
	return (half & 0xffff) + (half >> 16);
}

// What a one's complement sum grows by (RFC 1624), one word after another.
INLINE __u64 grown(__u32 from, __u32 to) { return (__u64)(__u32)~from + to; }

// RFC 3550 A.1, A.3 and A.8.
INLINE void count(const struct flow *flow, struct state *state, const struct rtp *rtp, __u64 now, __u32 bytes)
{
	__u64 passed = now - state->last_ns;
	state->last_ns = now;
	__sync_fetch_and_add(&state->packets, 1);
	__sync_fetch_and_add(&state->bytes, bytes);
	if (!flow->rtp)
		return;
	__u16 sequence = be16(rtp->sequence), ahead = sequence - (__u16)state->highest;
	__u32 timestamp = be32(rtp->timestamp);
	if (!state->beginnings || state->ssrc != rtp->ssrc || (ahead >= MAX_DROPOUT && ahead <= 65536 - MAX_MISORDER)) {
		if (state->beginnings)
			state->before += state->highest - state->base + 1;
		state->beginnings++;
		state->ssrc = rtp->ssrc;
		state->base = state->highest = sequence;
		state->timestamp = timestamp;
		return;
	}
	if (!ahead)
		state->twice++;
	else if (ahead < MAX_DROPOUT)
		state->highest += ahead;
	else
		state->late++;
	__s64 off = (__s64)passed - ((__s64)(__s32)(timestamp - state->timestamp) * flow->tick >> 8);
	state->timestamp = timestamp;
	state->jitter_ns += ((off < 0 ? -off : off) >> 4) - (state->jitter_ns >> 4);
}

// Reads the addresses of a whole IPv4 UDP packet without options, and gives it its new ones.
INLINE int read4(const struct iphdr *ip, __u16 udp_bytes, struct place *place)
{
	if (*(const __u8 *)ip != 0x45 || ip->protocol != IPPROTO_UDP || ip->frag_off & be16(0x3fff) || ip->ttl <= 1 ||
	    be16(ip->tot_len) != sizeof(*ip) + udp_bytes)
		return 0;
	place->local[2] = place->remote[2] = be32(0xffff);
	place->local[3] = ip->daddr;
	place->remote[3] = ip->saddr;
	return 1;
}

INLINE __u64 write4(struct iphdr *ip, const struct flow *flow)
{
	__u64 addresses = grown(ip->saddr, flow->source[3]) + grown(ip->daddr, flow->destination[3]), head = addresses;
	__u16 *life = (__u16 *)&ip->ttl, old_life = *life;
	__u32 old = *(__u32 *)ip;

	ip->tos = flow->tos;
	ip->ttl--;
	head += grown(old, *(__u32 *)ip) + (__u16)~old_life + *life;
	ip->check = ~fold16((__u16)~ip->check + head);
	ip->saddr = flow->source[3];
	ip->daddr = flow->destination[3];
	return addresses;
}

INLINE int read6(const struct ipv6hdr *ip, __u16 udp_bytes, struct place *place)
{
	if (ip->version != 6 || ip->nexthdr != IPPROTO_UDP || ip->hop_limit <= 1 || be16(ip->payload_len) != udp_bytes)
		return 0;
	__builtin_memcpy(place->local, &ip->daddr, sizeof(place->local));
	__builtin_memcpy(place->remote, &ip->saddr, sizeof(place->remote));
	return 1;
}

// `*others`: what the sum of the head grows by beside its addresses.
INLINE __u64 write6(struct ipv6hdr *ip, const struct flow *flow, __u64 *others)
{
	__u32 *words = (__u32 *)ip, first = words[0], second = words[1];
	__u64 addresses = 0;

	words[0] = (first & be32(0xf00fffff)) | be32((__u32)flow->tos << 20);
	ip->hop_limit--;
	*others = grown(first, words[0]) + grown(second, words[1]);
#pragma unroll
	for (int n = 0; n < 4; n++) {
		addresses += grown(words[2 + n], flow->source[n]) + grown(words[6 + n], flow->destination[n]);
		words[2 + n] = flow->source[n];
		words[6 + n] = flow->destination[n];
	}
	return addresses;
}

INLINE int same(const struct place *one, const struct place *other)
{
	const __u32 *a = (const __u32 *)one, *b = (const __u32 *)other;
	__u32 differ = 0;
#pragma unroll
	for (int n = 0; n < sizeof(*one) / 4; n++)
		differ |= a[n] ^ b[n];
	return !differ;
}

INLINE int forward(struct __sk_buff *skb, const int six)
{
	__u32 at = ETH_HLEN + (six ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)), zero = 0, mtu = 0, number;
	__u32 least = at + sizeof(struct udphdr) + sizeof(struct rtp);
	void *data = (void *)(long)skb->data;
	struct place place = {};
	if (skb->pkt_type != PACKET_HOST || skb->vlan_present || skb->gso_size)
		return UP;
	if (data + least > (void *)(long)skb->data_end) {
		if (bpf_skb_pull_data(skb, least))
			return UP;
		data = (void *)(long)skb->data;
		if (data + least > (void *)(long)skb->data_end)
			return UP;
	}
	void *ip = data + ETH_HLEN;
	struct udphdr *udp = data + at;
	struct rtp *rtp = (void *)(udp + 1);
	__u16 bytes = be16(udp->len);
	if (bytes < sizeof(*udp) + sizeof(*rtp) || skb->len < at + bytes || (six && !udp->check))
		return UP;
	if (!(six ? read6(ip, bytes, &place) : read4(ip, bytes, &place)))
		return UP;
	place.local_port = udp->dest;
	place.remote_port = udp->source;

	__u32 *found = bpf_map_lookup_elem(&places, &place);
	if (!found)
		return UP;
	number = *found;
	struct flow *flow = bpf_map_lookup_elem(&flows, &number);
	if (!flow || !same(&flow->place, &place))
		return UP;
	if (flow->rtp && ((rtp->first & 0xc0) != 0x80 || (rtp->second & 0x60) == 0x40)) // RFC 5761 4: 64 to 95 is RTCP
		return UP;
	__u64 *until = bpf_map_lookup_elem(&lease, &zero), now = bpf_ktime_get_ns();
	if (!until || now > *until)
		return UP;
	if (skb->len > PLAIN_BYTES && bpf_check_mtu(skb, flow->interface, &mtu, 0, 0))
		return UP;
	number = flow->state;
	struct state *state = bpf_map_lookup_elem(&states, &number);
	if (!state)
		return UP;
	count(flow, state, rtp, now, bytes - sizeof(*udp));

	__u64 others = 0, addresses = six ? write6(ip, flow, &others) : write4(ip, flow);
	__u64 ports = grown(*(__u32 *)udp, *(__u32 *)&flow->source_port);
	*(__u32 *)udp = *(__u32 *)&flow->source_port;
	at += offsetof(struct udphdr, check);
	// The helper knows whether the sum is finished here or by the interface.
	if (bpf_l4_csum_replace(skb, at, 0, fold32(addresses), BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0) ||
	    bpf_l4_csum_replace(skb, at, 0, fold32(ports), BPF_F_MARK_MANGLED_0))
		return TC_ACT_SHOT;
	if (six) // it takes every head for one with a sum of its own
		bpf_csum_update(skb, fold32(addresses + others));
	struct bpf_redir_neigh hop = {.nh_family = flow->hop_family};
	__builtin_memcpy(hop.ipv6_nh, flow->hop, sizeof(hop.ipv6_nh));
	return bpf_redirect_neigh(flow->interface, &hop, sizeof(hop), 0);
}

SEC("tc") int relay(struct __sk_buff *skb)
{
	if (skb->protocol == be16(ETH_P_IP))
		return forward(skb, 0);
	return skb->protocol == be16(ETH_P_IPV6) ? forward(skb, 1) : UP;
}
