//! The cache of answers.

use crate::config::nginx::table::{FLAG, HTTP, LEVELS, ONCE, ONE, SEVERAL, SOME, accepted, rows};

rows! {
    "proxy_cache_key" in LEVELS, takes ONE, accepted("a setting of `proxy_cache`, which is an error of its own"), "a setting of `proxy_cache`";
    "proxy_cache_path" in HTTP, takes SEVERAL, accepted("a setting of `proxy_cache`, which is an error of its own"), "a setting of `proxy_cache`";
    "proxy_cache_bypass" in LEVELS, takes SOME, accepted("a setting of `proxy_cache`, which is an error of its own"), "a setting of `proxy_cache`";
    "proxy_no_cache" in LEVELS, takes SOME, accepted("a setting of `proxy_cache`, which is an error of its own"), "what is not cached";
    "proxy_cache_valid" in LEVELS, takes SOME, accepted("a setting of `proxy_cache`, which is an error of its own"), "a setting of `proxy_cache`";
    "proxy_cache_min_uses" in LEVELS, takes ONE | ONCE, accepted("a setting of `proxy_cache`, which is an error of its own"), "a setting of `proxy_cache`";
    "proxy_cache_max_range_offset" in LEVELS, takes ONE | ONCE, accepted("a setting of `proxy_cache`, which is an error of its own"), "a setting of `proxy_cache`";
    "proxy_cache_use_stale" in LEVELS, takes SOME, accepted("a setting of `proxy_cache`, which is an error of its own"), "a setting of `proxy_cache`";
    "proxy_cache_methods" in LEVELS, takes SOME, accepted("a setting of `proxy_cache`, which is an error of its own"), "a setting of `proxy_cache`";
    "proxy_cache_lock" in LEVELS, takes FLAG | ONCE, accepted("a setting of `proxy_cache`, which is an error of its own"), "a setting of `proxy_cache`";
    "proxy_cache_lock_timeout" in LEVELS, takes ONE | ONCE, accepted("a setting of `proxy_cache`, which is an error of its own"), "a setting of `proxy_cache`";
    "proxy_cache_lock_age" in LEVELS, takes ONE | ONCE, accepted("a setting of `proxy_cache`, which is an error of its own"), "a setting of `proxy_cache`";
    "proxy_cache_revalidate" in LEVELS, takes FLAG | ONCE, accepted("a setting of `proxy_cache`, which is an error of its own"), "a setting of `proxy_cache`";
    "proxy_cache_convert_head" in LEVELS, takes FLAG | ONCE, accepted("a setting of `proxy_cache`, which is an error of its own"), "a setting of `proxy_cache`";
    "proxy_cache_background_update" in LEVELS, takes FLAG | ONCE, accepted("a setting of `proxy_cache`, which is an error of its own"), "a setting of `proxy_cache`";
    "proxy_cache_purge" in LEVELS, takes SOME, accepted("a setting of `proxy_cache`, which is an error of its own"), "a setting of `proxy_cache`";
}
