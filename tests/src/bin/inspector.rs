//! Opens the inspector on a capture, for the tests that look at what reaches a real terminal: `inspector FILE [panic]`.
//! With `panic` a thread of the process panics soon after the start.

use afterimage_indexer::Session;
use afterimage_inspect_tui::{Options, run};
use std::path::Path;
use std::time::Duration;

fn main() {
    let mut args = std::env::args().skip(1);
    let file = args.next().expect("a capture");
    if args.next().as_deref() == Some("panic") {
        let when = args.next().expect("the file that says when");
        std::thread::spawn(move || {
            while !Path::new(&when).exists() {
                std::thread::sleep(Duration::from_millis(10));
            }
            panic!("a panic on purpose");
        });
    }
    let session = Session::open(Path::new(&file)).expect("the capture opens");
    if let Err(error) = run(session, Options::default()) {
        #[expect(clippy::print_stderr, reason = "the test reads it")]
        {
            eprintln!("ended: {error}");
        }
        std::process::exit(1);
    }
}
