//! A client's connection as a location wants it: how long it is kept, how fast it is written to.

use super::super::draft::{Common, OrOff, Time, Word};
use super::super::path::Path;
use super::super::suggest;
use super::site::MOST_NUMBER;
use super::{Resolver, fit, invalid};
use crate::model::{Amount, ClientKeepalive, Lingering, LingeringClose, SendRate, parse_size};

impl Resolver {
    /// Checks what a level wrote.
    pub(super) fn check_connection(&mut self, written: Common<'_>, path: &Path<'_>) {
        if let Some(&number) = written.keepalive_requests {
            self.number(number, 1, MOST_NUMBER, &path.key("keepalive_requests"));
        }
        if let Some(word) = written.lingering_close {
            self.choice(word, &LINGERING, &path.key("lingering_close"));
        }
        for (index, word) in written
            .keepalive_disable
            .iter()
            .flat_map(|list| list.0.iter().enumerate())
        {
            if !BROWSERS.contains(&&**word) {
                let at = path.key("keepalive_disable");
                let label = suggest::did_you_mean_or_list(word, &BROWSERS);
                self.report(invalid(&at.index(index), word).label(label));
            }
        }
    }

    /// A size in which variables may stand.
    pub(super) fn amount(&mut self, word: &Word, path: &Path<'_>) -> Amount {
        if word.contains('$') {
            return Amount::Written(self.template(word, path));
        }
        match parse_size(word) {
            Some(size) => Amount::Fixed(size),
            None => {
                self.report(invalid(path, word).label("expected a size, such as `100k`"));
                Amount::default()
            }
        }
    }

    /// The rates that a level writes, over those around it.
    pub(super) fn rates(
        &mut self,
        written: Common<'_>,
        outer: &SendRate,
        path: &Path<'_>,
    ) -> SendRate {
        let mut rate = outer.clone();
        if let Some(word) = written.limit_rate {
            rate.limit = self.amount(word, &path.key("limit_rate"));
        }
        if let Some(word) = written.limit_rate_after {
            rate.after = self.amount(word, &path.key("limit_rate_after"));
        }
        rate
    }
}

/// What holds for connections.
pub(super) fn keepalive(in_force: &Common<'_>) -> ClientKeepalive {
    let default = ClientKeepalive::default();
    let disabled = in_force.keepalive_disable.map(|list| {
        let has = |browser: &str| list.0.iter().any(|word| **word == *browser);
        (has("msie6"), has("safari"))
    });
    let (not_for_msie6, not_for_safari) =
        disabled.unwrap_or((default.not_for_msie6, default.not_for_safari));
    ClientKeepalive {
        timeout: match in_force.keepalive_timeout {
            None => default.timeout,
            Some(OrOff::Off) => None,
            Some(OrOff::On(time)) => Some(time.0).filter(|time| !time.is_zero()),
        },
        announced: in_force.keepalive_header.map_or(default.announced, |time| {
            Some(time.0).filter(|time| !time.is_zero())
        }),
        least: in_force
            .keepalive_min_timeout
            .map_or(default.least, |time| time.0),
        requests: in_force
            .keepalive_requests
            .map_or(default.requests, |number| {
                fit((*number).clamp(1, MOST_NUMBER))
            }),
        time: in_force.keepalive_time.map_or(default.time, |time| time.0),
        not_for_msie6,
        not_for_safari,
    }
}

/// How they are closed.
pub(super) fn lingering(in_force: &Common<'_>) -> Lingering {
    let default = Lingering::default();
    let close = in_force.lingering_close.and_then(|word| {
        let known = LINGERING.iter().find(|(name, _)| **word == **name);
        known.map(|(_, close)| *close)
    });
    let time = |written: Option<&Time>, default| written.map_or(default, |time| time.0);
    Lingering {
        close: close.unwrap_or(default.close),
        time: time(in_force.lingering_time, default.time),
        timeout: time(in_force.lingering_timeout, default.timeout),
    }
}

/// YAML 1.1 knows the first two as switches.
const LINGERING: [(&str, LingeringClose); 5] = [
    ("on", LingeringClose::On),
    ("off", LingeringClose::Off),
    ("always", LingeringClose::Always),
    ("true", LingeringClose::On),
    ("false", LingeringClose::Off),
];

const BROWSERS: [&str; 3] = ["msie6", "safari", "none"];
