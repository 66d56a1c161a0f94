//! How the server of a request is chosen.

use super::super::path::{Part, Path};
use super::super::problem::Problem;
use super::super::suggest;
use super::Resolver;
use crate::model::{Balance, Until};

impl Resolver {
    pub(super) fn balance(&mut self, written: Option<&str>, path: &Path<'_>) -> Balance {
        let Some(word) = written else {
            return Balance::RoundRobin;
        };
        if let Some(key) = word.strip_prefix(HASH)
            && !key.trim().is_empty()
        {
            let bare = key.strip_suffix(CONSISTENT);
            let before = self.findings.len();
            let template = self.template(bare.unwrap_or(key), path);
            for finding in &mut self.findings[before..] {
                if let Part::Within { offset, .. } = &mut finding.part {
                    *offset += HASH.len();
                }
            }
            return Balance::Hash {
                key: template,
                consistent: bare.is_some(),
            };
        }
        let known = BALANCES.iter().find(|(name, _)| *name == word);
        if known.is_none() {
            let names = BALANCES.each_ref().map(|(name, _)| *name);
            let names: Vec<&str> = names.into_iter().chain(["hash KEY"]).collect();
            let label = suggest::did_you_mean_or_list(word, &names);
            self.report(
                path.error(Problem::UnknownBalance(word.into()))
                    .label(label),
            );
        }
        known.map_or(Balance::RoundRobin, |(_, balance)| balance.clone())
    }
}

static BALANCES: [(&str, Balance); 14] = [
    ("round_robin", Balance::RoundRobin),
    ("smooth_round_robin", Balance::SmoothRoundRobin),
    ("least_conn", Balance::LeastConn),
    ("least_time header", least_time(Until::Header, false)),
    ("least_time last_byte", least_time(Until::LastByte, false)),
    (
        "least_time header inflight",
        least_time(Until::Header, true),
    ),
    (
        "least_time last_byte inflight",
        least_time(Until::LastByte, true),
    ),
    ("peak_ewma", Balance::PeakEwma),
    ("ip_hash", Balance::IpHash),
    ("random", Balance::Random),
    ("random two", Balance::RandomTwo),
    ("random two least_conn", Balance::RandomTwo),
    (
        "random two least_time=header",
        Balance::RandomTwoLeastTime(Until::Header),
    ),
    (
        "random two least_time=last_byte",
        Balance::RandomTwoLeastTime(Until::LastByte),
    ),
];

const fn least_time(until: Until, inflight: bool) -> Balance {
    Balance::LeastTime { until, inflight }
}

/// `hash KEY` and `hash KEY consistent`.
const HASH: &str = "hash ";
const CONSISTENT: &str = " consistent";
