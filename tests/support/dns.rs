//! A name server inside the test: it says what it is told to, and fails as it is told to.

use super::{Addressed, free_port};
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A name server on a port of its own, over UDP and TCP. What it is not told of does not exist.
pub struct NameServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    names: Mutex<HashMap<String, Entry>>,
    asked: Mutex<Vec<Asked>>,
    stopped: AtomicBool,
}

/// A question as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub name: String,
    pub kind: RecordType,
    pub tcp: bool,
}

/// What is said of a name.
#[derive(Debug, Clone)]
pub struct Entry {
    addresses: Vec<IpAddr>,
    alias: Option<String>,
    services: Vec<(u16, u16, u16, String)>,
    ttl: u32,
    code: ResponseCode,
    silent: bool,
    truncated: bool,
    slow: Duration,
}

impl Entry {
    /// These addresses, for an hour.
    pub fn at(addresses: &[&str]) -> Self {
        let addresses = addresses
            .iter()
            .map(|text| text.parse().expect("an address"));
        Self {
            addresses: addresses.collect(),
            alias: None,
            services: Vec::new(),
            ttl: 3600,
            code: ResponseCode::NoError,
            silent: false,
            truncated: false,
            slow: Duration::ZERO,
        }
    }

    /// Another name for this one.
    pub fn alias(name: &str) -> Self {
        Self {
            alias: Some(name.to_owned()),
            ..Self::at(&[])
        }
    }

    /// Servers of a service: priority, weight, port and name.
    pub fn services(services: &[(u16, u16, u16, &str)]) -> Self {
        let own = |(priority, weight, port, name): &(u16, u16, u16, &str)| {
            (*priority, *weight, *port, (*name).to_owned())
        };
        Self {
            services: services.iter().map(own).collect(),
            ..Self::at(&[])
        }
    }

    /// An error.
    pub fn failing(code: ResponseCode) -> Self {
        Self {
            code,
            ..Self::at(&[])
        }
    }

    /// No answer at all.
    pub fn silent() -> Self {
        Self {
            silent: true,
            ..Self::at(&[])
        }
    }

    /// For so many seconds.
    pub fn ttl(self, ttl: u32) -> Self {
        Self { ttl, ..self }
    }

    /// Only over TCP; over UDP it is cut off.
    pub fn truncated(self) -> Self {
        Self {
            truncated: true,
            ..self
        }
    }

    /// After a while.
    pub fn after(self, slow: Duration) -> Self {
        Self { slow, ..self }
    }
}

impl NameServer {
    pub fn start() -> Self {
        // The port has to be free for both.
        let (udp, tcp) = (0..20)
            .find_map(|_| {
                let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
                let tcp = TcpListener::bind(address).ok()?;
                Some((UdpSocket::bind(address).ok()?, tcp))
            })
            .expect("a free port");
        let server = Self {
            address: udp.local_addr().expect("an address"),
            shared: Arc::default(),
        };
        let shared = Arc::clone(&server.shared);
        thread::spawn(move || serve_udp(&udp, &shared));
        let shared = Arc::clone(&server.shared);
        thread::spawn(move || {
            for stream in tcp.incoming() {
                if shared.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&shared);
                thread::spawn(move || stream.and_then(|stream| serve_tcp(stream, &shared)));
            }
        });
        server
    }

    /// Says this of a name from now on. `*` stands for every other name.
    pub fn say(&self, name: &str, entry: Entry) {
        self.shared.names.lock().insert(name.to_owned(), entry);
    }

    /// The questions about a name so far.
    pub fn asked(&self, name: &str) -> Vec<Asked> {
        let asked = self.shared.asked.lock();
        asked
            .iter()
            .filter(|one| one.name == name)
            .cloned()
            .collect()
    }
}

impl Addressed for NameServer {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes both threads; when it fails they have ended.
        drop(TcpStream::connect(self.address));
        if let Ok(socket) = UdpSocket::bind(("127.0.0.1", 0)) {
            drop(socket.send_to(b"end", self.address));
        }
    }
}

fn serve_udp(socket: &UdpSocket, shared: &Arc<Shared>) {
    let mut buffer = [0; 4096];
    while let Ok((length, client)) = socket.recv_from(&mut buffer) {
        if shared.stopped.load(Ordering::Relaxed) {
            return;
        }
        let Some((answer, slow)) = answer(&buffer[..length], shared, false) else {
            continue;
        };
        if slow.is_zero() {
            drop(socket.send_to(&answer, client));
            continue;
        }
        let socket = socket.try_clone().expect("a second socket");
        thread::spawn(move || {
            thread::sleep(slow);
            socket.send_to(&answer, client)
        });
    }
}

fn serve_tcp(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut buffer = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut buffer)?;
        let Some((answer, slow)) = answer(&buffer, shared, true) else {
            continue;
        };
        thread::sleep(slow);
        let length = u16::try_from(answer.len()).expect("a short answer");
        stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat())?;
    }
}

/// The bytes of an answer, and how long they are held back.
fn answer(request: &[u8], shared: &Shared, tcp: bool) -> Option<(Vec<u8>, Duration)> {
    let request = Message::from_vec(request).ok()?;
    let query = request.queries.first()?.clone();
    let name = query.name().to_lowercase().to_ascii();
    let name = name.trim_end_matches('.').to_owned();
    let kind = query.query_type();
    shared.asked.lock().push(Asked {
        name: name.clone(),
        kind,
        tcp,
    });
    let names = shared.names.lock();
    let missing = Entry::failing(ResponseCode::NXDomain);
    let entry = names.get(&name).or_else(|| names.get("*"));
    let entry = entry.unwrap_or(&missing).clone();
    drop(names);
    if entry.silent {
        return None;
    }
    let mut answer = Message::new(request.metadata.id, MessageType::Response, OpCode::Query);
    answer.metadata.response_code = entry.code;
    answer.metadata.recursion_available = true;
    answer.add_query(query.clone());
    answer.metadata.truncation = entry.truncated && !tcp;
    if !answer.metadata.truncation {
        for data in records(&entry, kind) {
            answer.add_answer(Record::from_rdata(query.name().clone(), entry.ttl, data));
        }
    }
    Some((answer.to_vec().expect("an answer"), entry.slow))
}

fn records(entry: &Entry, kind: RecordType) -> Vec<RData> {
    let name = |text: &str| Name::from_ascii(format!("{text}.")).expect("a name");
    let alias = entry
        .alias
        .iter()
        .map(|alias| RData::CNAME(CNAME(name(alias))));
    let addresses = entry.addresses.iter().filter_map(|address| match address {
        IpAddr::V4(address) if kind == RecordType::A => Some(RData::A(A(*address))),
        IpAddr::V6(address) if kind == RecordType::AAAA => Some(RData::AAAA(AAAA(*address))),
        _ => None,
    });
    let services = entry.services.iter().filter(|_| kind == RecordType::SRV);
    let services = services.map(|(priority, weight, port, target)| {
        RData::SRV(SRV::new(*priority, *weight, *port, name(target)))
    });
    alias.chain(addresses).chain(services).collect()
}
