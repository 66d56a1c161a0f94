//! SCGI, whose settings mean something only beside `scgi_pass`.

use crate::config::nginx::table::{
    FLAG, FOUR, HTTP, IF_LOCATION, LEVELS, LOCATION, ONCE, ONE, SEVERAL, SOME, THREE, TWO,
    accepted, rows, unsupported,
};

rows! {
    "scgi_pass" in LOCATION | IF_LOCATION, takes ONE | ONCE, unsupported("Gapura speaks HTTP to servers: put one in front of this SCGI program"), "passes requests by SCGI";
    "scgi_store" in LEVELS, takes ONE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_store_access" in LEVELS, takes ONE | TWO | THREE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_buffering" in LEVELS, takes FLAG | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_request_buffering" in LEVELS, takes FLAG | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_ignore_client_abort" in LEVELS, takes FLAG | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_bind" in LEVELS, takes ONE | TWO, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_socket_keepalive" in LEVELS, takes FLAG | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_socket_rcvbuf" in LEVELS, takes ONE | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_socket_sndbuf" in LEVELS, takes ONE | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_connect_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_send_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_buffer_size" in LEVELS, takes ONE | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_pass_request_headers" in LEVELS, takes FLAG | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_pass_request_body" in LEVELS, takes FLAG | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_intercept_errors" in LEVELS, takes FLAG | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_read_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_buffers" in LEVELS, takes TWO | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_busy_buffers_size" in LEVELS, takes ONE | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_force_ranges" in LEVELS, takes FLAG | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_limit_rate" in LEVELS, takes ONE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_cache" in LEVELS, takes ONE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_cache_key" in LEVELS, takes ONE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_cache_path" in HTTP, takes SEVERAL, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_cache_bypass" in LEVELS, takes SOME, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_no_cache" in LEVELS, takes SOME, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_cache_valid" in LEVELS, takes SOME, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_cache_min_uses" in LEVELS, takes ONE | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_cache_max_range_offset" in LEVELS, takes ONE | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_cache_use_stale" in LEVELS, takes SOME, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_cache_methods" in LEVELS, takes SOME, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_cache_lock" in LEVELS, takes FLAG | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_cache_lock_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_cache_lock_age" in LEVELS, takes ONE | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_cache_revalidate" in LEVELS, takes FLAG | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_cache_background_update" in LEVELS, takes FLAG | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_temp_path" in LEVELS, takes ONE | TWO | THREE | FOUR, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_max_temp_file_size" in LEVELS, takes ONE | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_temp_file_write_size" in LEVELS, takes ONE | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_next_upstream" in LEVELS, takes SOME, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_next_upstream_tries" in LEVELS, takes ONE | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_next_upstream_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_param" in LEVELS, takes TWO | THREE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_pass_header" in LEVELS, takes ONE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_hide_header" in LEVELS, takes ONE, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
    "scgi_ignore_headers" in LEVELS, takes SOME, accepted("a setting of `scgi_pass`, which is an error of its own"), "a setting of SCGI";
}
