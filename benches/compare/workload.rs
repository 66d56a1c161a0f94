//! What is measured.

/// A workload.
pub(crate) struct Workload {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What it is, for a reader.
    pub(crate) title: &'static str,
    pub(crate) setup: Setup,
    pub(crate) access_log: bool,
    pub(crate) sites: usize,
    /// Of the proxy, on its one core.
    pub(crate) threads: usize,
    pub(crate) connections: usize,
    /// Connections beside those, which were used once and stay open.
    pub(crate) idle: usize,
    /// Of the answer's body.
    pub(crate) bytes: usize,
    /// Of the request's body; a POST when there is one.
    pub(crate) post: usize,
    /// Each request has a connection of its own.
    pub(crate) new_connections: bool,
}

/// Which of a proxy's configurations is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    /// What its documentation recommends.
    Tuned,
    /// What tutorials show.
    Tutorial,
}

/// The one that others are variations of.
pub(crate) const SMALL: Workload = Workload {
    name: "small",
    title: "small GET: 60 bytes, 64 connections, tuned, access log off",
    setup: Setup::Tuned,
    access_log: false,
    sites: 1,
    threads: 1,
    connections: 64,
    idle: 0,
    bytes: 60,
    post: 0,
    new_connections: false,
};

/// All of them.
pub(crate) const WORKLOADS: [Workload; 11] = [
    SMALL,
    Workload {
        name: "tutorial",
        title: "small GET, the tutorial's configuration, access log on",
        setup: Setup::Tutorial,
        access_log: true,
        ..SMALL
    },
    Workload {
        name: "log",
        title: "small GET, access log on",
        access_log: true,
        ..SMALL
    },
    Workload {
        name: "10k",
        title: "10 kB GET",
        bytes: 10 * 1024,
        ..SMALL
    },
    Workload {
        name: "1m",
        title: "1 MB GET, 16 connections",
        bytes: 1024 * 1024,
        connections: 16,
        ..SMALL
    },
    Workload {
        name: "post",
        title: "64 kB POST",
        post: 64 * 1024,
        ..SMALL
    },
    Workload {
        name: "connect",
        title: "a new connection for each request",
        new_connections: true,
        ..SMALL
    },
    Workload {
        name: "idle",
        title: "small GET beside 1,000 idle connections",
        idle: 1000,
        ..SMALL
    },
    Workload {
        name: "idle-10000",
        title: "small GET beside 10,000 idle connections",
        idle: 10_000,
        ..SMALL
    },
    Workload {
        name: "sites",
        title: "small GET, 10,000 sites, each asked in turn",
        sites: 10_000,
        ..SMALL
    },
    Workload {
        name: "threads",
        title: "small GET, 4 threads and 256 connections on the one core",
        threads: 4,
        connections: 256,
        ..SMALL
    },
];

impl Workload {
    /// Whether it asks what the small GET asks, of a proxy that has more to do for it.
    pub(crate) fn is_small_with_more(&self) -> bool {
        self.setup == SMALL.setup && (self.access_log || self.sites > SMALL.sites)
    }

    /// The host names of its sites.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let hosts = (0..self.sites).map(|number| format!("site-{number}.bench.test"));
        hosts.collect()
    }

    /// What its clients send, in turn.
    pub(crate) fn requests(&self) -> Vec<Vec<u8>> {
        let (method, length) = match self.post {
            0 => ("GET", String::new()),
            post => ("POST", format!("Content-Length: {post}\r\n")),
        };
        let connection = if self.new_connections {
            "Connection: close\r\n"
        } else {
            ""
        };
        let bytes = self.bytes;
        let request = |host: String| {
            let mut request = format!(
                "{method} /bytes/{bytes} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
                 Accept: */*\r\n{length}{connection}\r\n"
            )
            .into_bytes();
            request.resize(request.len() + self.post, b'x');
            request
        };
        self.hosts().into_iter().map(request).collect()
    }
}
