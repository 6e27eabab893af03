//! Opens a capture in the inspector: `cargo run -p afterimage-inspect-tui --example inspect FILE [VIEW [FILTER]]`.

use afterimage_indexer::Session;
use afterimage_inspect_tui::{Options, run};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("usage: inspect FILE [VIEW [FILTER]]")?;
    let path = Path::new(&file);
    let session = Session::open(path)?;
    let name = path
        .file_name()
        .map_or_else(|| file.clone(), |name| name.display().to_string());
    let options = Options {
        name,
        view: args.next().unwrap_or_default(),
        filter: args.next().unwrap_or_default(),
        ..Options::default()
    };
    run(session, options)?;
    Ok(())
}
