//! The access log.

use crate::config::nginx::reader::log;
use crate::config::nginx::table::{
    FOUR, HTTP, IF_LOCATION, LEVELS, LIMIT_EXCEPT, ONE, SEVERAL, SOME, THREE, TWO, call, rows,
    warned_unless,
};

rows! {
    "log_format" in HTTP, takes SEVERAL, call(log::log_format), "what a log's line says";
    "access_log" in LEVELS | IF_LOCATION | LIMIT_EXCEPT, takes SOME, call(log::access_log), "where requests are logged";
    "open_log_file_cache" in LEVELS, takes ONE | TWO | THREE | FOUR, warned_unless(&["off"], "files whose names have variables are opened for the lines that wait for them: one that is moved away is made anew at once"), "how log files are kept open";
}
