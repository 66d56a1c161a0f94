//! Gapura beside other proxies, on this machine: `cargo bench --bench compare`.
//!
//! docs/performance.md tells what is measured, how, and what cannot be concluded from it.

mod backend;
mod bare_pingora;
mod load;
mod machine;
mod measure;
mod message;
mod proxies;
mod report;
mod workload;

use backend::Backend;
use clap::Parser;
use machine::Wait;
use measure::Bench;
use proxies::Proxy;
use report::{Row, Table};
use std::error::Error;
use std::fs;
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
    /// How long a proxy is saturated, and how long it serves at the fixed rate.
    #[arg(long, default_value_t = 12.0)]
    seconds: f64,
    /// In how many rounds that is, in each of which every proxy is started.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only these proxies, by the beginning of their names.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// A further program, such as nginx-1.31=/opt/nginx/sbin/nginx.
    #[arg(long, value_name = "NAME=PROGRAM")]
    with: Vec<String>,
    /// The Gapura to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_gapura"))]
    gapura: PathBuf,
    /// Requests a second at the fixed rate; without, 60% of what the proxy can do.
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
        let mut table = Table {
            workload,
            rows: part.iter().map(|proxy| Row::new(&proxy.name)).collect(),
            alone: load::latencies(),
            alone_rates: Vec::new(),
        };
        // The idle connections of all at once would be more than a process may have.
        match workload.idle {
            0 => bench.turns(&part, &mut table, arguments.rounds)?,
            _ => bench.rounds(&part, &mut table, arguments.rounds)?,
        }
        table.rows.retain(Row::has_figures);
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
        .filter(|proxy| proxy.name != proxies::PLAIN_GAPURA)
        .map(|proxy| format!("{} ({})", proxy.name, proxy.version()));
    let versions: Vec<_> = versions.collect();
    format!(
        "{}, {cores} cores, {}, {}. {} s saturated and {} s at the fixed rate, in {} rounds.\n\n{}.\n",
        machine::processor(),
        machine::kernel(),
        machine::congestion_control(),
        arguments.seconds,
        arguments.seconds,
        arguments.rounds,
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

const BEGIN: &str = "<!-- figures: written by cargo bench --bench compare -- --write -->";
const END: &str = "<!-- end of figures -->";
