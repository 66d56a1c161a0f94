//! How a proxy is measured: in turns with the others, all of which run, or by itself in rounds.
//!
//! In turns each has load for a moment and then waits: what the machine does meanwhile, and how fast it is, is the same
//! for those that are compared.

use crate::backend::Backend;
use crate::load::{self, Client, Plan};
use crate::machine::{self, Wait};
use crate::proxies::{Proxy, Running};
use crate::report::{Round, Row, Table, median};
use crate::workload::Workload;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What is the same for every measurement.
pub(crate) struct Bench {
    pub(crate) backend: Backend,
    pub(crate) proxy_core: usize,
    pub(crate) folder: PathBuf,
    /// How long a proxy is saturated.
    pub(crate) time: Duration,
    pub(crate) rate: Option<f64>,
    pub(crate) wait: Wait,
}

/// A proxy that runs and is warm.
struct Runner<'a> {
    client: Client<'a>,
    processes: Vec<u32>,
    /// Requests a second that are asked for; without, a share of what it can do.
    rate: Option<f64>,
    /// What it could do.
    rates: Vec<f64>,
    /// It ends with this.
    running: Running,
}

impl Bench {
    /// All proxies at once, each for a moment in turn. They are started anew in each round: how fast a process is
    /// depends on where its memory happens to lie, too.
    pub(crate) fn turns(
        &self,
        proxies: &[&Proxy],
        table: &mut Table<'_>,
        rounds: u32,
    ) -> Result<(), Box<dyn Error>> {
        let requests = table.workload.requests();
        let turns = self.time.as_millis() / u128::from(rounds.max(1)) / TURN.as_millis();
        for _ in 0..rounds {
            self.turns_of_one_start(proxies, table, &requests, turns.max(1))?;
        }
        Ok(())
    }

    fn turns_of_one_start(
        &self,
        proxies: &[&Proxy],
        table: &mut Table<'_>,
        requests: &[Vec<u8>],
        turns: u128,
    ) -> Result<(), Box<dyn Error>> {
        let mut runners = Vec::with_capacity(proxies.len());
        for proxy in proxies {
            let runner = self.runner(proxy, table.workload, requests);
            runners.push(runner.map_err(|error| eprintln!("left out: {error}")).ok());
        }
        let mut alone = self.client(table.workload, self.backend.address, requests)?;
        for turn in 0..usize::try_from(turns)? {
            let mut highest = 1.0;
            for place in 0..proxies.len() {
                let index = (turn + place) % proxies.len();
                let Some(runner) = &mut runners[index] else {
                    table.rows[index].skip();
                    continue;
                };
                let round = runner.round(TURN)?;
                highest = round.rate.max(highest);
                table.rows[index].add(round)?;
            }
            self.without_proxy(&mut alone, highest, TURN, table)?;
        }
        for (row, runner) in table.rows.iter_mut().zip(&runners) {
            if let Some(runner) = runner {
                row.memory.push(runner.memory());
            }
        }
        Ok(())
    }

    /// One proxy after the other, each alone and with its idle connections, again and again.
    pub(crate) fn rounds(
        &self,
        proxies: &[&Proxy],
        table: &mut Table<'_>,
        rounds: u32,
    ) -> Result<(), Box<dyn Error>> {
        let requests = table.workload.requests();
        let time = self.time / rounds.max(1);
        let mut alone = self.client(table.workload, self.backend.address, &requests)?;
        for round in 0..rounds as usize {
            let mut highest = 1.0;
            for place in 0..proxies.len() {
                let index = (round + place) % proxies.len();
                let row = &mut table.rows[index];
                match self.round(proxies[index], table.workload, &requests, time, row) {
                    Ok(rate) => highest = rate.max(highest),
                    Err(error) => {
                        eprintln!("left out: {error}");
                        row.skip();
                    }
                }
            }
            self.without_proxy(&mut alone, highest, time, table)?;
        }
        Ok(())
    }

    /// One round of one proxy. Gives the rate that was asked for.
    fn round(
        &self,
        proxy: &Proxy,
        workload: &Workload,
        requests: &[Vec<u8>],
        time: Duration,
        row: &mut Row,
    ) -> Result<f64, Box<dyn Error>> {
        let mut runner = self.runner(proxy, workload, requests)?;
        let before = runner.memory();
        let idle = load::idle(runner.running.address, workload.idle, &requests[0])?;
        row.idle
            .push((runner.memory() - before).max(0.0) / idle.len() as f64);
        let round = runner.round(time)?;
        let rate = round.rate;
        row.add(round)?;
        row.memory.push(runner.memory());
        Ok(rate)
    }

    fn runner<'a>(
        &'a self,
        proxy: &Proxy,
        workload: &Workload,
        requests: &'a [Vec<u8>],
    ) -> Result<Runner<'a>, Box<dyn Error>> {
        let folder = self.folder.join(proxy.name.replace(' ', "-"));
        let running = proxy.start(workload, self.backend.address, self.proxy_core, &folder)?;
        let mut client = self.client(workload, running.address, requests)?;
        client.run(None, WARM_UP)?;
        Ok(Runner {
            client,
            processes: running.processes(),
            rate: self.rate,
            rates: Vec::new(),
            running,
        })
    }

    fn client<'a>(
        &'a self,
        workload: &Workload,
        address: SocketAddr,
        requests: &'a [Vec<u8>],
    ) -> io::Result<Client<'a>> {
        Client::new(Plan {
            address,
            connections: workload.connections,
            requests,
            wait: self.wait,
            backend: &self.backend,
        })
    }

    /// The latencies that load and backend have by themselves. The proxy's core is busy meanwhile: that it is may
    /// be what makes the machine stand still at times.
    fn without_proxy(
        &self,
        client: &mut Client<'_>,
        rate: f64,
        time: Duration,
        table: &mut Table<'_>,
    ) -> Result<(), Box<dyn Error>> {
        let _busy = machine::Busy::keep(self.proxy_core);
        let outcome = client.run(Some(rate), time)?;
        table.alone_rates.push(outcome.rate());
        Ok(table.alone.add(&outcome.latencies)?)
    }
}

impl Runner<'_> {
    /// Saturates the proxy, then asks it at the fixed rate.
    fn round(&mut self, time: Duration) -> io::Result<Round> {
        let before = machine::processor_time(&self.processes);
        let saturation = self.client.run(None, time)?;
        let taken = machine::processor_time(&self.processes).saturating_sub(before);
        let busy = taken.as_secs_f64() / saturation.elapsed.as_secs_f64();
        // Where load or backend was slower, what the proxy could do with its whole core.
        self.rates.push(saturation.rate() / busy.clamp(0.01, 1.0));
        let of_its_own = || median(&self.rates) * SHARE_OF_SATURATION;
        let rate = self.rate.unwrap_or_else(of_its_own).max(1.0);
        let before = machine::processor_time(&self.processes);
        let fixed = self.client.run(Some(rate), time)?;
        let at_rate = machine::processor_time(&self.processes).saturating_sub(before);
        Ok(Round {
            cost: taken.as_secs_f64() * 1e6 / saturation.latencies.len() as f64,
            busy,
            cost_at_rate: at_rate.as_secs_f64() * 1e6 / fixed.latencies.len() as f64,
            rate,
            saturation,
            fixed,
        })
    }

    fn memory(&self) -> f64 {
        machine::memory(&self.processes) as f64
    }
}

const WARM_UP: Duration = Duration::from_secs(1);

/// Long enough for a thousand requests, short enough for the machine to stay what it is.
const TURN: Duration = Duration::from_millis(80);

const SHARE_OF_SATURATION: f64 = 0.6;
