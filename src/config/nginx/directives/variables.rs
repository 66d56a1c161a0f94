//! What defines variables: `map` and its kin.

use crate::config::nginx::reader::{location, variables};
use crate::config::nginx::table::{
    BLOCK, FLAG, HTTP, LEVELS, LOCATION, NONE, ONCE, ONE, SERVER, SOME, TWO, accepted, call, rows,
};

rows! {
    "modern_browser" in LEVELS, takes ONE | TWO, accepted("it only defines variables, and using one is an error of its own"), "variables by the browser";
    "ancient_browser" in LEVELS, takes SOME, accepted("it only defines variables, and using one is an error of its own"), "variables by the browser";
    "modern_browser_value" in LEVELS, takes ONE, accepted("it only defines variables, and using one is an error of its own"), "variables by the browser";
    "ancient_browser_value" in LEVELS, takes ONE, accepted("it only defines variables, and using one is an error of its own"), "variables by the browser";
    "geo" in HTTP, takes BLOCK | ONE | TWO, call(variables::geo), "a variable by the client's address";
    "geoip_country" in HTTP, takes ONE | TWO, accepted("it only defines variables, and using one is an error of its own"), "variables by the client's address";
    "geoip_org" in HTTP, takes ONE | TWO, accepted("it only defines variables, and using one is an error of its own"), "variables by the client's address";
    "geoip_city" in HTTP, takes ONE | TWO, accepted("it only defines variables, and using one is an error of its own"), "variables by the client's address";
    "geoip_proxy" in HTTP, takes ONE, accepted("it only defines variables, and using one is an error of its own"), "variables by the client's address";
    "geoip_proxy_recursive" in HTTP, takes FLAG | ONCE, accepted("it only defines variables, and using one is an error of its own"), "variables by the client's address";
    "map" in HTTP, takes BLOCK | TWO, call(variables::map), "a variable by another's value";
    "map_hash_max_size" in HTTP, takes ONE | ONCE, accepted("its tables grow as they need to"), "the size of a table";
    "map_hash_bucket_size" in HTTP, takes ONE | ONCE, accepted("its tables grow as they need to"), "the size of a table";
    "valid_referers" in SERVER | LOCATION, takes SOME, accepted("it only defines variables, and using one is an error of its own"), "referers that are valid";
    "referer_hash_max_size" in SERVER | LOCATION, takes ONE | ONCE, accepted("its tables grow as they need to"), "the size of a table";
    "referer_hash_bucket_size" in SERVER | LOCATION, takes ONE | ONCE, accepted("its tables grow as they need to"), "the size of a table";
    "secure_link" in LEVELS, takes ONE, accepted("it only defines variables, and using one is an error of its own"), "signed links";
    "secure_link_md5" in LEVELS, takes ONE, accepted("it only defines variables, and using one is an error of its own"), "signed links";
    "secure_link_secret" in LEVELS, takes ONE | ONCE, accepted("it only defines variables, and using one is an error of its own"), "signed links";
    "split_clients" in HTTP, takes BLOCK | TWO, call(variables::split_clients), "a variable by chance";
    "stub_status" in SERVER | LOCATION, takes NONE | ONE, call(location::stub_status), "a page of counters";
}
