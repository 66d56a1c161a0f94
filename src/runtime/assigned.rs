//! What one request writes down: the variables of `set` and of named groups, and `$1` to `$9`.

use crate::model::VariableId;

/// The written variables of one request. It takes no memory until something is written.
#[derive(Debug, Default, Clone)]
pub struct Assigned {
    values: Vec<Option<Box<[u8]>>>,
    subject: Vec<u8>,
    groups: Vec<Option<(usize, usize)>>,
}

impl Assigned {
    /// The value of a variable, if it was written.
    pub fn value(&self, variable: VariableId) -> Option<&[u8]> {
        self.values.get(variable.0 as usize)?.as_deref()
    }

    /// Writes a variable.
    pub fn set(&mut self, variable: VariableId, value: &[u8]) {
        let index = variable.0 as usize;
        if self.values.len() <= index {
            self.values.resize(index + 1, None);
        }
        self.values[index] = Some(value.into());
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
