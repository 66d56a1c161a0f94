//! What a site or a location does with a request before anything answers it: nginx's rewrite
//! module, in the order of the file.

use super::{Location, Template, VariableId};

/// One directive of the rewrite module.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// `set`.
    Set {
        /// What is written.
        to: Settable,
        /// Its value.
        value: Template,
    },
    /// `if`.
    If(Box<If>),
    /// `rewrite`.
    Rewrite(Rewrite),
    /// `break`: the steps end, and the location stays.
    Break,
    /// `return`.
    Return(Return),
}

/// What `set` may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settable {
    /// A variable of the configuration's own.
    Variable(VariableId),
    /// `$args`: the query string from here on.
    Args,
    /// `$limit_rate`.
    LimitRate,
}

/// `if (condition) { … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct If {
    /// When.
    pub condition: Condition,
    /// What is done then.
    pub steps: Vec<Step>,
    /// What the request's location is from there on; `None` in a site, where only steps stand in
    /// the block.
    pub location: Option<Location>,
}

/// The condition of an `if`.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// What is asked.
    pub test: Test,
    /// Whether the answer is turned round: `!=`, `!~`, `!-f`.
    pub negated: bool,
}

/// What an `if` asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// `$variable`: neither empty nor `0`.
    True(Template),
    /// `$variable = text`.
    Equal(Template, Template),
    /// `$variable ~ pattern`.
    Matches(Template, Regex),
    /// `-f path` and its kin.
    File(FileTest, Template),
}

/// What is asked of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileTest {
    /// `-f`: it is a regular file.
    File,
    /// `-d`: it is a directory.
    Directory,
    /// `-e`: it exists, a broken symbolic link too.
    Exists,
    /// `-x`: it may be executed.
    Executable,
}

/// A regular expression in PCRE's syntax.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Regex {
    /// The pattern.
    pub pattern: String,
    /// Whether case does not matter.
    pub ignore_case: bool,
}

/// `rewrite pattern replacement [flag]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rewrite {
    /// What the path must match.
    pub regex: Regex,
    /// What it becomes: a path, or the whole URL to redirect to.
    pub replacement: Template,
    /// The query behind the first `?` of a replacement that is no redirect.
    pub args: Option<Template>,
    /// Whether the request's query is put behind it; a final `?` prevents it.
    pub keep_args: bool,
    /// What happens then.
    pub then: Then,
}

/// What follows a `rewrite` that matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// No flag: the next step.
    Continue,
    /// `last`: a location is looked for again.
    Last,
    /// `break`: this location goes on with the new path.
    Break,
    /// `redirect`, `permanent` and replacements that are URLs: the client is sent there.
    Redirect(u16),
}

/// `return`.
#[derive(Debug, Clone, PartialEq)]
pub struct Return {
    /// The status; 444 closes the connection without an answer.
    pub status: u16,
    /// The body, or the `Location` of a redirect; `None` is the status's page.
    pub text: Option<Template>,
}
