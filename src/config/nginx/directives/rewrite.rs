//! Rewriting, conditions and answers without a server.

use crate::config::nginx::reader::rewrite;
use crate::config::nginx::table::{
    BLOCK, FLAG, IF_LOCATION, IF_SERVER, LEVELS, LOCATION, NONE, ONCE, ONE, SERVER, SOME, THREE,
    TWO, accepted, call, rows,
};

rows! {
    "rewrite" in SERVER | LOCATION | IF_SERVER | IF_LOCATION, takes TWO | THREE, call(rewrite::rewrite), "a path is replaced";
    "return" in SERVER | LOCATION | IF_SERVER | IF_LOCATION, takes ONE | TWO, call(rewrite::return_), "an answer without a server";
    "break" in SERVER | LOCATION | IF_SERVER | IF_LOCATION, takes NONE, call(rewrite::break_), "the end of rewriting";
    "if" in SERVER | LOCATION, takes BLOCK | SOME, call(rewrite::if_), "a condition";
    "set" in SERVER | LOCATION | IF_SERVER | IF_LOCATION, takes TWO, call(rewrite::set), "a variable of your own";
    "rewrite_log" in LEVELS | IF_SERVER | IF_LOCATION, takes FLAG | ONCE, accepted("what is rewritten is logged at the level debug"), "whether rewriting is logged";
    "uninitialized_variable_warn" in LEVELS | IF_SERVER | IF_LOCATION, takes FLAG | ONCE, accepted("a variable without a value is empty, and not warned of"), "whether variables without a value are logged";
}
