//! Other protocols: gRPC, memcached, tunnels.

use crate::config::nginx::table::{
    FLAG, IF_LOCATION, LEVELS, LOCATION, NONE, ONCE, ONE, SERVER, SOME, THREE, TWO, accepted, rows,
    unsupported,
};

rows! {
    "grpc_pass" in LOCATION | IF_LOCATION, takes ONE | ONCE, unsupported("gRPC is not passed on yet"), "passes requests by gRPC";
    "grpc_bind" in LEVELS, takes ONE | TWO, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_socket_keepalive" in LEVELS, takes FLAG | ONCE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_socket_rcvbuf" in LEVELS, takes ONE | ONCE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_socket_sndbuf" in LEVELS, takes ONE | ONCE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_connect_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_send_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_intercept_errors" in LEVELS, takes FLAG | ONCE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_buffer_size" in LEVELS, takes ONE | ONCE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_read_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_next_upstream" in LEVELS, takes SOME, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_next_upstream_tries" in LEVELS, takes ONE | ONCE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_next_upstream_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_set_header" in LEVELS, takes TWO, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_pass_header" in LEVELS, takes ONE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_hide_header" in LEVELS, takes ONE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_ignore_headers" in LEVELS, takes SOME, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_ssl_session_reuse" in LEVELS, takes FLAG | ONCE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_ssl_protocols" in LEVELS, takes SOME, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_ssl_ciphers" in LEVELS, takes ONE | ONCE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_ssl_name" in LEVELS, takes ONE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_ssl_server_name" in LEVELS, takes FLAG | ONCE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_ssl_verify" in LEVELS, takes FLAG | ONCE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_ssl_verify_depth" in LEVELS, takes ONE | ONCE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_ssl_trusted_certificate" in LEVELS, takes ONE | ONCE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_ssl_crl" in LEVELS, takes ONE | ONCE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_ssl_certificate" in LEVELS, takes ONE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_ssl_certificate_key" in LEVELS, takes ONE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_ssl_certificate_cache" in LEVELS, takes ONE | TWO | THREE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_ssl_password_file" in LEVELS, takes ONE, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "grpc_ssl_conf_command" in LEVELS, takes TWO, accepted("a setting of `grpc_pass`, which is an error of its own"), "a setting of gRPC";
    "memcached_pass" in LOCATION | IF_LOCATION, takes ONE | ONCE, unsupported("Gapura speaks HTTP to servers"), "answers from memcached";
    "memcached_bind" in LEVELS, takes ONE | TWO, accepted("a setting of `memcached_pass`, which is an error of its own"), "a setting of memcached";
    "memcached_socket_keepalive" in LEVELS, takes FLAG | ONCE, accepted("a setting of `memcached_pass`, which is an error of its own"), "a setting of memcached";
    "memcached_connect_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `memcached_pass`, which is an error of its own"), "a setting of memcached";
    "memcached_send_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `memcached_pass`, which is an error of its own"), "a setting of memcached";
    "memcached_buffer_size" in LEVELS, takes ONE | ONCE, accepted("a setting of `memcached_pass`, which is an error of its own"), "a setting of memcached";
    "memcached_read_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `memcached_pass`, which is an error of its own"), "a setting of memcached";
    "memcached_next_upstream" in LEVELS, takes SOME, accepted("a setting of `memcached_pass`, which is an error of its own"), "a setting of memcached";
    "memcached_next_upstream_tries" in LEVELS, takes ONE | ONCE, accepted("a setting of `memcached_pass`, which is an error of its own"), "a setting of memcached";
    "memcached_next_upstream_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `memcached_pass`, which is an error of its own"), "a setting of memcached";
    "memcached_gzip_flag" in LEVELS, takes ONE | ONCE, accepted("a setting of `memcached_pass`, which is an error of its own"), "a setting of memcached";
    "tunnel_pass" in SERVER | LOCATION | IF_LOCATION, takes NONE | ONE, unsupported("CONNECT is not supported"), "passes connections on";
    "tunnel_bind" in LEVELS, takes ONE | TWO, accepted("a setting of `tunnel_pass`, which is an error of its own"), "a setting of tunnels";
    "tunnel_socket_keepalive" in LEVELS, takes FLAG | ONCE, accepted("a setting of `tunnel_pass`, which is an error of its own"), "a setting of tunnels";
    "tunnel_socket_rcvbuf" in LEVELS, takes ONE | ONCE, accepted("a setting of `tunnel_pass`, which is an error of its own"), "a setting of tunnels";
    "tunnel_socket_sndbuf" in LEVELS, takes ONE | ONCE, accepted("a setting of `tunnel_pass`, which is an error of its own"), "a setting of tunnels";
    "tunnel_connect_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `tunnel_pass`, which is an error of its own"), "a setting of tunnels";
    "tunnel_send_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `tunnel_pass`, which is an error of its own"), "a setting of tunnels";
    "tunnel_send_lowat" in LEVELS, takes ONE | ONCE, accepted("a setting of `tunnel_pass`, which is an error of its own"), "a setting of tunnels";
    "tunnel_buffer_size" in LEVELS, takes ONE | ONCE, accepted("a setting of `tunnel_pass`, which is an error of its own"), "a setting of tunnels";
    "tunnel_read_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `tunnel_pass`, which is an error of its own"), "a setting of tunnels";
    "tunnel_next_upstream" in LEVELS, takes SOME, accepted("a setting of `tunnel_pass`, which is an error of its own"), "a setting of tunnels";
    "tunnel_next_upstream_tries" in LEVELS, takes ONE | ONCE, accepted("a setting of `tunnel_pass`, which is an error of its own"), "a setting of tunnels";
    "tunnel_next_upstream_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `tunnel_pass`, which is an error of its own"), "a setting of tunnels";
}
