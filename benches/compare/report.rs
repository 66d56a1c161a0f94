//! What was measured, as a table for a terminal, as Markdown and as a picture.

use crate::load::{Outcome, latencies};
use crate::proxies::{BASE, GAPURA, PLAIN_GAPURA};
use crate::workload::Workload;
use hdrhistogram::{AdditionError, Histogram};
use std::fmt::Write as _;

/// One proxy under one workload, over all its rounds, each of which may be but a moment.
pub(crate) struct Row {
    pub(crate) proxy: String,
    /// Processor time of a request while the proxy was saturated, in microseconds.
    costs: Vec<f64>,
    /// The same at the fixed rate.
    costs_at_rate: Vec<f64>,
    /// How much of its core it took, saturated.
    busy: Vec<f64>,
    /// Requests a second, saturated.
    answered: Vec<f64>,
    /// Requests a second that were asked for at the fixed rate.
    rates: Vec<f64>,
    saturated: Histogram<u64>,
    at_rate: Histogram<u64>,
    /// The 99th percentile of each round at the fixed rate, in microseconds.
    tails: Vec<f64>,
    errors: u64,
    /// Bytes, at the end.
    pub(crate) memory: Vec<f64>,
    /// Bytes that an idle connection took.
    pub(crate) idle: Vec<f64>,
}

/// One round of it.
pub(crate) struct Round {
    pub(crate) saturation: Outcome,
    pub(crate) cost: f64,
    pub(crate) busy: f64,
    pub(crate) rate: f64,
    pub(crate) fixed: Outcome,
    pub(crate) cost_at_rate: f64,
}

/// All rows of a workload.
pub(crate) struct Table<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) rows: Vec<Row>,
    /// Latencies of load and backend without a proxy, at the highest fixed rate of each round.
    pub(crate) alone: Histogram<u64>,
    pub(crate) alone_rates: Vec<f64>,
}

impl Row {
    pub(crate) fn new(proxy: &str) -> Self {
        Self {
            proxy: proxy.to_owned(),
            costs: Vec::new(),
            costs_at_rate: Vec::new(),
            busy: Vec::new(),
            answered: Vec::new(),
            rates: Vec::new(),
            saturated: latencies(),
            at_rate: latencies(),
            tails: Vec::new(),
            errors: 0,
            memory: Vec::new(),
            idle: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, round: Round) -> Result<(), AdditionError> {
        self.costs.push(round.cost);
        self.costs_at_rate.push(round.cost_at_rate);
        self.busy.push(round.busy);
        self.answered.push(round.saturation.rate());
        self.rates.push(round.rate);
        self.tails.push(match round.fixed.latencies.is_empty() {
            true => f64::NAN,
            false => round.fixed.latencies.value_at_quantile(0.99) as f64,
        });
        self.errors += round.saturation.errors + round.fixed.errors;
        self.saturated.add(&round.saturation.latencies)?;
        self.at_rate.add(&round.fixed.latencies)
    }

    /// A round or a turn that it did not take part in: others' stay beside its own of the same number.
    pub(crate) fn skip(&mut self) {
        self.costs.push(f64::NAN);
        self.tails.push(f64::NAN);
    }

    pub(crate) fn has_figures(&self) -> bool {
        self.costs.iter().any(|cost| !cost.is_nan())
    }

    fn cost(&self) -> f64 {
        median(&self.costs)
    }

    /// How many times another one's cost it is.
    fn ratio(&self, other: &Self) -> [f64; 3] {
        ratios(&self.costs, &other.costs)
    }

    fn cells(&self, table: &Table<'_>) -> [String; 14] {
        let to = |name, ratio: fn(&Self, &Self) -> [f64; 3]| {
            let other = table.row(name).filter(|other| other.proxy != self.proxy);
            other.map_or("-".into(), |other| {
                let [median, low, high] = ratio(self, other);
                format!("{median:.2} ({low:.2} to {high:.2})")
            })
        };
        let [tail, low, high] = quartiles(&self.tails).map(time);
        let memory = megabytes(median(&self.memory));
        [
            self.proxy.clone(),
            format!("{:.0}", median(&self.answered)),
            format!("{:.1}", self.cost()),
            to(BASE, Self::ratio),
            to("nginx", Self::ratio),
            quantiles(&self.saturated),
            format!("{:.0}", median(&self.rates)),
            quantiles(&self.at_rate),
            format!("{tail} ({low} to {high})"),
            to("nginx", |own, other| ratios(&own.tails, &other.tails)),
            format!("{:.1}", median(&self.costs_at_rate)),
            match self.idle.is_empty() {
                true => memory,
                false => format!("{memory}, {:.1} kB each", median(&self.idle) / 1024.0),
            },
            format!("{:.0}%", 100.0 * median(&self.busy)),
            self.errors.to_string(),
        ]
    }
}

const HEADINGS: [&str; 14] = [
    "proxy",
    "requests/s",
    "CPU µs/request",
    "to bare Pingora",
    "to nginx",
    "p50 / p90 / p99 / p99.9 saturated",
    "fixed rate/s",
    "p50 / p90 / p99 / p99.9 at that rate",
    "p99 of a turn at that rate",
    "that p99 to nginx's",
    "CPU µs at that rate",
    "memory MB",
    "core busy",
    "errors",
];

impl Table<'_> {
    fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.proxy == name)
    }

    /// For a terminal.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![HEADINGS.map(str::to_owned)];
        lines.extend(self.rows.iter().map(|row| row.cells(self)));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
        let mut text = format!("\n{}: {}\n", self.workload.name, self.workload.title);
        for line in &lines {
            for (column, cell) in line.iter().enumerate() {
                let width = width(column).unwrap_or(0);
                let _ = write!(text, "{cell:<width$}  ");
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text + &self.notes()
    }

    /// What stands below it.
    fn notes(&self) -> String {
        let gapuras = self.row(GAPURA).zip(self.row(PLAIN_GAPURA));
        let more = gapuras.map(|(gapura, plain)| {
            let [median, low, high] = gapura.ratio(plain);
            format!("Gapura takes {median:.2} ({low:.2} to {high:.2}) times what it takes configured as for the small GET.\n")
        });
        more.unwrap_or_default() + &self.without_proxy()
    }

    /// What of the latencies is the machine's.
    fn without_proxy(&self) -> String {
        let rate = median(&self.alone_rates);
        let quantiles = quantiles(&self.alone);
        format!("Load and backend without a proxy, its core busy, at {rate:.0}/s: {quantiles}.\n")
    }

    /// For a document.
    pub(crate) fn markdown(&self) -> String {
        let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = format!("\n### {}\n\n", self.workload.title);
        text.push_str(&row(&HEADINGS.map(str::to_owned)));
        text.push_str(&format!(
            "|---{}\n",
            "|---:".repeat(HEADINGS.len() - 1) + "|"
        ));
        for one in &self.rows {
            text.push_str(&row(&one.cells(self)));
        }
        text + "\n" + &self.notes()
    }
}

