//! Carries N plain calls between 127.0.0.2 and 127.0.0.3 for a while, without commands: to look at the packet path alone.
//! `plain CALLS SECONDS` prints a flow file for rtpgen on stdout.

use std::net::SocketAddr;
use std::time::Duration;

use tandem_media::config::{Interface, Ports};
use tandem_media::orders::{Mailbox, Order};
use tandem_media::ports::PortPool;
use tandem_media::worker::Worker;
use tandem_rtp::plan::{Endpoint, EndpointId, Local, Remote};
use tandem_rtp::relay::Silence;

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let &[calls, seconds] = &numbers[..] else { panic!("plain CALLS SECONDS") };
    tandem_sys::socket::raise_descriptor_limit().unwrap();
    let interface = Interface { name: "default".into(), address: "127.0.0.1".parse().unwrap(), advertised: None };
    let mut pool = PortPool::new(vec![interface], Ports { min: 20_000, max: 60_000 }, 0);
    let (orders, reports) = (Mailbox::open().unwrap(), Mailbox::open().unwrap());
    let worker = Worker::open(orders.clone(), reports, 0, 184, Silence { sending: 0, held: 0 }).unwrap();
    for call in 0..calls {
        let port = 30_000 + 2 * (call % 32);
        let sides: [SocketAddr; 2] = ["127.0.0.2", "127.0.0.3"].map(|host| format!("{host}:{port}").parse().unwrap());
        let mut ports = Vec::new();
        for (side, remote) in sides.into_iter().enumerate() {
            let (local, pair) = pool.take("", false).unwrap();
            ports.push(local.rtp);
            let id = 2 * call + side as u64;
            orders.put(Order::Put(Box::new(endpoint(id, id ^ 1, local, remote)), Some(pair), None));
        }
        println!("{} 127.0.0.1:{} {} -", sides[0], ports[0], sides[1]);
        println!("{} 127.0.0.1:{} {} -", sides[1], ports[1], sides[0]);
    }
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(seconds));
        orders.put(Order::Stop);
    });
    worker.run().unwrap();
}

fn endpoint(id: u64, sink: u64, local: Local, to: SocketAddr) -> Endpoint {
    Endpoint {
        call: (id / 2).to_string(),
        leg: id.to_string(),
        remote: Some(Remote { rtp: to, rtcp: SocketAddr::new(to.ip(), to.port() + 1) }),
        sinks: vec![EndpointId(sink)],
        tos: 184,
        ..Endpoint::new(EndpointId(id), local)
    }
}
