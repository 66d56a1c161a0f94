//! What the examples share: little backends, and serving until Ctrl-C.

use gapura::Server;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use tokio::signal::unix::{SignalKind, signal};

/// Starts a backend on a free port. It answers every request with its name, the path that it was
/// asked for, and what the proxy told it in `X-Plan`.
pub(crate) fn backend(name: &'static str) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || converse(name, &stream));
        }
    });
    Ok(address)
}

/// Answers the requests of one connection.
fn converse(name: &str, stream: &TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while let Some(request) = lines.next().transpose()? {
        let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
        let mut plan = String::new();
        for line in lines.by_ref() {
            match line?.split_once(": ") {
                Some((key, value)) if key.eq_ignore_ascii_case("x-plan") => {
                    plan = format!(" ({value})");
                }
                Some(_) => {}
                None => break,
            }
        }
        let body = format!("{name} answers {path}{plan}\n");
        let length = body.len();
        write!(
            &*stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
    }
    Ok(())
}

/// Starts the server, prints its address and what to try, and serves until Ctrl-C. In what to try,
/// `URL` stands for the address.
pub(crate) fn serve(server: Server, to_try: &str) -> Result<(), Box<dyn Error>> {
    let running = server.start()?;
    let url = format!("http://{}", running.addresses()[0]);
    let mut out = io::stdout();
    writeln!(
        out,
        "{url}/\n\n{}\n\nCtrl-C ends it.",
        to_try.replace("URL", &url)
    )?;
    out.flush()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        io::Result::Ok(())
    })?;
    running.quit();
    Ok(())
}