/// Bars of the processor time of a request, each as long as it is to bare Pingora's.
pub(crate) fn chart(tables: &[Table<'_>]) -> String {
    let mut bars = String::new();
    let mut y = 44;
    for table in tables {
        let _ = writeln!(
            bars,
            r#"<text x="10" y="{y}" class="title">{}</text>"#,
            table.workload.title
        );
        y += 10;
        // Where bare Pingora did not run, the first is as long as it would be.
        let Some(base) = table.row(BASE).or(table.rows.first()) else {
            continue;
        };
        for row in &table.rows {
            let [ratio, ..] = row.ratio(base);
            let length = (ratio * UNIT).clamp(0.0, LONGEST);
            let color = match row.proxy.as_str() {
                GAPURA | PLAIN_GAPURA => "#b5532a",
                BASE => "#8a8f98",
                _ => "#4a7aa7",
            };
            let middle = y + 12;
            let end = LEFT + length + 6.0;
            let (name, cost) = (&row.proxy, row.cost());
            let _ = writeln!(
                bars,
                r#"<text x="{}" y="{middle}" class="name">{name}</text><rect x="{LEFT}" y="{y}" width="{length:.1}" height="15" fill="{color}"/><text x="{end:.1}" y="{middle}">{cost:.1} µs ({ratio:.2})</text>"#,
                LEFT - 8.0,
            );
            y += 19;
        }
        y += 28;
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="820" height="{y}" viewBox="0 0 820 {y}" font-family="sans-serif" font-size="12">
<style>text {{ fill: #333 }} .title {{ font-weight: bold }} .name {{ text-anchor: end }}</style>
<rect width="820" height="{y}" fill="#fff"/>
<text x="10" y="16">Processor time of one request, and its ratio to bare Pingora's: shorter is better</text>
{bars}</svg>
"##
    )
}

const LEFT: f64 = 190.0;
const UNIT: f64 = 200.0;
const LONGEST: f64 = 490.0;

fn quantiles(latencies: &Histogram<u64>) -> String {
    [0.5, 0.9, 0.99, 0.999]
        .map(|share| time(latencies.value_at_quantile(share) as f64))
        .join(" / ")
}

/// Of what was measured one after the other: how many times the other it is.
fn ratios(own: &[f64], other: &[f64]) -> [f64; 3] {
    let ratios: Vec<f64> = own
        .iter()
        .zip(other)
        .map(|(own, other)| own / other)
        .collect();
    quartiles(&ratios)
}

/// The median, and the quartiles around it.
fn quartiles(values: &[f64]) -> [f64; 3] {
    [50, 25, 75].map(|percent| percentile(values, percent))
}

/// The upper one where there are two.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The value that so many of a hundred are below of, of those that are numbers.
fn percentile(values: &[f64], percent: usize) -> f64 {
    let numbers = values.iter().copied().filter(|value| !value.is_nan());
    let mut values: Vec<f64> = numbers.collect();
    values.sort_by(f64::total_cmp);
    values
        .get(values.len() * percent / 100)
        .copied()
        .unwrap_or(f64::NAN)
}

fn time(microseconds: f64) -> String {
    match microseconds {
        ..1e3 => format!("{microseconds:.0} µs"),
        1e3..1e6 => format!("{:.1} ms", microseconds / 1e3),
        _ => format!("{:.1} s", microseconds / 1e6),
    }
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1}", bytes / 1024.0 / 1024.0)
}
