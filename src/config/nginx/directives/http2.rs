//! HTTP/2 and HTTP/3.

use crate::config::nginx::table::{
    FLAG, HTTP, LEVELS, ONCE, ONE, SERVER, accepted, rows, warned_unless,
};

rows! {
    "http2" in HTTP | SERVER, takes FLAG | ONCE, warned_unless(&["off"], "HTTP/2 is not offered; clients use HTTP/1.1"), "offers HTTP/2";
    "http2_recv_buffer_size" in HTTP, takes ONE | ONCE, accepted("a setting of `http2`, which is not offered"), "a setting of HTTP/2";
    "http2_pool_size" in HTTP | SERVER, takes ONE | ONCE, accepted("a setting of `http2`, which is not offered"), "a setting of HTTP/2";
    "http2_max_concurrent_streams" in HTTP | SERVER, takes ONE | ONCE, accepted("a setting of `http2`, which is not offered"), "a setting of HTTP/2";
    "http2_max_concurrent_pushes" in HTTP | SERVER, takes ONE, accepted("a setting of `http2`, which is not offered"), "a setting of HTTP/2";
    "http2_max_requests" in HTTP | SERVER, takes ONE, accepted("a setting of `http2`, which is not offered"), "a setting of HTTP/2";
    "http2_max_field_size" in HTTP | SERVER, takes ONE, accepted("a setting of `http2`, which is not offered"), "a setting of HTTP/2";
    "http2_max_header_size" in HTTP | SERVER, takes ONE, accepted("a setting of `http2`, which is not offered"), "a setting of HTTP/2";
    "http2_body_preread_size" in HTTP | SERVER, takes ONE | ONCE, accepted("a setting of `http2`, which is not offered"), "a setting of HTTP/2";
    "http2_streams_index_size" in HTTP | SERVER, takes ONE | ONCE, accepted("a setting of `http2`, which is not offered"), "a setting of HTTP/2";
    "http2_recv_timeout" in HTTP | SERVER, takes ONE, accepted("a setting of `http2`, which is not offered"), "a setting of HTTP/2";
    "http2_idle_timeout" in HTTP | SERVER, takes ONE, accepted("a setting of `http2`, which is not offered"), "a setting of HTTP/2";
    "http2_chunk_size" in LEVELS, takes ONE | ONCE, accepted("a setting of `http2`, which is not offered"), "a setting of HTTP/2";
    "http2_push_preload" in LEVELS, takes FLAG, accepted("a setting of `http2`, which is not offered"), "a setting of HTTP/2";
    "http2_push" in LEVELS, takes ONE, accepted("a setting of `http2`, which is not offered"), "a setting of HTTP/2";
    "http3" in HTTP | SERVER, takes FLAG | ONCE, accepted("there is no QUIC listener: `listen … quic` is an error of its own"), "offers HTTP/3";
    "http3_hq" in HTTP | SERVER, takes FLAG | ONCE, accepted("a setting of `http3`, which is not offered"), "a setting of HTTP/3";
    "http3_max_concurrent_streams" in HTTP | SERVER, takes ONE | ONCE, accepted("a setting of `http3`, which is not offered"), "a setting of HTTP/3";
    "http3_stream_buffer_size" in HTTP | SERVER, takes ONE | ONCE, accepted("a setting of `http3`, which is not offered"), "a setting of HTTP/3";
    "quic_retry" in HTTP | SERVER, takes FLAG | ONCE, accepted("a setting of `http3`, which is not offered"), "a setting of QUIC";
    "quic_gso" in HTTP | SERVER, takes FLAG | ONCE, accepted("a setting of `http3`, which is not offered"), "a setting of QUIC";
    "quic_host_key" in HTTP | SERVER, takes ONE, accepted("a setting of `http3`, which is not offered"), "a setting of QUIC";
    "quic_active_connection_id_limit" in HTTP | SERVER, takes ONE | ONCE, accepted("a setting of `http3`, which is not offered"), "a setting of QUIC";
}
