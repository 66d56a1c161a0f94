//! What is done to answers on their way: text replaced, a charset named.

use super::{Template, TypeSet};
use std::collections::HashSet;
use std::sync::Arc;

/// `sub_filter` and its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Substitutions {
    /// What is replaced; of several that begin at one place the first counts.
    pub list: Vec<Substitution>,
    /// `sub_filter_types`: the types of the answers in which it is.
    pub types: TypeSet,
    /// `sub_filter_once`: whether each is replaced only the first time.
    pub once: bool,
    /// `sub_filter_last_modified`: whether the answer keeps its `Last-Modified` and a weaker `ETag`.
    pub keeps_date: bool,
}

impl Default for Substitutions {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            types: TypeSet::html(),
            once: true,
            keeps_date: false,
        }
    }
}

/// One `sub_filter`.
#[derive(Debug, Clone, PartialEq)]
pub struct Substitution {
    /// What is looked for, in any case of its letters.
    pub from: Template,
    /// What stands in its place.
    pub to: Template,
}

/// `charset` and its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Charset {
    /// What is said in `Content-Type`; `None` says nothing.
    pub name: Option<Template>,
    /// `charset_types`: the types of the answers that get one.
    pub types: TypeSet,
}

/// The types that get a charset unless others are written.
pub const CHARSET_TYPES: [&str; 6] = [
    "text/html",
    "text/xml",
    "text/plain",
    "text/vnd.wap.wml",
    "application/javascript",
    "application/rss+xml",
];

impl Default for Charset {
    fn default() -> Self {
        let types: HashSet<String> = CHARSET_TYPES.iter().map(|name| (*name).into()).collect();
        Self {
            name: None,
            types: TypeSet::These(Arc::new(types)),
        }
    }
}
