//! What a row of the directive table says, and how one is found. The rows are in `directives/`, a
//! file for each of nginx's modules.
//!
//! **To add a directive**, give it a row; if Gapura does what nginx documents, the row says which
//! field of the Draft it fills, or which function reads it.

use super::parser::Directive;
use super::reader::{Level, Reader};
use super::{DirectiveHelp, Treatment};
use crate::config::draft::{ClientMut, CommonMut, OneOrMany, Size, Switch, Time, Upstream, Word};
use crate::config::path::Path;
use std::collections::HashMap;

/// A directive of nginx's.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) contexts: Contexts,
    pub(super) arguments: Arguments,
    pub(super) class: Class,
    /// What it is for, in one line.
    pub(super) help: &'static str,
}

/// The blocks in which a directive may stand, added up.
pub(super) type Contexts = u16;

pub(super) const MAIN: Contexts = 1;
pub(super) const EVENTS: Contexts = 1 << 1;
pub(super) const HTTP: Contexts = 1 << 2;
pub(super) const SERVER: Contexts = 1 << 3;
pub(super) const LOCATION: Contexts = 1 << 4;
pub(super) const UPSTREAM: Contexts = 1 << 5;
/// `if` in `server`.
pub(super) const IF_SERVER: Contexts = 1 << 6;
/// `if` in `location`.
pub(super) const IF_LOCATION: Contexts = 1 << 7;
pub(super) const LIMIT_EXCEPT: Contexts = 1 << 8;
/// `http`, `server` and `location`: where most may stand.
pub(super) const LEVELS: Contexts = HTTP | SERVER | LOCATION;
/// Every block.
pub(super) const ANYWHERE: Contexts = Contexts::MAX;

/// How many arguments a directive takes, and of what kind, added up.
pub(super) type Arguments = u16;

pub(super) const NONE: Arguments = 1;
pub(super) const ONE: Arguments = 1 << 1;
pub(super) const TWO: Arguments = 1 << 2;
pub(super) const THREE: Arguments = 1 << 3;
pub(super) const FOUR: Arguments = 1 << 4;
/// One or more.
pub(super) const SOME: Arguments = 1 << 8;
/// Two or more.
pub(super) const SEVERAL: Arguments = 1 << 9;
/// `on` or `off`.
pub(super) const FLAG: Arguments = 1 << 10;
/// A block in braces follows.
pub(super) const BLOCK: Arguments = 1 << 11;
/// It may come only once in a block.
pub(super) const ONCE: Arguments = 1 << 12;

impl Row {
    /// Whether it takes this many arguments.
    pub(super) fn takes(&self, count: usize) -> bool {
        if self.arguments & FLAG != 0 {
            return count == 1;
        }
        let exactly = count < 8 && self.arguments & (1 << count) != 0;
        exactly
            || (self.arguments & SOME != 0 && count >= 1)
            || (self.arguments & SEVERAL != 0 && count >= 2)
    }

    /// What is told about it.
    pub(super) fn describe(&self) -> DirectiveHelp {
        let (treatment, except, advice): (_, &'static [&'static str], _) = match self.class {
            Class::Applied(_) => (Treatment::Applied, &[], ""),
            Class::Accepted(reason) => (Treatment::Accepted, &[], reason),
            Class::Warned(except, advice) => (Treatment::Warned, except, advice),
            Class::Unsupported(except, advice) => (Treatment::Unsupported, except, advice),
        };
        DirectiveHelp {
            name: self.name,
            help: self.help,
            treatment,
            advice,
            except,
        }
    }

    /// How many arguments it takes, as a sentence says it.
    pub(super) fn counts(&self) -> String {
        const NUMBERS: [(Arguments, &str); 5] = [
            (NONE, "none"),
            (ONE | FLAG, "one"),
            (TWO, "two"),
            (THREE, "three"),
            (FOUR, "four"),
        ];
        if self.is(SEVERAL) {
            return "two arguments or more".into();
        }
        if self.is(SOME) {
            return "one argument or more".into();
        }
        let numbers = NUMBERS.iter().filter(|(kind, _)| self.is(*kind));
        let numbers: Vec<&str> = numbers.map(|(_, number)| *number).collect();
        match numbers.as_slice() {
            ["none"] => "no argument".into(),
            ["one"] => "one argument".into(),
            numbers => format!("{} arguments", numbers.join(" or ")),
        }
    }

    /// The blocks it may stand in, as a sentence names them.
    pub(super) fn places(&self) -> String {
        const NAMES: [(Contexts, &str); 8] = [
            (MAIN, "the outermost level"),
            (EVENTS, "`events`"),
            (HTTP, "`http`"),
            (UPSTREAM, "`upstream`"),
            (SERVER, "`server`"),
            (LOCATION, "`location`"),
            (IF_SERVER | IF_LOCATION, "`if`"),
            (LIMIT_EXCEPT, "`limit_except`"),
        ];
        let names = NAMES
            .iter()
            .filter(|(context, _)| self.contexts & context != 0);
        let names: Vec<&str> = names.map(|(_, name)| *name).collect();
        names.join(", ")
    }

    /// Whether one of these is among the kinds of its arguments.
    pub(super) fn is(&self, kind: Arguments) -> bool {
        self.arguments & kind != 0
    }
}

