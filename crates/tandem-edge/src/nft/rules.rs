//! What stands in the kernel for our bans: a table with three sets and two rules, as messages. It sends nothing and touches no other table.

use netlink_packet_netfilter::nftables::{
    Bitwise, ChainAttribute, ChainMessage, Cmp, DataAttribute, ExpressionAttribute, Expressions, Hook, HookNumber, Immediate,
    InetHookNumber, ListAttribute, Lookup, Meta, MetaKey, NfTablesMessage, Operator, Payload, Register, RuleAttribute, RuleMessage,
    SetAttribute, SetDescription, SetElementAttribute, SetElementList, SetElementMessage, SetFlags, SetMessage, TableAttribute,
    TableMessage, Verdict, VerdictAttribute,
};
use std::net::IpAddr;
use tandem_sip::frame::Transport;

/// Our table, of the family `inet`.
pub const TABLE: &str = "tandem";
/// Elements of each set of banned sources; the kernel refuses more.
pub const BANNED_MOST: u32 = 65_536;
/// Elements of the set of ports.
pub const PORTS_MOST: u32 = 1_024;

const CHAIN: &str = "early";
const BANNED4: &str = "banned4";
const BANNED6: &str = "banned6";
const PORTS: &str = "ports";
/// Before connection tracking and everybody's filters (`raw`): what is banned costs nothing more.
const PRIORITY: i32 = -300;
const ACCEPT: u32 = 1;
const DROP: Verdict = Verdict::Other(0);
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Numbers by which `nft` shows a set's elements (libnftables' datatypes): they mean nothing to the kernel.
mod shown {
    pub const IPV4: u32 = 7;
    pub const IPV6: u32 = 8;
    const PROTOCOL: u32 = 12;
    const PORT: u32 = 13;
    pub const PROTOCOL_AND_PORT: u32 = PROTOCOL << 6 | PORT;
}

/// How a message is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// Make it, or leave what is there.
    Make,
    /// Add it at the end.
    Append,
    /// No more than the message says.
    Plain,
}

/// One message of a transaction.
pub type Step = (How, NfTablesMessage);

/// Table, sets, chain and rules, whatever of it is there already; bans of it stay. Another edge of the host may have made it.
pub fn house(listens: &[(Transport, u16)]) -> Vec<Step> {
    let table = || TableMessage { attributes: vec![TableAttribute::Name(TABLE.into())] };
    let set = |name: &str, shown, bytes, flags, most| {
        let attributes = vec![
            SetAttribute::Table(TABLE.into()),
            SetAttribute::Name(name.into()),
            SetAttribute::Flags(flags),
            SetAttribute::KeyType(shown),
            SetAttribute::KeyLen(bytes),
            SetAttribute::Id(1),
            SetAttribute::Description(vec![SetDescription::Size(most)]),
        ];
        (How::Make, NfTablesMessage::NewSet(SetMessage { attributes }))
    };
    let chain = ChainMessage {
        attributes: vec![
            ChainAttribute::Table(TABLE.into()),
            ChainAttribute::Name(CHAIN.into()),
            ChainAttribute::Hook(vec![Hook::Number(HookNumber::Inet(InetHookNumber::PreRouting)), Hook::Priority(PRIORITY as u32)]),
            ChainAttribute::Policy(ACCEPT),
            ChainAttribute::Type("filter".into()),
        ],
    };
    let rules = RuleMessage { attributes: vec![RuleAttribute::Table(TABLE.into()), RuleAttribute::Chain(CHAIN.into())] };
    let mut steps = vec![
        (How::Make, NfTablesMessage::NewTable(table())),
        set(BANNED4, shown::IPV4, 4, SetFlags::Timeout, BANNED_MOST),
        set(BANNED6, shown::IPV6, 16, SetFlags::Timeout, BANNED_MOST),
        set(PORTS, shown::PROTOCOL_AND_PORT, 8, SetFlags::empty(), PORTS_MOST),
        (How::Make, NfTablesMessage::NewChain(chain)),
        (How::Plain, NfTablesMessage::DeleteRule(rules)),
        rule(BANNED4, libc::NFPROTO_IPV4 as u8, 12, 4),
        rule(BANNED6, libc::NFPROTO_IPV6 as u8, 8, 16),
    ];
    let ports: Vec<_> = listens.iter().map(|&(transport, port)| vec![SetElementAttribute::Key(value(port_key(transport, port)))]).collect();
    if !ports.is_empty() {
        steps.push((How::Make, NfTablesMessage::NewSetElement(elements(PORTS, ports))));
    }
    steps
}

/// Takes the table away.
pub fn tear_down() -> Step {
    (How::Plain, NfTablesMessage::DeleteTable(TableMessage { attributes: vec![TableAttribute::Name(TABLE.into())] }))
}

/// Asks whether the table is there.
pub fn look() -> NfTablesMessage {
    NfTablesMessage::GetTable(TableMessage { attributes: vec![TableAttribute::Name(TABLE.into())] })
}

/// Asks who is banned: one message per set.
pub fn dump() -> [NfTablesMessage; 2] {
    [BANNED4, BANNED6].map(|set| NfTablesMessage::GetSetElement(elements(set, Vec::new())))
}

