//! An edge as a process: `serve CONFIG.json` runs it until SIGTERM. For tests that need one in a network namespace of its own.

fn main() {
    let path = std::env::args().nth(1).expect("serve CONFIG.json");
    let json = std::fs::read(path).expect("a readable file");
    if let Err(error) = tandem_edge::run(&json) {
        eprintln!("serve: {error}");
        std::process::exit(78);
    }
}
