//! The words of the `flags` list, and those of the lists that are also spelled as flags. What they lead to is decided elsewhere.

use super::answer::Failure;
use super::codec::Codec;
use super::fields::Fields;
use super::keys;
use super::options::{IceMode, Transport};
use super::value::Value;
use super::words::{after, assigned, word};
use crate::plan::Learning;
use crate::sdp::Protocol;

/// Reads one flag. False: it is unknown.
pub(super) fn read(fields: &mut Fields, text: &str) -> Result<bool, Failure> {
    if plain(fields, &word(text)) || prefixed(fields, text)? {
        return Ok(true);
    }
    match assigned(text) {
        Some((key, value)) => keys::read(fields, key, &value),
        None => Ok(transport(fields, text)),
    }
}

fn plain(fields: &mut Fields, flag: &str) -> bool {
    let options = &mut fields.options;
    match flag {
        "all" => fields.party.all = true,
        "directional" => fields.party.directional = true,
        "fatal" => fields.fatal = true,
        "fast" => fields.fast = true,
        "to-tag" => fields.honour_to_tag = true,
        "pause" => fields.pause = true,
        "block-egress" => fields.block_egress = true,
        "trust-address" => options.sip_source_address = false,
        "sip-source-address" => options.sip_source_address = true,
        "asymmetric" => options.asymmetric = true,
        "symmetric" => options.asymmetric = false,
        "strict-source" => options.strict_source = true,
        "media-handover" => options.media_handover = true,
        "reset" => options.reset = true,
        "no-rtcp-attribute" => options.no_rtcp_attribute = true,
        "full-rtcp-attribute" => options.full_rtcp_attribute = true,
        "loop-protect" => options.loop_protect = true,
        "original-sendrecv" => options.original_sendrecv = true,
        "inactive" => options.inactive = true,
        "bidirectional" => options.bidirectional = true,
        "generate-mid" => options.generate_mid = true,
        "strip-extmap" => options.strip_extmap = true,
        "cancel-echo" => options.cancel_echo = Some(true),
        "no-cancel-echo" => options.cancel_echo = Some(false),
        "denoise" => options.denoise = Some(true),
        "no-denoise" => options.denoise = Some(false),
        "inject-dtmf" => options.inject_dtmf = true,
        "allow-transcoding" => options.allow_transcoding = true,
        "single-codec" => options.single_codec = true,
        "always-transcode" => options.codec.accept.extend(Codec::parse("all")),
        "trickle-ice" => options.trickle = true,
        "reject-ice" => options.reject_ice = true,
        "fragment" => options.fragment = true,
        "no-tls-id" => options.no_tls_id = true,
        "pad-crypto" => options.sdes.unpadded = false,
        "record-call" => options.record = Some(true),
        "transparent" | "srtp-transparent" => options.transparent = true,
        "webrtc" => {
            options.transport = Some(Transport::To(Protocol::TlsSavpf));
            options.ice = IceMode::Force;
            options.trickle = true;
            (options.mux.offer, options.mux.require) = (true, true);
            options.no_rtcp_attribute = true;
            options.sdes.off = true;
            options.generate_mid = true;
        }
        // Nothing is to be done for these: it is so anyway, or concerns what this relay does not have.
        "unidirectional"
        | "port-latching"
        | "debug"
        | "debugging"
        | "no-redis-update"
        | "passthrough"
        | "allow-asymmetric-codecs"
        | "provisional"
        | "new-branch"
        | "recrypt"
        | "early-media"
        | "skip-recording-db"
        | "mix" => {}
        "no-port-latching"
        | "reuse-codecs"
        | "no-codec-renegotiation"
        | "static-codecs"
        | "allow-no-codec-media"
        | "force-transcoding"
        | "generate-rtcp"
        | "rtcp-mirror"
        | "pierce-nat"
        | "nat-wait"
        | "detect-dtmf"
        | "block-short"
        | "block-short-packets"
        | "discard-recording"
        | "exclude-recording"
        | "recording-announcement"
        | "block-dtmf" => fields.unserved(&format!("flag '{flag}'")),
        _ => return false,
    }
    true
}

/// Flags that are a list's name and one of its words.
fn prefixed(fields: &mut Fields, text: &str) -> Result<bool, Failure> {
    for key in ["replace", "rtcp-mux", "sdes", "osrtp", "ice", "dtls-reverse", "dtls", "endpoint-learning", "t38", "t.38"] {
        if let Some(value) = after(text, &format!("{key}-")) {
            return keys::read(fields, key, &Value::text(value));
        }
    }
    if let Some(tag) = after(text, "from-tags-") {
        fields.party.from_tags.push(tag.to_owned());
        return Ok(true);
    }
    let rule = after(text, "codec-").or_else(|| ["transcode-"].iter().any(|prefix| after(text, prefix).is_some()).then_some(text));
    let Some((list, codec)) = rule.and_then(|rule| rule.split_once(['-', ' ', '_'])) else { return Ok(false) };
    codec_rule(fields, list, &Value::text(codec))
}

/// Adds to a list of codec rules. False: there is no such list.
pub(super) fn codec_rule(fields: &mut Fields, list: &str, value: &Value) -> Result<bool, Failure> {
    if fields.options.codec.list(list).is_none() {
        return Ok(false);
    }
    for item in value.items() {
        let codec = item.as_str().and_then(Codec::parse).ok_or_else(|| Failure::bad(format!("codec {list}"), item, "is no codec"))?;
        fields.options.codec.list(list).into_iter().for_each(|list| list.push(codec.clone()));
    }
    Ok(true)
}

/// A bare protocol, as Kamailio's flags have it.
fn transport(fields: &mut Fields, text: &str) -> bool {
    let protocol = Protocol::parse(text);
    let known = protocol.is_rtp();
    if known {
        fields.options.transport = Some(Transport::To(protocol));
    }
    known
}

/// An algorithm of NAT learning.
pub(super) fn learning(value: &str) -> Option<Learning> {
    match &word(value)[..] {
        "off" => Some(Learning::Off),
        "immediate" => Some(Learning::Immediate),
        "delayed" => Some(Learning::Delayed),
        "heuristic" => Some(Learning::Heuristic),
        _ => None,
    }
}
