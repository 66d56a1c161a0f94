//! Rewriting, conditions and answers without a server.

use crate::config::nginx::reader::location;
use crate::config::nginx::table::{
    BLOCK, FLAG, IF_LOCATION, IF_SERVER, LEVELS, LOCATION, NONE, ONCE, ONE, SERVER, SOME, THREE,
    TWO, accepted, call, rows, unsupported,
};

rows! {
    "rewrite" in SERVER | LOCATION | IF_SERVER | IF_LOCATION, takes TWO | THREE, unsupported("paths cannot be rewritten yet"), "a path is replaced";
    "return" in SERVER | LOCATION | IF_SERVER | IF_LOCATION, takes ONE | TWO, call(location::return_), "an answer without a server";
    "break" in SERVER | LOCATION | IF_SERVER | IF_LOCATION, takes NONE, unsupported("paths cannot be rewritten yet"), "the end of rewriting";
    "if" in SERVER | LOCATION, takes BLOCK | SOME, unsupported("conditions are not supported yet: use `location` or another `server`"), "a condition";
    "set" in SERVER | LOCATION | IF_SERVER | IF_LOCATION, takes TWO, unsupported("variables of your own are not supported yet"), "a variable of your own";
    "rewrite_log" in LEVELS | IF_SERVER | IF_LOCATION, takes FLAG | ONCE, accepted("paths cannot be rewritten"), "whether rewriting is logged";
    "uninitialized_variable_warn" in LEVELS | IF_SERVER | IF_LOCATION, takes FLAG | ONCE, accepted("there are no variables without a value"), "whether variables without a value are logged";
}
