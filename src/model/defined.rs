//! The variables that a configuration defines itself.

/// The place of a variable in [`Model::variables`](super::Model::variables).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VariableId(pub u32);

/// A variable that the configuration defines.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Its name, without the `$`, in lower case.
    pub name: String,
    /// Where its value comes from.
    pub source: Source,
}

/// Where the value of a defined variable comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// `set`, or a named group of a regular expression that matched.
    Written,
}
