//! HTTP itself: servers, locations, connections.

use crate::config::nginx::reader::{
    access, buffering, error_page, files, http, listen, location, log, own, server,
};
use crate::config::nginx::table::{
    BLOCK, FLAG, FOUR, HTTP, IF_LOCATION, LEVELS, LOCATION, MAIN, NONE, ONCE, ONE, SERVER, SEVERAL,
    SOME, THREE, TWO, accepted, call, rows, setting, unsupported, warned_unless,
};

rows! {
    "try_files" in SERVER | LOCATION, takes SEVERAL | ONCE, call(files::try_files), "files that are tried before something else";
    "http" in MAIN, takes BLOCK | NONE | ONCE, call(http::http), "the servers of HTTP";
    "output_buffers" in LEVELS, takes TWO | ONCE, accepted("files are read in pieces of a fixed size; answers are the same"), "memory for files";
    "variables_hash_max_size" in HTTP, takes ONE | ONCE, accepted("its tables grow as they need to"), "the size of a table";
    "variables_hash_bucket_size" in HTTP, takes ONE | ONCE, accepted("its tables grow as they need to"), "the size of a table";
    "server_names_hash_max_size" in HTTP, takes ONE | ONCE, accepted("its tables grow as they need to"), "the size of a table";
    "server_names_hash_bucket_size" in HTTP, takes ONE | ONCE, accepted("its tables grow as they need to"), "the size of a table";
    "server" in HTTP, takes BLOCK | NONE, call(server::server), "a site: addresses, names and locations";
    "connection_pool_size" in HTTP | SERVER, takes ONE | ONCE, accepted("it is nginx's memory"), "memory for a connection";
    "request_pool_size" in HTTP | SERVER, takes ONE | ONCE, accepted("it is nginx's memory"), "memory for a request";
    "client_header_timeout" in HTTP | SERVER, takes ONE | ONCE, setting!(client Time client_header_timeout), "how long a request's header may take";
    "client_header_buffer_size" in HTTP | SERVER, takes ONE | ONCE, setting!(client Size client_header_buffer_size), "memory for a request's header";
    "large_client_header_buffers" in HTTP | SERVER, takes TWO | ONCE, call(server::large_client_header_buffers), "how long lines of a request's header may be";
    "max_headers" in HTTP | SERVER, takes ONE | ONCE, setting!(client Number max_headers), "how many header lines a request may have";
    "ignore_invalid_headers" in HTTP | SERVER, takes FLAG | ONCE, setting!(client Switch ignore_invalid_headers), "whether headers with invalid names are dropped";
    "merge_slashes" in HTTP | SERVER, takes FLAG | ONCE, setting!(client Switch merge_slashes), "whether `//` is `/` in a path";
    "underscores_in_headers" in HTTP | SERVER, takes FLAG | ONCE, setting!(client Switch underscores_in_headers), "whether `_` is valid in a header's name";
    "location" in SERVER | LOCATION, takes BLOCK | ONE | TWO, call(location::location), "a part of a site, by its paths";
    "listen" in SERVER, takes SOME, call(listen::listen), "an address to listen on";
    "server_name" in SERVER, takes SOME, call(server::server_name), "the hosts of a server";
    "types_hash_max_size" in LEVELS, takes ONE | ONCE, accepted("its tables grow as they need to"), "the size of a table";
    "types_hash_bucket_size" in LEVELS, takes ONE | ONCE, accepted("its tables grow as they need to"), "the size of a table";
    "types" in LEVELS, takes BLOCK | NONE, call(files::types), "types of files by their ends";
    "default_type" in LEVELS, takes ONE | ONCE, setting!(Word default_type), "the type of a file with an unknown end";
    "root" in LEVELS | IF_LOCATION, takes ONE | ONCE, call(files::root), "the folder of files";
    "alias" in LOCATION, takes ONE | ONCE, call(files::alias), "the folder of a location's files";
    "limit_except" in LOCATION, takes BLOCK | SOME, call(access::limit_except), "limits on all but these methods";
    "client_max_body_size" in LEVELS, takes ONE | ONCE, setting!(Size client_max_body_size), "the largest request body";
    "client_body_buffer_size" in LEVELS, takes ONE | ONCE, setting!(Size client_body_buffer_size), "memory for a request's body";
    "client_body_timeout" in LEVELS, takes ONE | ONCE, setting!(Time client_body_timeout), "how long a request's body may pause";
    "client_body_temp_path" in LEVELS, takes ONE | TWO | THREE | FOUR | ONCE, call(buffering::client_body_temp_path), "where bodies are written";
    "client_body_in_file_only" in LEVELS, takes ONE | ONCE, call(buffering::client_body_in_file_only), "whether bodies are written to files";
    "client_body_in_single_buffer" in LEVELS, takes FLAG | ONCE, accepted("a body in memory always is"), "whether a body is in one buffer";
    "client_body_early_read" in HTTP | SERVER, takes SOME, accepted("bodies are passed on as they come"), "whether a body is read early";
    "sendfile" in LEVELS | IF_LOCATION, takes FLAG | ONCE, accepted("files are read off the threads that serve; answers are the same"), "how files are sent";
    "sendfile_max_chunk" in LEVELS, takes ONE | ONCE, accepted("files are read off the threads that serve; answers are the same"), "how files are sent";
    "subrequest_output_buffer_size" in LEVELS, takes ONE | ONCE, accepted("there are no subrequests"), "memory for subrequests";
    "aio" in LEVELS, takes ONE, accepted("files are read off the threads that serve; answers are the same"), "how files are read";
    "aio_write" in LEVELS, takes FLAG | ONCE, accepted("it is how temporary files are written; answers are the same"), "how files are read";
    "read_ahead" in LEVELS, takes ONE | ONCE, accepted("files are read off the threads that serve; answers are the same"), "how files are read";
    "directio" in LEVELS, takes ONE, accepted("files are read off the threads that serve; answers are the same"), "how files are read";
    "directio_alignment" in LEVELS, takes ONE | ONCE, accepted("files are read off the threads that serve; answers are the same"), "how files are read";
    "tcp_nopush" in LEVELS, takes FLAG | ONCE, accepted("it is how nginx talks to the kernel; answers are the same"), "how packets are filled";
    "tcp_nodelay" in LEVELS, takes FLAG | ONCE, accepted("it is always on"), "whether small packets are sent at once";
    "send_timeout" in LEVELS, takes ONE | ONCE, setting!(Time send_timeout), "how long the client may pause while it takes the answer";
    "send_lowat" in LEVELS, takes ONE | ONCE, accepted("it is how nginx talks to the kernel; answers are the same"), "how much is sent at once";
    "postpone_output" in LEVELS, takes ONE | ONCE, accepted("it is how nginx talks to the kernel; answers are the same"), "how much is sent at once";
    "limit_rate" in LEVELS | IF_LOCATION, takes ONE | ONCE, setting!(Word limit_rate), "how fast an answer is sent";
    "limit_rate_after" in LEVELS | IF_LOCATION, takes ONE | ONCE, setting!(Word limit_rate_after), "how much is sent fast";
    "keepalive_time" in LEVELS, takes ONE | ONCE, setting!(Time keepalive_time), "how long a connection may be used";
    "keepalive_timeout" in LEVELS, takes ONE | TWO | ONCE, call(server::keepalive_timeout), "how long an idle connection is kept";
    "keepalive_min_timeout" in LEVELS, takes ONE | ONCE, setting!(Time keepalive_min_timeout), "how long an idle connection is kept at least";
    "keepalive_requests" in LEVELS, takes ONE | ONCE, setting!(Number keepalive_requests), "how many requests a connection may carry";
    "keepalive_disable" in LEVELS, takes ONE | TWO, call(server::keepalive_disable), "browsers whose connections are closed";
    "satisfy" in LEVELS, takes ONE | ONCE, accepted("addresses are the only check there is; a second one is an error of its own"), "whether one check is enough";
    "auth_delay" in LEVELS, takes ONE | ONCE, accepted("a setting of access control, which is an error of its own"), "how late a refusal comes";
    "internal" in LOCATION, takes NONE, call(location::internal), "no client may ask for it";
    "lingering_close" in LEVELS, takes ONE | ONCE, setting!(Word lingering_close), "whether a body is read before closing";
    "lingering_time" in LEVELS, takes ONE | ONCE, setting!(Time lingering_time), "how long a body is read before closing";
    "lingering_timeout" in LEVELS, takes ONE | ONCE, setting!(Time lingering_timeout), "how long a pause may be in that";
    "reset_timedout_connection" in LEVELS, takes FLAG | ONCE, warned_unless(&["off"], "connections are closed, not reset"), "whether slow connections are reset";
    "absolute_redirect" in LEVELS, takes FLAG | ONCE, setting!(Switch absolute_redirect), "whether redirects name the host";
    "server_name_in_redirect" in LEVELS, takes FLAG | ONCE, setting!(Switch server_name_in_redirect), "whether redirects name the server";
    "port_in_redirect" in LEVELS, takes FLAG | ONCE, setting!(Switch port_in_redirect), "whether redirects name the port";
    "log_not_found" in LEVELS, takes FLAG | ONCE, setting!(Switch log_not_found), "whether missing files are logged";
    "log_subrequest" in LEVELS, takes FLAG | ONCE, accepted("there are no subrequests"), "whether subrequests are logged";
    "recursive_error_pages" in LEVELS, takes FLAG | ONCE, setting!(Switch recursive_error_pages), "whether pages have pages";
    "if_modified_since" in LEVELS, takes ONE | ONCE, setting!(Word if_modified_since), "how dates are compared";
    "max_ranges" in LEVELS, takes ONE | ONCE, setting!(Number max_ranges), "how many ranges may be asked for";
    "msie_padding" in LEVELS, takes FLAG | ONCE, setting!(Switch msie_padding), "longer errors for Internet Explorer and Chrome";
    "msie_refresh" in LEVELS, takes FLAG | ONCE, setting!(Switch msie_refresh), "refreshes for Internet Explorer";
    "server_tokens" in LEVELS, takes ONE | ONCE, call(own::server_tokens), "what `Server` says of the version";
    "chunked_transfer_encoding" in LEVELS, takes FLAG | ONCE, setting!(Switch chunked_transfer_encoding), "whether answers may be chunked";
    "etag" in LEVELS, takes FLAG | ONCE, setting!(Switch etag), "whether files have an ETag";
    "early_hints" in LEVELS, takes SOME, setting!(Words early_hints), "when 103 answers are passed on";
    "error_page" in LEVELS | IF_LOCATION, takes SEVERAL, call(error_page::error_page), "what is shown for errors";
    "post_action" in LEVELS | IF_LOCATION, takes ONE | ONCE, unsupported("nothing can be called after a request"), "a location called after a request";
    "error_log" in LEVELS, takes SOME, call(log::error_log), "where errors are logged";
    "open_file_cache" in LEVELS, takes ONE | TWO, accepted("files are opened for each request, so that none is answered that has changed"), "how files are kept open";
    "open_file_cache_valid" in LEVELS, takes ONE | ONCE, accepted("files are opened for each request, so that none is answered that has changed"), "how files are kept open";
    "open_file_cache_min_uses" in LEVELS, takes ONE | ONCE, accepted("files are opened for each request, so that none is answered that has changed"), "how files are kept open";
    "open_file_cache_errors" in LEVELS, takes FLAG | ONCE, accepted("files are opened for each request, so that none is answered that has changed"), "how files are kept open";
    "open_file_cache_events" in LEVELS, takes FLAG | ONCE, accepted("files are opened for each request, so that none is answered that has changed"), "how files are kept open";
    "resolver" in LEVELS, takes SOME | ONCE, setting!(Words resolver), "servers that resolve names";
    "resolver_timeout" in LEVELS, takes ONE | ONCE, setting!(Time resolver_timeout), "how long resolving may take";
    "disable_symlinks" in LEVELS, takes ONE | TWO, setting!(Text disable_symlinks), "whether links to files are followed";
}
