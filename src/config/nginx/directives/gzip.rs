//! Compression.

use crate::config::nginx::table::{
    FLAG, IF_LOCATION, LEVELS, ONCE, ONE, SOME, TWO, accepted, only, rows,
};

rows! {
    "gunzip" in LEVELS, takes FLAG | ONCE, only(&["off"], "answers are not decompressed"), "decompresses answers";
    "gunzip_buffers" in LEVELS, takes TWO | ONCE, accepted("a setting of `gunzip`, which is an error of its own"), "memory for that";
    "gzip" in LEVELS | IF_LOCATION, takes FLAG | ONCE, only(&["off"], "answers are not compressed yet: let the servers do it"), "compresses answers";
    "gzip_buffers" in LEVELS, takes TWO | ONCE, accepted("a setting of `gzip`, which is an error of its own"), "a setting of `gzip`";
    "gzip_types" in LEVELS, takes SOME, accepted("a setting of `gzip`, which is an error of its own"), "a setting of `gzip`";
    "gzip_comp_level" in LEVELS, takes ONE | ONCE, accepted("a setting of `gzip`, which is an error of its own"), "a setting of `gzip`";
    "gzip_window" in LEVELS, takes ONE | ONCE, accepted("a setting of `gzip`, which is an error of its own"), "a setting of `gzip`";
    "gzip_hash" in LEVELS, takes ONE | ONCE, accepted("a setting of `gzip`, which is an error of its own"), "a setting of `gzip`";
    "postpone_gzipping" in LEVELS, takes ONE | ONCE, accepted("a setting of `gzip`, which is an error of its own"), "a setting of `gzip`";
    "gzip_no_buffer" in LEVELS, takes FLAG | ONCE, accepted("a setting of `gzip`, which is an error of its own"), "a setting of `gzip`";
    "gzip_min_length" in LEVELS, takes ONE | ONCE, accepted("a setting of `gzip`, which is an error of its own"), "a setting of `gzip`";
    "gzip_static" in LEVELS, takes ONE | ONCE, accepted("answers made from files are an error of their own"), "compressed files";
    "gzip_vary" in LEVELS, takes FLAG | ONCE, accepted("a setting of `gzip`, which is an error of its own"), "a setting of `gzip`";
    "gzip_http_version" in LEVELS, takes ONE | ONCE, accepted("a setting of `gzip`, which is an error of its own"), "a setting of `gzip`";
    "gzip_proxied" in LEVELS, takes SOME, accepted("a setting of `gzip`, which is an error of its own"), "a setting of `gzip`";
    "gzip_disable" in LEVELS, takes SOME, accepted("a setting of `gzip`, which is an error of its own"), "a setting of `gzip`";
}
