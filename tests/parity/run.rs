//! One case before one program, and before both.

use crate::backends::{Backends, Received};
use crate::case::{self, Case, Exchange};
use crate::program::{Failed, Program};
use crate::support::{Addressed, Entry, NameServer, free_port};
use crate::talk::{Heard, talk};
use hickory_proto::op::ResponseCode;
use pcre2::bytes::Regex;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// What a program did with a case.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub exchanges: Vec<(Heard, Vec<Received>)>,
    pub log: Vec<String>,
}

/// Runs nginx, then Gapura.
pub fn both(case: &Case, nginx: &Program) -> (Result<Outcome, String>, Result<Outcome, String>) {
    for _ in 0..5 {
        let stage = Stage::new(case);
        let theirs = stage.run(nginx, &case.conf, LONG);
        let ours = stage.run(&Program::Gapura, &case.conf, LONG);
        match (theirs, ours) {
            (Err(Failed::AddressInUse), _) | (_, Err(Failed::AddressInUse)) => {}
            (theirs, ours) => return (theirs.map_err(said), ours.map_err(said)),
        }
    }
    panic!("five times a port was taken");
}

/// How many lines a file has.
fn lines(path: &Path) -> usize {
    let text = fs::read(path).unwrap_or_default();
    text.iter().filter(|byte| **byte == b'\n').count()
}

/// How long a line of the access log is waited for: there may be none.
const LINGERING: Duration = Duration::from_millis(60);

fn said(failed: Failed) -> String {
    match failed {
        Failed::AddressInUse => "an address is in use".into(),
        Failed::Said(text) => text,
    }
}

/// How long a silence may last before it is the end.
pub const LONG: Duration = Duration::from_secs(10);

/// Where a case is played: a folder, ports and backends, the same for each run.
pub struct Stage {
    folder: PathBuf,
    places: Places,
    backends: Backends,
    _names: NameServer,
    case: Case,
}

/// What placeholders stand for.
struct Places {
    listen: Vec<u16>,
    refused: Vec<u16>,
    backends: Vec<String>,
    names: String,
    folder: String,
}

