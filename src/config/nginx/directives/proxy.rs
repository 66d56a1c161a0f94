//! Passing requests on.

use crate::config::nginx::reader::{answer, buffering, headers, pass, proxy};
use crate::config::nginx::table::{
    FLAG, FOUR, IF_LOCATION, LEVELS, LIMIT_EXCEPT, LOCATION, ONCE, ONE, SOME, THREE, TWO, accepted,
    call, only, rows, setting,
};

rows! {
    "proxy_pass" in LOCATION | IF_LOCATION | LIMIT_EXCEPT, takes ONE | ONCE, call(proxy::proxy_pass), "where requests are passed to";
    "proxy_redirect" in LEVELS, takes ONE | TWO, call(answer::proxy_redirect), "how `Location` and `Refresh` are rewritten";
    "proxy_cookie_domain" in LEVELS, takes ONE | TWO, call(answer::proxy_cookie_domain), "how a cookie's domain is rewritten";
    "proxy_cookie_path" in LEVELS, takes ONE | TWO, call(answer::proxy_cookie_path), "how a cookie's path is rewritten";
    "proxy_cookie_flags" in LEVELS, takes ONE | TWO | THREE | FOUR, call(answer::proxy_cookie_flags), "how a cookie's flags are changed";
    "proxy_store" in LEVELS, takes ONE, only(&["off"], "answers are not written to files"), "where answers are stored";
    "proxy_store_access" in LEVELS, takes ONE | TWO | THREE, accepted("a setting of `proxy_store`, which is an error of its own"), "who may read stored answers";
    "proxy_buffering" in LEVELS, takes FLAG | ONCE, setting!(Switch proxy_buffering), "whether answers are read ahead";
    "proxy_request_buffering" in LEVELS, takes FLAG | ONCE, setting!(Switch proxy_request_buffering), "whether requests are read ahead";
    "proxy_ignore_client_abort" in LEVELS, takes FLAG | ONCE, setting!(Switch proxy_ignore_client_abort), "whether a request goes on without its client";
    "proxy_bind" in LEVELS, takes ONE | TWO | ONCE, call(pass::proxy_bind), "the address connections come from";
    "proxy_socket_keepalive" in LEVELS, takes FLAG | ONCE, setting!(Switch proxy_socket_keepalive), "whether TCP probes connections";
    "proxy_socket_rcvbuf" in LEVELS, takes ONE | ONCE, accepted("it is how nginx talks to the kernel; answers are the same"), "the socket's buffer";
    "proxy_socket_sndbuf" in LEVELS, takes ONE | ONCE, accepted("it is how nginx talks to the kernel; answers are the same"), "the socket's buffer";
    "proxy_connect_timeout" in LEVELS, takes ONE | ONCE, setting!(Time proxy_connect_timeout), "how long connecting to a server may take";
    "proxy_send_timeout" in LEVELS, takes ONE | ONCE, setting!(Time proxy_send_timeout), "how long a server may pause while it takes the request";
    "proxy_send_lowat" in LEVELS, takes ONE | ONCE, accepted("it is how nginx talks to the kernel; answers are the same"), "how much is sent at once";
    "proxy_intercept_errors" in LEVELS, takes FLAG | ONCE, setting!(Switch proxy_intercept_errors), "whether servers' errors get our pages";
    "proxy_set_header" in LEVELS, takes TWO, call(headers::proxy_set_header), "a request header for the server";
    "proxy_headers_hash_max_size" in LEVELS, takes ONE | ONCE, accepted("its tables grow as they need to"), "the size of a table";
    "proxy_headers_hash_bucket_size" in LEVELS, takes ONE | ONCE, accepted("its tables grow as they need to"), "the size of a table";
    "proxy_set_body" in LEVELS, takes ONE | ONCE, setting!(Word proxy_set_body), "the body for the server";
    "proxy_method" in LEVELS, takes ONE | ONCE, setting!(Word proxy_method), "the method for the server";
    "proxy_pass_request_headers" in LEVELS, takes FLAG | ONCE, setting!(Switch proxy_pass_request_headers), "whether the server gets the headers";
    "proxy_pass_request_body" in LEVELS, takes FLAG | ONCE, setting!(Switch proxy_pass_request_body), "whether the server gets the body";
    "proxy_pass_trailers" in LEVELS, takes FLAG | ONCE, only(&["off"], "trailers are not passed on"), "whether trailers are passed on";
    "proxy_buffer_size" in LEVELS, takes ONE | ONCE, setting!(Size proxy_buffer_size), "memory for an answer's header";
    "proxy_read_timeout" in LEVELS, takes ONE | ONCE, setting!(Time proxy_read_timeout), "how long a server may pause while it answers";
    "proxy_buffers" in LEVELS, takes TWO | ONCE, call(buffering::proxy_buffers), "memory for an answer";
    "proxy_busy_buffers_size" in LEVELS, takes ONE | ONCE, setting!(Size proxy_busy_buffers_size), "memory that is being sent";
    "proxy_force_ranges" in LEVELS, takes FLAG | ONCE, only(&["off"], "ranges are the server's affair"), "whether ranges are cut out here";
    "proxy_limit_rate" in LEVELS, takes ONE, only(&["0"], "answers cannot be slowed down yet"), "how fast answers are read";
    "proxy_cache" in LEVELS, takes ONE | ONCE, only(&["off"], "there is no cache yet"), "which cache is used";
    "proxy_temp_path" in LEVELS, takes ONE | TWO | THREE | FOUR | ONCE, call(buffering::proxy_temp_path), "where answers are written";
    "proxy_max_temp_file_size" in LEVELS, takes ONE | ONCE, setting!(Size proxy_max_temp_file_size), "how much of an answer is written";
    "proxy_temp_file_write_size" in LEVELS, takes ONE | ONCE, setting!(Size proxy_temp_file_write_size), "how much is written at once";
    "proxy_next_upstream" in LEVELS, takes SOME, call(proxy::proxy_next_upstream), "when a request goes to the next server";
    "proxy_next_upstream_tries" in LEVELS, takes ONE | ONCE, setting!(Number proxy_next_upstream_tries), "how many servers are tried";
    "proxy_next_upstream_timeout" in LEVELS, takes ONE | ONCE, setting!(Time proxy_next_upstream_timeout), "how long the tries may take";
    "proxy_pass_header" in LEVELS, takes ONE, call(answer::proxy_pass_header), "a hidden header that is passed on";
    "proxy_hide_header" in LEVELS, takes ONE, call(headers::proxy_hide_header), "an answer's header that is not passed on";
    "proxy_ignore_headers" in LEVELS, takes SOME, call(pass::proxy_ignore_headers), "headers that are not acted on";
    "proxy_http_version" in LEVELS, takes ONE | ONCE, call(pass::proxy_http_version), "the protocol for the server";
}
