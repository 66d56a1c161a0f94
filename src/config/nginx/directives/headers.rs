//! Headers of answers.

use crate::config::nginx::reader::headers;
use crate::config::nginx::table::{
    IF_LOCATION, LEVELS, ONCE, ONE, THREE, TWO, call, rows, setting,
};

rows! {
    "expires" in LEVELS | IF_LOCATION, takes ONE | TWO | ONCE, setting!(Text expires), "how long answers may be cached";
    "add_header" in LEVELS | IF_LOCATION, takes TWO | THREE, call(headers::add_header), "a header added to answers";
    "add_trailer" in LEVELS | IF_LOCATION, takes TWO | THREE, call(headers::add_trailer), "a trailer added to answers";
    "add_header_inherit" in LEVELS | IF_LOCATION, takes ONE | ONCE, setting!(Word add_header_inherit), "how headers are inherited";
    "add_trailer_inherit" in LEVELS | IF_LOCATION, takes ONE | ONCE, setting!(Word add_trailer_inherit), "how trailers are inherited";
}