impl Stage {
    pub fn new(case: &Case) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("gapura-parity-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        let ports = |word| (0..count(&case.text, word)).map(|_| free_port()).collect();
        let backends = count(&case.text, "BACKEND").max(count(&case.text, "BACKPORT"));
        let backends = Backends::start(backends);
        let names = NameServer::start();
        names.say("*", Entry::at(&["127.0.0.1"]));
        names.say("missing.test", Entry::failing(ResponseCode::NXDomain));
        let listen = count(&case.text, "LISTEN").max(count(&case.text, "PORT"));
        let places = Places {
            listen: (0..listen).map(|_| free_port()).collect(),
            refused: ports("REFUSED"),
            backends: backends.addresses(),
            names: names.address().to_string(),
            folder: folder.display().to_string(),
        };
        let case = case::parse(&case.name, &case.text, &places.fill_in(&case.text));
        backends.answer(case.answers.clone());
        for (path, text) in &case.files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            let text = text.strip_suffix('\n').unwrap_or(text);
            fs::write(&path, text).expect("a file");
            let file = fs::File::options()
                .append(true)
                .open(&path)
                .expect("a file");
            file.set_modified(SystemTime::UNIX_EPOCH + NEW_YEAR)
                .expect("a time");
        }
        Self {
            folder,
            places,
            backends,
            _names: names,
            case,
        }
    }

    /// Plays the case before a program; `conf` may be another than the case's, with its placeholders.
    pub fn run(
        &self,
        program: &Program,
        conf: &str,
        patience: Duration,
    ) -> Result<Outcome, Failed> {
        let file = self.folder.join("nginx.conf");
        let logs = self.folder.join("logs");
        drop(fs::remove_dir_all(&logs));
        fs::create_dir_all(&logs).expect("a folder");
        drop(fs::remove_file(self.folder.join("error.log")));
        self.remove_sockets();
        fs::write(&file, whole(&self.places.fill_in(conf), &self.folder)).expect("a file");
        let addresses = self.places.addresses(conf);
        let running = program.start(&self.folder, &file, &addresses)?;
        self.backends.take();
        let log = logs.join("access.log");
        let mut exchanges = Vec::new();
        for exchange in &self.case.exchanges {
            let before = lines(&log);
            let heard = talk(exchange, &self.address(exchange), patience);
            // A line is written once a connection has lingered: later than the next one's, perhaps.
            let deadline = Instant::now() + LINGERING;
            while lines(&log) < before + exchange.answers && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
            exchanges.push((heard, self.backends.take()));
        }
        running.stop();
        self.backends.disconnect();
        let log = fs::read(&log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        Ok(Outcome {
            exchanges,
            log: log.lines().map(str::to_owned).collect(),
        })
    }

    fn address(&self, exchange: &Exchange) -> String {
        match exchange.to.as_str() {
            "" => format!("127.0.0.1:{}", self.places.listen[0]),
            to => to.to_owned(),
        }
    }

    /// What a killed program leaves behind.
    fn remove_sockets(&self) {
        use std::os::unix::fs::FileTypeExt;
        for entry in fs::read_dir(&self.folder).expect("the folder").flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_socket()) {
                drop(fs::remove_file(entry.path()));
            }
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // A folder left behind in /tmp fails no test.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// 1 January 2024.
const NEW_YEAR: Duration = Duration::from_secs(1_704_067_200);

impl Places {
    fn fill_in(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = 0;
        for found in PLACEHOLDER.captures_iter(text.as_bytes()) {
            let found = found.expect("a match");
            let whole = found.get(0).expect("a match");
            filled += &text[rest..whole.start()];
            rest = whole.end();
            let word = found
                .get(1)
                .map_or("DIR", |word| &text[word.start()..word.end()]);
            let number: usize = found.get(2).map_or(1, |number| {
                text[number.start()..number.end()]
                    .parse()
                    .expect("a number")
            });
            filled += &match word {
                "LISTEN" => format!("127.0.0.1:{}", self.listen[number - 1]),
                "PORT" => self.listen[number - 1].to_string(),
                "REFUSED" => format!("127.0.0.1:{}", self.refused[number - 1]),
                "BACKEND" => self.backends[number - 1].clone(),
                "BACKPORT" => {
                    let address = self.backends[number - 1].rsplit_once(':');
                    address.expect("an address").1.to_owned()
                }
                "DNS" => self.names.clone(),
                _ => self.folder.clone(),
            };
        }
        filled + &text[rest..]
    }

    /// The addresses that a configuration listens on.
    fn addresses(&self, conf: &str) -> Vec<String> {
        let listens = conf.split("listen ").skip(1);
        let words = listens.filter_map(|text| text.split([' ', ';']).next());
        let words: Vec<&str> = words.map(|word| word.trim_start_matches("*:")).collect();
        let used = |number: usize| match number {
            1 => words.contains(&"LISTEN") || words.contains(&"PORT"),
            _ => words.iter().any(|word| {
                *word == format!("LISTEN_{number}") || *word == format!("PORT_{number}")
            }),
        };
        let ports = self
            .listen
            .iter()
            .enumerate()
            .filter(|(index, _)| used(index + 1));
        ports.map(|(_, port)| format!("127.0.0.1:{port}")).collect()
    }
}

static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(LISTEN|PORT|BACKEND|BACKPORT|REFUSED|DNS)(?:_(\d+))?\b|\bDIR\b")
        .expect("a pattern")
});

/// How many there are of a placeholder.
fn count(text: &str, word: &str) -> usize {
    let numbers = PLACEHOLDER
        .captures_iter(text.as_bytes())
        .filter_map(|found| {
            let found = found.ok()?;
            let name = found
                .get(1)
                .filter(|name| &text[name.start()..name.end()] == word);
            name?;
            Some(found.get(2).map_or(1, |number| {
                text[number.start()..number.end()].parse().unwrap_or(1)
            }))
        });
    numbers.max().unwrap_or(0)
}

/// A whole file, from a case's.
fn whole(conf: &str, folder: &Path) -> String {
    let folder = folder.display();
    let main = format!("daemon off;\nmaster_process off;\npid {folder}/logs/pid;\n");
    if conf.contains("events {") || conf.contains("events{") {
        return format!("{main}{conf}");
    }
    let log = match conf.contains("access_log ") {
        true => String::new(),
        false => format!("    access_log {folder}/logs/access.log combined;\n"),
    };
    format!(
        "{main}events {{}}\nhttp {{\n    proxy_http_version 1.1;\n    proxy_set_header Connection \"\";\n{log}{conf}\n}}\n"
    )
}
