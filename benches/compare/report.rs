//! What was measured, as a table for a terminal, as Markdown and as a picture.

use crate::load::Outcome;
use crate::proxies::BASE;
use crate::workload::Workload;
use std::fmt::Write as _;

/// One proxy under one workload, over all rounds.
pub(crate) struct Row {
    pub(crate) proxy: String,
    rounds: Vec<Round>,
}

/// One round of it.
pub(crate) struct Round {
    pub(crate) saturation: Outcome,
    /// Processor time of the proxy while it was saturated, in microseconds of one request.
    pub(crate) cost: f64,
    /// How much of its core it took.
    pub(crate) busy: f64,
    /// Requests a second that were asked for.
    pub(crate) rate: f64,
    pub(crate) fixed: Outcome,
    /// Processor time of the proxy at that rate, in microseconds of one request.
    pub(crate) cost_at_rate: f64,
    /// Bytes, at the end.
    pub(crate) memory: u64,
    /// Bytes that an idle connection took.
    pub(crate) idle: Option<f64>,
}

/// All rows of a workload.
pub(crate) struct Table<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) rows: Vec<Row>,
    /// Load and backend without a proxy, in each round at the highest fixed rate.
    pub(crate) alone: Vec<Outcome>,
}

impl Row {
    pub(crate) fn new(proxy: &str) -> Self {
        Self {
            proxy: proxy.to_owned(),
            rounds: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, round: Round) {
        self.rounds.push(round);
    }

    pub(crate) fn has_figures(&self) -> bool {
        !self.rounds.is_empty()
    }

    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(of))
    }

    fn cost(&self) -> f64 {
        self.median(|round| round.cost)
    }

    fn errors(&self) -> u64 {
        let of_round = |round: &Round| round.saturation.errors + round.fixed.errors;
        self.rounds.iter().map(of_round).sum()
    }

    fn cells(&self, base: Option<f64>) -> [String; 11] {
        let idle = self.median(|round| round.idle.unwrap_or(f64::NAN));
        [
            self.proxy.clone(),
            format!("{:.0}", self.median(|round| round.saturation.rate())),
            format!("{:.1}", self.cost()),
            base.map_or("-".into(), |base| format!("{:.2}", self.cost() / base)),
            quantiles(self.rounds.iter().map(|round| &round.saturation)),
            format!("{:.0}", self.median(|round| round.rate)),
            quantiles(self.rounds.iter().map(|round| &round.fixed)),
            format!("{:.1}", self.median(|round| round.cost_at_rate)),
            match idle.is_nan() {
                true => megabytes(self.median(|round| round.memory as f64)),
                false => {
                    let memory = megabytes(self.median(|round| round.memory as f64));
                    format!("{memory}, {:.1} kB each", idle / 1024.0)
                }
            },
            format!("{:.0}%", 100.0 * self.median(|round| round.busy)),
            self.errors().to_string(),
        ]
    }
}

const HEADINGS: [&str; 11] = [
    "proxy",
    "requests/s",
    "CPU µs/request",
    "to bare Pingora",
    "p50 / p90 / p99 / p99.9 saturated",
    "fixed rate/s",
    "p50 / p90 / p99 / p99.9 at that rate",
    "CPU µs at that rate",
    "memory MB",
    "core busy",
    "errors",
];

impl Table<'_> {
    fn base(&self) -> Option<f64> {
        let base = self.rows.iter().find(|row| row.proxy == BASE);
        base.map(Row::cost)
    }

    /// For a terminal.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![HEADINGS.map(str::to_owned)];
        lines.extend(self.rows.iter().map(|row| row.cells(self.base())));
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
        text + &self.without_proxy()
    }

    /// What of the latencies is the machine's.
    fn without_proxy(&self) -> String {
        let rate = median(self.alone.iter().map(Outcome::rate));
        let quantiles = quantiles(self.alone.iter());
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
            text.push_str(&row(&one.cells(self.base())));
        }
        text + "\n" + &self.without_proxy()
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
        let base = table.base().or(table.rows.first().map(Row::cost));
        for row in &table.rows {
            let ratio = row.cost() / base.unwrap_or(1.0);
            let length = (ratio * UNIT).clamp(0.0, LONGEST);
            let color = match row.proxy.as_str() {
                "Gapura" => "#b5532a",
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

const LEFT: f64 = 130.0;
const UNIT: f64 = 200.0;
const LONGEST: f64 = 550.0;

/// Quantiles of latencies, each the median of the rounds': one round that the machine disturbed is not all of
/// them.
fn quantiles<'a>(rounds: impl Iterator<Item = &'a Outcome> + Clone) -> String {
    let of_round = |round: &Outcome, share| round.latencies.value_at_quantile(share) as f64;
    let quantile = |share| median(rounds.clone().map(|round| of_round(round, share)));
    [0.5, 0.9, 0.99, 0.999]
        .map(|share| time(quantile(share)))
        .join(" / ")
}

/// The upper one where there are two.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
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
