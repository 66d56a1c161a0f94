//! What one request writes down: the variables of `set` and of named groups, and `$1` to `$9`.

use crate::model::VariableId;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// A value that was looked for, once it was.
type Found = OnceLock<Box<[u8]>>;

/// The written variables of one request. It takes no memory until something is written.
#[derive(Debug, Default)]
pub struct Assigned {
    /// What was found for variables that are found once for a request.
    found: OnceLock<Box<[Found]>>,
    /// How many variables are being found, each for the one before.
    depth: AtomicU8,
    values: Vec<Option<Box<[u8]>>>,
    subject: Vec<u8>,
    groups: Vec<Option<(usize, usize)>>,
}

impl Assigned {
    /// The value of a variable, if it was written.
    pub fn value(&self, variable: VariableId) -> Option<&[u8]> {
        self.values.get(variable.0 as usize)?.as_deref()
    }

    /// Every written variable.
    pub(super) fn values(&self) -> impl Iterator<Item = (VariableId, &[u8])> {
        (0..)
            .map(VariableId)
            .zip(&self.values)
            .filter_map(|(variable, value)| Some((variable, value.as_deref()?)))
    }

    /// Writes a variable.
    pub fn set(&mut self, variable: VariableId, value: &[u8]) {
        let index = variable.0 as usize;
        if self.values.len() <= index {
            self.values.resize(index + 1, None);
        }
        self.values[index] = Some(value.into());
    }

    /// What was found for a variable before.
    pub(super) fn found(&self, variable: VariableId) -> Option<&[u8]> {
        let found = self.found.get()?.get(variable.0 as usize)?;
        found.get().map(|value| &**value)
    }

    /// Remembers what was found for a variable, of so many in all. The first value stays.
    pub(super) fn remember(&self, variable: VariableId, value: &[u8], variables: usize) {
        let all = || (0..variables).map(|_| OnceLock::new()).collect();
        let found = self.found.get_or_init(all).get(variable.0 as usize);
        if let Some(found) = found {
            // An error means that it was found on the way.
            drop(found.set(value.into()));
        }
    }

    /// Does this unless too many variables wait for each other: they may go round in a circle.
    pub(super) fn deeper(&self, find: impl FnOnce() -> bool) -> bool {
        if self.depth.fetch_add(1, Relaxed) >= DEEPEST {
            self.depth.fetch_sub(1, Relaxed);
            return false;
        }
        let is_there = find();
        self.depth.fetch_sub(1, Relaxed);
        is_there
    }

    /// `$1` to `$9`: a group of the last regular expression that matched, empty when it took no part.
    pub fn group(&self, number: u8) -> Option<&[u8]> {
        let index = usize::from(number).checked_sub(1)?;
        let (start, end) = self.groups.get(index)?.unwrap_or_default();
        self.subject.get(start..end)
    }

    /// A regular expression without groups matched, or one of `rewrite` or `if` did not.
    pub fn forget_groups(&mut self) {
        self.groups.clear();
    }

    /// A regular expression matched: where its groups are.
    pub(super) fn remember_groups(
        &mut self,
        subject: &[u8],
        groups: impl Iterator<Item = Option<(usize, usize)>>,
    ) {
        self.subject.clear();
        self.subject.extend_from_slice(subject);
        self.groups.clear();
        self.groups.extend(groups);
    }
}

/// More variables never wait for each other on purpose.
const DEEPEST: u8 = 32;
