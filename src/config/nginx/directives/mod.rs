//! The directive table: a file of rows for each of nginx's modules.

mod access;
mod core;
mod fastcgi;
mod files;
mod filters;
mod grpc;
mod gzip;
mod headers;
mod http2;
mod http_core;
mod log;
mod proxy;
mod proxy_cache;
mod proxy_ssl;
mod rewrite;
mod scgi;
mod ssl;
mod upstream;
mod uwsgi;
mod variables;

use super::table::Row;

/// Every row.
pub(in crate::config::nginx) fn all() -> impl Iterator<Item = &'static Row> {
    let modules = [
        access::ROWS,
        core::ROWS,
        fastcgi::ROWS,
        files::ROWS,
        filters::ROWS,
        grpc::ROWS,
        gzip::ROWS,
        headers::ROWS,
        http2::ROWS,
        http_core::ROWS,
        log::ROWS,
        proxy::ROWS,
        proxy_cache::ROWS,
        proxy_ssl::ROWS,
        rewrite::ROWS,
        scgi::ROWS,
        ssl::ROWS,
        upstream::ROWS,
        uwsgi::ROWS,
        variables::ROWS,
    ];
    modules.into_iter().flatten()
}
