//! A small program with a known story, to be watched by two observers at once: files, a pipe, sockets, memory, signals,
//! errors, and threads that each do their own.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;

fn files(folder: &str, who: usize) -> std::io::Result<()> {
    for round in 0..50 {
        let path = format!("{folder}/thread-{who}-{round}");
        let mut file = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path)?;
        file.write_all(format!("round {round}").as_bytes())?;
        file.seek(SeekFrom::Start(2))?;
        let mut rest = String::new();
        file.read_to_string(&mut rest)?;
        file.set_len(1)?;
        drop(file);
        fs::rename(&path, format!("{path}.renamed"))?;
        let _ = File::open(&path);
        fs::remove_file(format!("{path}.renamed"))?;
    }
    Ok(())
}

fn sockets() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    for _ in 0..5 {
        let mut client = TcpStream::connect(address)?;
        let (mut server, _) = listener.accept()?;
        client.write_all(b"ping")?;
        let mut buf = [0; 4];
        server.read_exact(&mut buf)?;
        server.write_all(b"pong")?;
        client.read_exact(&mut buf)?;
    }
    Ok(())
}

fn story(folder: &str) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let threads: Vec<_> = (0..3)
        .map(|who| {
            let folder = folder.to_owned();
            thread::spawn(move || files(&folder, who))
        })
        .collect();
    sockets()?;
    let _ = fs::read("/no/such/file");
    let _ = fs::read_dir("/proc/self")?.count();
    for thread in threads {
        thread
            .join()
            .map_err(|_| std::io::Error::other("a thread panicked"))??;
    }
    fs::remove_dir_all(folder)
}

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else {
        return ExitCode::from(2);
    };
    if story(&folder).is_ok() {
        ExitCode::from(42)
    } else {
        ExitCode::FAILURE
    }
}
