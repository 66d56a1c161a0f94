//! When the next server is tried: `proxy_next_upstream` and its budget.

use super::super::draft::{OneOrMany, Word};
use super::super::path::Path;
use super::super::problem::Problem;
use super::super::suggest;
use super::{Resolver, invalid};
use crate::model::RetryCondition;
use std::collections::BTreeSet;

impl Resolver {
    pub(super) fn conditions(
        &mut self,
        written: &OneOrMany<Word>,
        path: &Path<'_>,
    ) -> BTreeSet<RetryCondition> {
        let mut conditions = BTreeSet::new();
        let mut off = false;
        let mut words = 0;
        for (index, text) in written.0.iter().enumerate() {
            for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
                words += 1;
                let offset = word.as_ptr() as usize - text.as_ptr() as usize;
                match RetryCondition::parse(word) {
                    Some(condition) => {
                        conditions.insert(condition);
                    }
                    // YAML 1.1 knows `off` as a switch.
                    None if matches!(word, "off" | "false") => off = true,
                    None => {
                        let label = suggest::did_you_mean_or_list(word, &CONDITIONS);
                        let finding = invalid(&path.index(index), word);
                        self.report(finding.within(offset, word.len()).label(label));
                    }
                }
            }
        }
        if off && words > 1 {
            let problem = Problem::Exclusive("off", "other conditions");
            self.report(path.error(problem));
        }
        conditions
    }
}

/// A share in percent; `None` inside for `off`.
pub(super) fn budget(word: &Word) -> Option<Option<u8>> {
    // YAML 1.1 knows `off` as a switch.
    if matches!(&**word, "off" | "false") {
        return Some(None);
    }
    percent(word).map(Some)
}

/// From `1%` to `100%`.
pub(super) fn percent(word: &Word) -> Option<u8> {
    let digits = word.strip_suffix('%')?;
    let percent = digits.parse::<u8>().ok();
    percent.filter(|percent| !digits.starts_with('+') && (1..=100).contains(percent))
}

const CONDITIONS: [&str; 12] = [
    "error",
    "timeout",
    "invalid_header",
    "http_500",
    "http_502",
    "http_503",
    "http_504",
    "http_403",
    "http_404",
    "http_429",
    "non_idempotent",
    "off",
];
