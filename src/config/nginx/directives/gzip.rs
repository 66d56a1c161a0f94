//! Compression.

use crate::config::nginx::table::{
    FLAG, IF_LOCATION, LEVELS, ONCE, ONE, SOME, TWO, accepted, only, rows, setting,
};

rows! {
    "gunzip" in LEVELS, takes FLAG | ONCE, only(&["off"], "answers are not decompressed"), "decompresses answers";
    "gunzip_buffers" in LEVELS, takes TWO | ONCE, accepted("a setting of `gunzip`, which is an error of its own"), "memory for that";
    "gzip" in LEVELS | IF_LOCATION, takes FLAG | ONCE, setting!(Switch gzip), "compresses answers";
    "gzip_buffers" in LEVELS, takes TWO | ONCE, accepted("memory is taken as it is needed; what is decompressed is the same"), "a setting of `gzip`";
    "gzip_types" in LEVELS, takes SOME, setting!(Words gzip_types), "a setting of `gzip`";
    "gzip_comp_level" in LEVELS, takes ONE | ONCE, setting!(Number gzip_comp_level), "a setting of `gzip`";
    "gzip_window" in LEVELS, takes ONE | ONCE, accepted("memory is taken as it is needed; what is decompressed is the same"), "a setting of `gzip`";
    "gzip_hash" in LEVELS, takes ONE | ONCE, accepted("memory is taken as it is needed; what is decompressed is the same"), "a setting of `gzip`";
    "postpone_gzipping" in LEVELS, takes ONE | ONCE, accepted("what comes in is compressed and sent on at once"), "a setting of `gzip`";
    "gzip_no_buffer" in LEVELS, takes FLAG | ONCE, accepted("what comes in is compressed and sent on at once"), "a setting of `gzip`";
    "gzip_min_length" in LEVELS, takes ONE | ONCE, setting!(Size gzip_min_length), "a setting of `gzip`";
    "gzip_static" in LEVELS, takes ONE | ONCE, only(&["off"], "compressed files are not looked for yet"), "compressed files";
    "gzip_vary" in LEVELS, takes FLAG | ONCE, setting!(Switch gzip_vary), "a setting of `gzip`";
    "gzip_http_version" in LEVELS, takes ONE | ONCE, setting!(Word gzip_http_version), "a setting of `gzip`";
    "gzip_proxied" in LEVELS, takes SOME, setting!(Words gzip_proxied), "a setting of `gzip`";
    "gzip_disable" in LEVELS, takes SOME, setting!(Words gzip_disable), "a setting of `gzip`";
}
