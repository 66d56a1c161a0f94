//! Gapura beside other proxies, on this machine: `packaging/cargo bench --bench compare`.
//!
//! docs/performance.md tells what is measured, how, and what cannot be concluded from it.

mod backend;
mod bare_pingora;
mod load;
mod machine;
mod message;
mod proxies;
mod report;
mod workload;

use backend::Backend;
use clap::Parser;
use machine::Wait;
use proxies::Proxy;
use report::{Round, Row, Table};
use std::error::Error;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use workload::{WORKLOADS, Workload};

/// The binary's own, so that bare Pingora has it too.
#[global_allocator]
static ALLOCATOR: gapura::cli::Allocator = gapura::cli::Allocator;

/// Measures Gapura and whichever of nginx, HAProxy, Caddy, Envoy and Pingap is installed.
#[derive(Parser)]
struct Arguments {
    /// Workloads to run, all without: small, tutorial, log, 10k, 1m, post, connect, idle, idle-10000,
    /// sites, threads.
    workloads: Vec<String>,
    /// Rounds; in each, every proxy has its turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long a proxy is saturated in a round, and how long it serves at the fixed rate.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Only these proxies, by the beginning of their names.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// A further program, such as nginx-1.31=/opt/nginx/sbin/nginx.
    #[arg(long, value_name = "NAME=PROGRAM")]
    with: Vec<String>,
    /// The Gapura to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_gapura"))]
    gapura: PathBuf,
    /// Requests a second at the fixed rate; without, 60% of what the proxy could do in that round.
    #[arg(long)]
    rate: Option<f64>,
    /// Let load and backend sleep when there is nothing to do, so that the proxy wakes them: what that costs
    /// is then in its figures.
    #[arg(long)]
    asleep: bool,
    /// Write the figures and the picture into docs.
    #[arg(long)]
    write: bool,
    /// What cargo bench gives every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, address, backend, threads] = &arguments[..]
        && role == "bare-pingora"
    {
        bare_pingora::serve(address, backend.parse()?, threads.parse()?);
    }
    let arguments = Arguments::parse();
    let workloads = chosen(&arguments.workloads)?;
    let mut proxies = proxies::find(arguments.gapura.clone(), &arguments.with)?;
    let only = |name: &str| {
        let name = name.to_lowercase();
        arguments.only.is_empty() || arguments.only.iter().any(|only| name.starts_with(only))
    };
    proxies.retain(|proxy| only(&proxy.name));
    machine::open_many_files();
    let cores = machine::cores();
    let [proxy_core, load_core, ..] = cores[..] else {
        return Err("two cores are needed: one for the proxy, one for the load".into());
    };
    machine::stay_on(load_core);
    let wait = match arguments.asleep {
        true => Wait::Asleep,
        false => Wait::Awake,
    };
    let bench = Bench {
        backend: match (cores.get(2), wait) {
            (Some(core), _) => Backend::start(*core, wait)?,
            (None, Wait::Asleep) => Backend::start(load_core, wait)?,
            (None, Wait::Awake) => Backend::start_beside_load(load_core)?,
        },
        proxy_core,
        folder: folder(),
        time: Duration::from_secs_f64(arguments.seconds),
        rate: arguments.rate,
        wait,
    };

    let began = Instant::now();
    let mut tables = Vec::new();
    for workload in workloads {
        let part: Vec<_> = proxies
            .iter()
            .filter(|proxy| proxy.takes_part(workload))
            .collect();
        let mut rows: Vec<_> = part.iter().map(|proxy| Row::new(&proxy.name)).collect();
        let mut alone = Vec::new();
        for round in 0..arguments.rounds {
            // Each is first once, so that what the machine does meanwhile hits all alike.
            let mut highest = 1.0;
            for turn in 0..part.len() {
                let index = (round + turn) % part.len();
                match bench.round(part[index], workload) {
                    Ok(round) => {
                        highest = round.rate.max(highest);
                        rows[index].add(round);
                    }
                    Err(error) => eprintln!("left out: {error}"),
                }
            }
            alone.push(bench.without_proxy(workload, highest)?);
        }
        rows.retain(Row::has_figures);
        let table = Table {
            workload,
            rows,
            alone,
        };
        print!("{}", table.text());
        tables.push(table);
    }
    let mut markdown = about(&arguments, &proxies, cores.len());
    markdown.extend(tables.iter().map(Table::markdown));
    fs::write(bench.folder.join("report.md"), &markdown)?;
    fs::write(bench.folder.join("report.svg"), report::chart(&tables))?;
    if arguments.write {
        write_into_docs(&markdown, &report::chart(&tables))?;
    }
    println!(
        "\nwritten to {}, after {} s",
        bench.folder.display(),
        began.elapsed().as_secs()
    );
    Ok(())
}

