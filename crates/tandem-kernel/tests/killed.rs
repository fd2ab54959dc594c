//! What a killed holder leaves: nothing where the kernel has links; else a filter whose lease ends and that the successor takes away.

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use common::{rtp, World, INTERFACES};
use tandem_kernel::{Kernel, Options, Way, LEASE_NS};

/// A process that holds one stream, from A to B.
struct Holder {
    child: Child,
    _said: BufReader<ChildStdout>,
    _list: tempfile::NamedTempFile,
}

impl Holder {
    fn new(world: &World, ports: (u16, u16), options: &[&str]) -> Holder {
        let list = tempfile::NamedTempFile::new().unwrap();
        let line = format!("10.233.1.1:{} 10.233.1.2:4000 10.233.2.1:{} 10.233.2.2:5000\n", ports.0, ports.1);
        std::fs::write(list.path(), line).unwrap();
        let program = std::env::current_exe().unwrap();
        let program = program.parent().and_then(Path::parent).unwrap().join("examples/forward");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &world.space("r")]).arg(program).args(options).arg(list.path()).args(INTERFACES);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        assert!(line.starts_with("ready"), "{line}");
        Holder { child, _said: said, _list: list }
    }

    fn killed(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_link_ends_with_its_process() {
    let Some(world) = World::new(true) else { return };
    let interfaces = INTERFACES.map(str::to_owned);
    if !world.within("r", || Kernel::open(&interfaces).unwrap().interfaces().all(|(_, by_link)| by_link)) {
        eprintln!("skipped: needs links at the ingress (Linux 6.6)");
        return;
    }
    let (a, b) = (world.socket("a", "10.233.1.2:4000"), world.socket("b", "10.233.2.2:5000"));
    let holder = Holder::new(&world, (30_000, 30_002), &[]);
    let relay = "10.233.1.1:30000".parse().unwrap();
    a.sends(relay, &rtp(1, 0, 7));
    assert_eq!(rtp(1, 0, 7), b.gets().0);
    holder.killed();
    let successor = world.socket("r", "10.233.1.1:30000");
    a.sends(relay, &rtp(2, 0, 7));
    assert_eq!(rtp(2, 0, 7), successor.gets().0);
    assert_eq!("", world.said("tc filter show dev to_a ingress"));
}

#[test]
fn a_filter_of_a_killed_process_lapses_and_its_successor_clears_it() {
    let Some(world) = World::new(true) else { return };
    let (a, b) = (world.socket("a", "10.233.1.2:4000"), world.socket("b", "10.233.2.2:5000"));
    let alive = Holder::new(&world, (30_004, 30_006), &["--filter"]);
    let holder = Holder::new(&world, (30_000, 30_002), &["--filter"]);
    let relay = "10.233.1.1:30000".parse().unwrap();
    a.sends(relay, &rtp(1, 0, 7));
    assert_eq!("10.233.2.1:30002", b.gets().1.to_string());
    holder.killed();
    let successor = world.socket("r", "10.233.1.1:30000");
    let began = Instant::now();
    loop {
        a.sends(relay, &rtp(2, 0, 7));
        if successor.hears() {
            break;
        }
        assert!(began.elapsed() < Duration::from_nanos(LEASE_NS) + Duration::from_secs(2), "still forwarded");
    }
    let filters = |world: &World| world.said("tc filter show dev to_a ingress").matches("tandem-media/").count();
    assert_eq!(2, filters(&world));
    let interfaces = INTERFACES.map(str::to_owned);
    let kernel = world.within("r", || Kernel::open_with(&interfaces, Options { flows: 4, way: Way::Filter })).unwrap();
    assert_eq!(2, filters(&world)); // the dead one's is gone, the living one's stays
    a.sends("10.233.1.1:30004".parse().unwrap(), &rtp(3, 0, 7));
    while b.gets().1.to_string() != "10.233.2.1:30006" {}
    world.within("r", || drop(kernel));
    assert_eq!(1, filters(&world));
    drop(alive);
}