/// What becomes of a directive.
pub(super) enum Class {
    /// Does what nginx documents.
    Applied(Apply),
    /// Read and passed over, because no client, backend or log line can tell. The text says why.
    Accepted(&'static str),
    /// An error, because it would change what happens; unless its first argument is one of these,
    /// with which it says what happens anyway. The text says what to do.
    Unsupported(&'static [&'static str], &'static str),
    /// The start goes on with a warning that it is not done yet; unless as above.
    Warned(&'static [&'static str], &'static str),
}

/// How a directive is read into the Draft.
pub(super) enum Apply {
    Time(Field<Time>),
    Size(Field<Size>),
    Switch(Field<Switch>),
    Number(Field<u64>),
    Word(Field<Word>),
    /// All arguments; those of a second directive are added.
    Words(Field<OneOrMany<Word>>),
    /// All arguments, as one text.
    Text(Field<Word>),
    /// By a function of its own.
    Call(Call),
}

/// A field of the Draft.
pub(super) enum Field<T> {
    /// Of `http`, `server` and `location`.
    Common(for<'a> fn(CommonMut<'a>) -> &'a mut Option<T>),
    /// Of `http` and `server`.
    Client(for<'a> fn(ClientMut<'a>) -> &'a mut Option<T>),
    Upstream(fn(&mut Upstream) -> &mut Option<T>),
}

/// Reads a directive that its row allows at this level, whose place in the Draft is the path.
pub(super) type Call = fn(&mut Reader<'_>, &Directive, &mut Level<'_>, &Path<'_>);

/// By a function of its own.
pub(super) const fn call(function: Call) -> Class {
    Class::Applied(Apply::Call(function))
}

/// Nobody can tell.
pub(super) const fn accepted(reason: &'static str) -> Class {
    Class::Accepted(reason)
}

/// An error whatever it says.
pub(super) const fn unsupported(advice: &'static str) -> Class {
    Class::Unsupported(&[], advice)
}

/// An error unless it says what happens anyway.
pub(super) const fn only(values: &'static [&'static str], advice: &'static str) -> Class {
    Class::Unsupported(values, advice)
}

/// A warning whatever it says.
pub(super) const fn warned(advice: &'static str) -> Class {
    Class::Warned(&[], advice)
}

/// A warning unless it says what happens anyway.
pub(super) const fn warned_unless(values: &'static [&'static str], advice: &'static str) -> Class {
    Class::Warned(values, advice)
}

/// A setting by the shape of its value and its field, which is one of `http`, `server` and `location` unless it is said
/// to be `client`'s or `upstream`'s.
macro_rules! setting {
    ($shape:ident $field:ident) => {
        setting!(@ $shape Common |level| level.$field)
    };
    (client $shape:ident $field:ident) => {
        setting!(@ $shape Client |level| level.$field)
    };
    (upstream $shape:ident $field:ident) => {
        setting!(@ $shape Upstream |upstream| &mut upstream.$field)
    };
    (@ $shape:ident $level:ident $of:expr) => {
        $crate::config::nginx::table::Class::Applied($crate::config::nginx::table::Apply::$shape(
            $crate::config::nginx::table::Field::$level($of),
        ))
    };
}
pub(super) use setting;

/// Rows: `"name" in CONTEXTS, takes ARGUMENTS, CLASS, "help";`
macro_rules! rows {
    ($($name:literal in $contexts:expr, takes $arguments:expr, $class:expr, $help:literal;)*) => {
        pub(in crate::config::nginx) const ROWS: &[$crate::config::nginx::table::Row] = &[
            $($crate::config::nginx::table::Row {
                name: $name,
                contexts: $contexts,
                arguments: $arguments,
                class: $class,
                help: $help,
            },)*
        ];
    };
}
pub(super) use rows;

/// The rows by name.
pub(super) struct Table(HashMap<&'static str, Vec<&'static Row>>);

impl Table {
    /// All rows.
    pub(super) fn new() -> Self {
        let mut table: HashMap<&'static str, Vec<&'static Row>> = HashMap::new();
        for row in super::directives::all() {
            table.entry(row.name).or_default().push(row);
        }
        Self(table)
    }

    /// The rows of this name: none, one, or one for each of several blocks.
    pub(super) fn named(&self, name: &str) -> &[&'static Row] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether there is such a directive.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Every name.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    /// The names that may stand in a block.
    pub(super) fn names_in(&self, context: Contexts) -> impl Iterator<Item = &'static str> {
        let rows = self.0.values().flatten();
        let allowed = rows.filter(move |row| row.contexts & context != 0);
        allowed.map(|row| row.name)
    }
}