/// What is the same for every measurement.
struct Bench {
    backend: Backend,
    proxy_core: usize,
    folder: PathBuf,
    time: Duration,
    rate: Option<f64>,
    wait: Wait,
}

impl Bench {
    /// One proxy, started for this, saturated and then at the fixed rate.
    fn round(&self, proxy: &Proxy, workload: &Workload) -> Result<Round, Box<dyn Error>> {
        let folder = self.folder.join(proxy.name.replace(' ', "-"));
        let running = proxy.start(workload, self.backend.address, self.proxy_core, &folder)?;
        let requests = workload.requests();
        let plan = |rate, duration| self.plan(workload, running.address, &requests, rate, duration);
        load::run(&plan(None, WARM_UP))?;
        let processes = running.processes();
        let before = machine::memory(&processes);
        let idle = load::idle(running.address, workload.idle, &requests[0])?;
        let of_idle = machine::memory(&processes).saturating_sub(before) as f64 / idle.len() as f64;

        let before = machine::processor_time(&processes);
        let saturation = load::run(&plan(None, self.time))?;
        let taken = machine::processor_time(&processes).saturating_sub(before);
        let rate = self.rate.unwrap_or(saturation.rate() * SHARE_OF_SATURATION);
        let before = machine::processor_time(&processes);
        let fixed = load::run(&plan(Some(rate.max(1.0)), self.time))?;
        let at_rate = machine::processor_time(&processes).saturating_sub(before);
        Ok(Round {
            cost_at_rate: at_rate.as_secs_f64() * 1e6 / fixed.latencies.len() as f64,
            cost: taken.as_secs_f64() * 1e6 / saturation.latencies.len() as f64,
            busy: taken.as_secs_f64() / saturation.elapsed.as_secs_f64(),
            saturation,
            rate,
            fixed,
            memory: machine::memory(&processes),
            idle: (!idle.is_empty()).then_some(of_idle),
        })
    }

    /// The latencies that load and backend have by themselves. The proxy's core is busy meanwhile: that it is may
    /// be what makes the machine stand still at times.
    fn without_proxy(&self, workload: &Workload, rate: f64) -> io::Result<load::Outcome> {
        let requests = workload.requests();
        let _busy = machine::Busy::keep(self.proxy_core);
        load::run(&self.plan(
            workload,
            self.backend.address,
            &requests,
            Some(rate),
            self.time,
        ))
    }

    fn plan<'a>(
        &'a self,
        workload: &Workload,
        address: SocketAddr,
        requests: &'a [Vec<u8>],
        rate: Option<f64>,
        duration: Duration,
    ) -> load::Plan<'a> {
        load::Plan {
            address,
            connections: workload.connections,
            requests,
            rate,
            duration,
            wait: self.wait,
            backend: &self.backend,
        }
    }
}

const WARM_UP: Duration = Duration::from_secs(1);

const SHARE_OF_SATURATION: f64 = 0.6;

fn chosen(names: &[String]) -> Result<Vec<&'static Workload>, String> {
    if names.is_empty() {
        return Ok(WORKLOADS.iter().collect());
    }
    let find = |name: &String| {
        let workload = WORKLOADS.iter().find(|workload| workload.name == name);
        workload.ok_or_else(|| format!("no workload {name}"))
    };
    names.iter().map(find).collect()
}

/// The machine, the programs and the command.
fn about(arguments: &Arguments, proxies: &[Proxy], cores: usize) -> String {
    let versions = proxies
        .iter()
        .map(|proxy| format!("{} ({})", proxy.name, proxy.version()));
    let versions: Vec<_> = versions.collect();
    format!(
        "{}, {cores} cores, {}. {} rounds of {} s saturated and {} s at the fixed rate.\n\n{}.\n",
        machine::processor(),
        machine::kernel(),
        arguments.rounds,
        arguments.seconds,
        arguments.seconds,
        versions.join(", ")
    )
}

/// Where configurations, logs and the report go.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("compare")
}

/// Puts the figures between the marks of docs/performance.md, and the picture beside it.
fn write_into_docs(markdown: &str, chart: &str) -> Result<(), Box<dyn Error>> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = docs.join("performance.md");
    let text = fs::read_to_string(&page)?;
    let marks = text.split_once(BEGIN).zip(text.split_once(END));
    let ((before, _), (_, after)) = marks.ok_or("docs/performance.md has lost its marks")?;
    fs::write(
        &page,
        format!("{before}{BEGIN}\n\n{markdown}\n{END}{after}"),
    )?;
    fs::write(docs.join("performance.svg"), chart)?;
    Ok(())
}

const BEGIN: &str = "<!-- figures: written by packaging/cargo bench --bench compare -- --write -->";
const END: &str = "<!-- end of figures -->";
