//! A variable of the configuration's own, as it is written.

use super::{Switch, Word, record};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

record! {
    /// A variable whose value is found by another text. One of `map`, `geo` and `split_clients` says how.
    Variable {
        /// The text that is looked up among `values`: `$http_upgrade`.
        map: Word,
        /// The address that is looked up among the networks of `values`: `$remote_addr`.
        geo: Word,
        /// The text that decides which share of all texts this is; the keys of `values` are
        /// percentages, and `*` the rest.
        split_clients: Word,
        /// `map`: whether keys may be `*.example.com`, `.example.com` and `www.example.*`.
        hostnames: Switch,
        /// `map`: whether the value is found each time it is used, not once for a request.
        volatile: Switch,
        /// The value when no key fits.
        default: Word,
        /// Keys and values. Of a `map`, a key is a text, `~regex` or `~*regex`, and `$variables` may
        /// stand in values, `$1` to `$9` for the groups of the regular expression.
        values: IndexMap<String, Word>,
    }
}