/// Drops what comes from a source to our ports, for so long.
pub fn ban(source: IpAddr, seconds: u32) -> Step {
    let (set, key) = key(source);
    let element = vec![SetElementAttribute::Key(value(key)), SetElementAttribute::Timeout(u64::from(seconds) * 1_000)];
    (How::Make, NfTablesMessage::NewSetElement(elements(set, vec![element])))
}

/// Ends that.
pub fn unban(source: IpAddr) -> Step {
    let (set, key) = key(source);
    (How::Plain, NfTablesMessage::DeleteSetElement(elements(set, vec![vec![SetElementAttribute::Key(value(key))]])))
}

/// The sources in an answer to `dump`, and for how many seconds each is still banned.
pub fn banned(message: &NfTablesMessage) -> Vec<(IpAddr, u32)> {
    let NfTablesMessage::NewSetElement(SetElementMessage { attributes }) = message else { return Vec::new() };
    let lists = attributes.iter().filter_map(|attribute| match attribute {
        SetElementList::Elements(list) => Some(list),
        _ => None,
    });
    let one = |element: &ListAttribute<SetElementAttribute>| {
        let ListAttribute::Element(parts) = element else { return None };
        let (mut source, mut left) = (None, 0);
        for part in parts {
            match part {
                SetElementAttribute::Key(DataAttribute::Value(bytes)) => source = address(bytes),
                SetElementAttribute::Expiration(milliseconds) => left = milliseconds.div_ceil(1_000),
                _ => {}
            }
        }
        source.zip(u32::try_from(left).ok().filter(|left| *left > 0))
    };
    lists.flatten().filter_map(one).collect()
}

fn key(source: IpAddr) -> (&'static str, Vec<u8>) {
    match source.to_canonical() {
        IpAddr::V4(v4) => (BANNED4, v4.octets().to_vec()),
        // Its /64: one customer has all of it (`cidr::source_key`).
        IpAddr::V6(v6) => (BANNED6, [&v6.octets()[..8], &[0; 8]].concat()),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

fn port_key(transport: Transport, port: u16) -> Vec<u8> {
    let protocol = if transport == Transport::Udp { UDP } else { TCP };
    let [high, low] = port.to_be_bytes();
    vec![protocol, 0, 0, 0, high, low, 0, 0]
}

fn elements(set: &str, all: Vec<Vec<SetElementAttribute>>) -> SetElementMessage {
    let mut attributes = vec![SetElementList::Table(TABLE.into()), SetElementList::Set(set.into())];
    if !all.is_empty() {
        attributes.push(SetElementList::Elements(all.into_iter().map(ListAttribute::Element).collect()));
    }
    SetElementMessage { attributes }
}

fn value(bytes: Vec<u8>) -> DataAttribute {
    DataAttribute::Value(bytes)
}

/// `meta nfproto FAMILY, SOURCE/64 @set, meta l4proto . th dport @ports, counter, drop`.
fn rule(set: &str, family: u8, offset: u32, bytes: u32) -> Step {
    let meta = |key, register| Expressions::Meta(vec![Meta::Key(key), Meta::DestinationRegister(register)]);
    let load = |base, offset, length, register| {
        Expressions::Payload(vec![
            Payload::DestinationRegister(register),
            Payload::Base(base),
            Payload::Offset(offset),
            Payload::Len(length),
        ])
    };
    let find = |set: &str, register| Expressions::Lookup(vec![Lookup::Set(set.into()), Lookup::SourceRegister(register)]);
    let mut all = vec![
        meta(MetaKey::Nfproto, Register::Reg1),
        Expressions::Cmp(vec![Cmp::SourceRegister(Register::Reg1), Cmp::Op(Operator::Equal), Cmp::Data(value(vec![family]))]),
        load(libc::NFT_PAYLOAD_NETWORK_HEADER as u32, offset, bytes, Register::Reg1),
    ];
    if bytes == 16 {
        all.push(Expressions::Bitwise(vec![
            Bitwise::SourceRegister(Register::Reg1),
            Bitwise::DestinationRegister(Register::Reg1),
            Bitwise::Length(16),
            Bitwise::Mask(value([[0xff; 8], [0; 8]].concat())),
            Bitwise::Xor(value(vec![0; 16])),
        ]));
    }
    all.extend([
        find(set, Register::Reg1),
        meta(MetaKey::L4Proto, Register::Reg32_00),
        load(libc::NFT_PAYLOAD_TRANSPORT_HEADER as u32, 2, 2, Register::Reg32_01),
        find(PORTS, Register::Reg32_00),
        Expressions::Other { expression_type: "counter".into(), attributes: Vec::new() },
        Expressions::Immediate(vec![
            Immediate::DestinationRegister(Register::Verdict),
            Immediate::Data(DataAttribute::Verdict(vec![VerdictAttribute::Code(DROP)])),
        ]),
    ]);
    let attributes = vec![
        RuleAttribute::Table(TABLE.into()),
        RuleAttribute::Chain(CHAIN.into()),
        RuleAttribute::Expressions(all.into_iter().map(ListAttribute::<ExpressionAttribute>::from).collect()),
    ];
    (How::Append, NfTablesMessage::NewRule(RuleMessage { attributes }))
}
