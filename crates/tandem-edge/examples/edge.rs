//! An edge without Python: `edge CONFIG.json`. For profilers.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: edge CONFIG.json")?;
    tandem_edge::run(&std::fs::read(path)?)?;
    Ok(())
}
