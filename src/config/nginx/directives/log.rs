//! The access log.

use crate::config::nginx::reader::log;
use crate::config::nginx::table::{
    FOUR, HTTP, IF_LOCATION, LEVELS, LIMIT_EXCEPT, ONE, SEVERAL, SOME, THREE, TWO, accepted, call,
    rows,
};

rows! {
    "log_format" in HTTP, takes SEVERAL, call(log::log_format), "what a log's line says";
    "access_log" in LEVELS | IF_LOCATION | LIMIT_EXCEPT, takes SOME, call(log::access_log), "where requests are logged";
    "open_log_file_cache" in LEVELS, takes ONE | TWO | THREE | FOUR, accepted("a file whose name has variables is opened for the lines that wait for it, and closed"), "how log files are kept open";
}
