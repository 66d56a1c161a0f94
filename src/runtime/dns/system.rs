//! The name servers that the system is configured to ask. The C library asks them too, but does not tell for
//! how long their answers are valid.

use super::{Failure, Resolvers, Servers};
use crate::model;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What `/etc/resolv.conf` says.
#[derive(Debug, PartialEq, Eq)]
pub struct System {
    servers: Vec<SocketAddr>,
    /// What is tried behind a name.
    search: Vec<String>,
    /// A name with so many dots is tried as it is first.
    dots: usize,
}

impl System {
    /// The name servers to ask for a host. `None` when the C library has to be asked: for hosts that
    /// `/etc/hosts` knows, and where no name server is configured. Reads files: not for a thread that serves.
    pub fn for_host(host: &str) -> Option<Self> {
        let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
        if is_among(&hosts, host) {
            return None;
        }
        Self::parse(&fs::read("/etc/resolv.conf").ok()?)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let configuration = resolv_conf::Config::parse(text).ok()?;
        let servers = configuration.nameservers.iter();
        let servers: Vec<_> = servers
            .map(|server| SocketAddr::new(IpAddr::from(server), DNS_PORT))
            .collect();
        let search = configuration.get_last_search_or_domain();
        Some(Self {
            search: search.cloned().collect(),
            dots: usize::try_from(configuration.ndots).unwrap_or(1),
            servers,
        })
        .filter(|system| !system.servers.is_empty())
    }

    /// The addresses of a host, if a name server knows it.
    pub async fn host(&self, host: &str) -> Option<Servers> {
        let resolver = Resolvers::default().resolver(&model::Resolver {
            servers: self.servers.clone(),
            valid: None,
            ipv4: true,
            ipv6: true,
        });
        for name in self.candidates(host) {
            match resolver.host(&name, Some(LIMIT)).await {
                Ok(servers) => return Some(servers),
                Err(Failure::NOT_FOUND) => {}
                Err(_) => return None,
            }
        }
        None
    }

    /// The names that a host may stand for, in the order in which they are tried: resolv.conf(5).
    fn candidates(&self, host: &str) -> Vec<String> {
        if host.ends_with('.') {
            return vec![host.to_owned()];
        }
        let searched = self.search.iter().filter(|domain| *domain != ".");
        let mut names: Vec<_> = searched.map(|domain| format!("{host}.{domain}")).collect();
        let dots = host.bytes().filter(|byte| *byte == b'.').count();
        let first = if dots >= self.dots { 0 } else { names.len() };
        names.insert(first, host.to_owned());
        names
    }
}

/// Whether `/etc/hosts` has a host. `localhost` is always the machine itself.
fn is_among(hosts: &str, host: &str) -> bool {
    let lines = hosts.lines().filter_map(|line| line.split('#').next());
    let mut names = lines.flat_map(|line| line.split_whitespace().skip(1));
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_local = host.eq_ignore_ascii_case("localhost") || host.ends_with(".localhost");
    is_local || names.any(|name| name.eq_ignore_ascii_case(host))
}

const DNS_PORT: u16 = 53;

/// How long a name server is waited for: the C library may find the name elsewhere.
const LIMIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
    use hickory_proto::rr::rdata::A;
    use hickory_proto::rr::{RData, Record, RecordType};
    use std::net::UdpSocket;

    #[test]
    fn resolv_conf_is_read() {
        let text = "# by hand\nnameserver 10.0.0.2\nnameserver fd00::2\nsearch corp.test test\n\
                    options ndots:2 edns0\n";
        let expected = System {
            servers: vec![
                "10.0.0.2:53".parse().expect("an address"),
                "[fd00::2]:53".parse().expect("an address"),
            ],
            search: vec!["corp.test".to_owned(), "test".to_owned()],
            dots: 2,
        };
        let read = System::parse(text.as_bytes()).expect("it names servers");
        assert_eq!(read, expected);
        assert_eq!(
            read.candidates("app.a"),
            ["app.a.corp.test", "app.a.test", "app.a"]
        );
        assert_eq!(
            read.candidates("app.a.b"),
            ["app.a.b", "app.a.b.corp.test", "app.a.b.test"]
        );
        assert_eq!(read.candidates("app."), ["app."]);
        assert_eq!(System::parse(b"search test\n"), None);
    }

    #[test]
    fn hosts_are_left_to_the_c_library() {
        let hosts = "127.0.0.1 localhost\n10.0.0.1 app App.test # db\n# 10.0.0.2 gone\n";
        for (host, expected) in [
            ("app", true),
            ("APP.TEST", true),
            ("app.test.", true),
            ("db", false),
            ("gone", false),
            ("10.0.0.1", false),
            ("localhost", true),
            ("www.localhost", true),
        ] {
            assert_eq!(is_among(hosts, host), expected, "{host}");
        }
    }

    #[tokio::test]
    async fn a_host_is_searched_for_and_valid_as_long_as_its_answer() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let system = System {
            servers: vec![socket.local_addr().expect("an address")],
            search: vec!["none.test".to_owned(), "corp.test".to_owned()],
            dots: 1,
        };
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut buffer) {
                let request = Message::from_vec(&buffer[..length]).expect("a request");
                let query = request.queries[0].clone();
                let id = request.metadata.id;
                let mut answer = Message::new(id, MessageType::Response, OpCode::Query);
                if query.name().to_ascii() != "app.corp.test." {
                    answer.metadata.response_code = ResponseCode::NXDomain;
                } else if query.query_type() == RecordType::A {
                    let data = RData::A(A::new(10, 0, 0, 7));
                    answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
                }
                answer.add_query(query);
                let bytes = answer.to_vec().expect("an answer");
                socket.send_to(&bytes, client).expect("sent");
            }
        });
        let found = system.host("app").await.expect("it is there");
        let addresses: Vec<_> = found.located.iter().map(|one| one.address.ip()).collect();
        assert_eq!(addresses, [IpAddr::from([10, 0, 0, 7])]);
        let valid = found
            .until
            .saturating_duration_since(std::time::Instant::now());
        assert!((50..=60).contains(&valid.as_secs()), "{valid:?}");
        assert!(system.host("other").await.is_none());
    }
}
