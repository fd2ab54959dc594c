//! Packets that libsrtp has protected (`tests/golden/srtp`, whose script says how) are opened, and made again byte for byte.

use tandem_rtp::srtp::{Master, Receiver, Sender, State, StreamState, Suite};

const PACKETS: &str = include_str!("../../../tests/golden/srtp/packets.txt");
const SSRC: u32 = 0x1234_abcd;

struct Golden {
    master: Master,
    is_rtp: bool,
    index: u64,
    plain: Vec<u8>,
    protected: Vec<u8>,
}

fn golden() -> Vec<Golden> {
    let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
    let lines = PACKETS.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let [suite, key_salt, kind, index, plain, protected] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
            Golden {
                master: Master::new(Suite::from_name(suite).unwrap(), hex(key_salt)).unwrap(),
                is_rtp: kind == "rtp",
                index: index.parse().unwrap(),
                plain: hex(plain),
                protected: hex(protected),
            }
        })
        .collect()
}

fn of(suite: Suite) -> Vec<Golden> {
    golden().into_iter().filter(|packet| packet.master.suite == suite).collect()
}

fn protect(sender: &mut Sender, packet: &Golden) -> Vec<u8> {
    let mut buffer = [&packet.plain[..], &[0; 20]].concat();
    let len = packet.plain.len();
    let len = if packet.is_rtp { sender.rtp(&mut buffer, len) } else { sender.rtcp(&mut buffer, len) }.unwrap();
    buffer.truncate(len);
    buffer
}

fn open(receiver: &mut Receiver, packet: &Golden) -> Vec<u8> {
    let mut buffer = packet.protected.clone();
    let len = buffer.len();
    let len = if packet.is_rtp { receiver.rtp(&mut buffer, len) } else { receiver.rtcp(&mut buffer, len) }.unwrap();
    buffer.truncate(len);
    buffer
}

#[test]
fn a_first_wrap_in_disorder_is_opened_and_made_again() {
    for suite in Suite::ALL {
        let packets: Vec<Golden> = of(suite).into_iter().filter(|packet| packet.index < 70_000).collect();
        assert_eq!(20, packets.len());
        let (mut sender, mut receiver) = (Sender::new(&packets[0].master).unwrap(), Receiver::new(&packets[0].master).unwrap());
        // libsrtp's first SRTCP index is 1, RFC 3711's is 0.
        let mut first = [&packets[19].plain[..], &[0; 20]].concat();
        sender.rtcp(&mut first, packets[19].plain.len()).unwrap();
        for packet in &packets {
            assert_eq!(packet.protected, protect(&mut sender, packet), "{suite:?} {}", packet.index);
            assert_eq!(packet.plain, open(&mut receiver, packet), "{suite:?} {}", packet.index);
        }
        let state = StreamState { ssrc: SSRC, rtp: Some(65_545), rtcp: Some(4) };
        assert_eq!((vec![state], vec![state]), (sender.state().streams, receiver.state().streams));
    }
}

#[test]
fn a_second_wrap_is_opened_and_made_again_by_heirs() {
    for suite in Suite::ALL {
        let packets: Vec<Golden> = of(suite).into_iter().filter(|packet| packet.index > 70_000).collect();
        assert_eq!(10, packets.len());
        for lag in [1, 300, 30_000] {
            let master = packets[0].master.clone();
            let stream = StreamState { ssrc: SSRC, rtp: Some(packets[0].index - lag), rtcp: None };
            let state = State { master, takeovers: 0, streams: vec![stream] };
            let (mut sender, mut receiver) = (Sender::heir(&state).unwrap(), Receiver::heir(&state).unwrap());
            for packet in &packets {
                assert_eq!(packet.protected, protect(&mut sender, packet), "{suite:?} {}", packet.index);
                assert_eq!(packet.plain, open(&mut receiver, packet), "{suite:?} {}", packet.index);
            }
        }
        // Without any state: the sender must be told, the receiver finds out.
        let (mut sender, mut receiver) = (Sender::new(&packets[0].master).unwrap(), Receiver::new(&packets[0].master).unwrap());
        assert!(sender.begin(SSRC, 1));
        for packet in &packets {
            assert_eq!(packet.protected, protect(&mut sender, packet));
            assert_eq!(packet.plain, open(&mut receiver, packet));
        }
        assert!(!sender.begin(SSRC, 1));
    }
}
