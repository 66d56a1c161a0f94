//! uwsgi, whose settings mean something only beside `uwsgi_pass`.

use crate::config::nginx::table::{
    FLAG, FOUR, HTTP, IF_LOCATION, LEVELS, LOCATION, ONCE, ONE, SEVERAL, SOME, THREE, TWO,
    accepted, rows, unsupported,
};

rows! {
    "uwsgi_pass" in LOCATION | IF_LOCATION, takes ONE | ONCE, unsupported("Gapura speaks HTTP to servers: start uWSGI with `--http-socket`"), "passes requests by uwsgi";
    "uwsgi_modifier1" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_modifier2" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_store" in LEVELS, takes ONE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_store_access" in LEVELS, takes ONE | TWO | THREE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_buffering" in LEVELS, takes FLAG | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_request_buffering" in LEVELS, takes FLAG | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_ignore_client_abort" in LEVELS, takes FLAG | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_bind" in LEVELS, takes ONE | TWO, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_socket_keepalive" in LEVELS, takes FLAG | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_socket_rcvbuf" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_socket_sndbuf" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_connect_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_send_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_buffer_size" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_pass_request_headers" in LEVELS, takes FLAG | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_pass_request_body" in LEVELS, takes FLAG | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_intercept_errors" in LEVELS, takes FLAG | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_read_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_buffers" in LEVELS, takes TWO | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_busy_buffers_size" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_force_ranges" in LEVELS, takes FLAG | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_limit_rate" in LEVELS, takes ONE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_cache" in LEVELS, takes ONE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_cache_key" in LEVELS, takes ONE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_cache_path" in HTTP, takes SEVERAL, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_cache_bypass" in LEVELS, takes SOME, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_no_cache" in LEVELS, takes SOME, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_cache_valid" in LEVELS, takes SOME, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_cache_min_uses" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_cache_max_range_offset" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_cache_use_stale" in LEVELS, takes SOME, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_cache_methods" in LEVELS, takes SOME, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_cache_lock" in LEVELS, takes FLAG | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_cache_lock_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_cache_lock_age" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_cache_revalidate" in LEVELS, takes FLAG | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_cache_background_update" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_temp_path" in LEVELS, takes ONE | TWO | THREE | FOUR, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_max_temp_file_size" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_temp_file_write_size" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_next_upstream" in LEVELS, takes SOME, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_next_upstream_tries" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_next_upstream_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_param" in LEVELS, takes TWO | THREE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_string" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_pass_header" in LEVELS, takes ONE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_hide_header" in LEVELS, takes ONE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_ignore_headers" in LEVELS, takes SOME, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_ssl_session_reuse" in LEVELS, takes FLAG | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_ssl_protocols" in LEVELS, takes SOME, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_ssl_ciphers" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_ssl_name" in LEVELS, takes ONE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_ssl_server_name" in LEVELS, takes FLAG | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_ssl_verify" in LEVELS, takes FLAG | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_ssl_verify_depth" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_ssl_trusted_certificate" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_ssl_crl" in LEVELS, takes ONE | ONCE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_ssl_certificate" in LEVELS, takes ONE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_ssl_certificate_key" in LEVELS, takes ONE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_ssl_certificate_cache" in LEVELS, takes ONE | TWO | THREE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_ssl_password_file" in LEVELS, takes ONE, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
    "uwsgi_ssl_conf_command" in LEVELS, takes TWO, accepted("a setting of `uwsgi_pass`, which is an error of its own"), "a setting of uwsgi";
}
