//! What changes answers on their way.

use crate::config::nginx::reader::answer;
use crate::config::nginx::table::{
    BLOCK, FLAG, HTTP, IF_LOCATION, LEVELS, LIMIT_EXCEPT, LOCATION, ONCE, ONE, SOME, THREE, TWO,
    accepted, call, only, rows, setting, unsupported,
};

rows! {
    "add_before_body" in LEVELS, takes ONE | ONCE, unsupported("answers are not rewritten"), "text before an answer";
    "add_after_body" in LEVELS, takes ONE | ONCE, unsupported("answers are not rewritten"), "text behind an answer";
    "addition_types" in LEVELS, takes SOME, accepted("a setting of `add_before_body`, which is an error of its own"), "answers that get added text";
    "charset" in LEVELS | IF_LOCATION, takes ONE | ONCE, setting!(Word charset), "the charset of answers";
    "source_charset" in LEVELS | IF_LOCATION, takes ONE, only(&["off"], "answers are not recoded: write their charset in `charset`"), "the charset of the source";
    "override_charset" in LEVELS | IF_LOCATION, takes FLAG | ONCE, only(&["off"], "answers are not recoded"), "whether servers' charsets are replaced";
    "charset_types" in LEVELS, takes SOME, setting!(Words charset_types), "types that get a charset";
    "charset_map" in HTTP, takes BLOCK | TWO, accepted("what would use it, `source_charset` and `override_charset`, is an error of its own"), "how charsets are converted";
    "degradation" in HTTP, takes ONE, unsupported("requests are not refused for want of memory"), "when memory is short";
    "degrade" in LEVELS, takes ONE | ONCE, only(&["off"], "requests are not refused for want of memory"), "what is answered then";
    "image_filter" in LOCATION, takes ONE | TWO | THREE, only(&["off"], "pictures are passed on as the server sent them"), "changes pictures";
    "image_filter_jpeg_quality" in LEVELS, takes ONE, accepted("a setting of `image_filter`, which is an error of its own"), "a setting of `image_filter`";
    "image_filter_webp_quality" in LEVELS, takes ONE, accepted("a setting of `image_filter`, which is an error of its own"), "a setting of `image_filter`";
    "image_filter_sharpen" in LEVELS, takes ONE, accepted("a setting of `image_filter`, which is an error of its own"), "a setting of `image_filter`";
    "image_filter_transparency" in LEVELS, takes FLAG | ONCE, accepted("a setting of `image_filter`, which is an error of its own"), "a setting of `image_filter`";
    "image_filter_interlace" in LEVELS, takes FLAG | ONCE, accepted("a setting of `image_filter`, which is an error of its own"), "a setting of `image_filter`";
    "image_filter_buffer" in LEVELS, takes ONE | ONCE, accepted("a setting of `image_filter`, which is an error of its own"), "a setting of `image_filter`";
    "mirror" in LEVELS, takes ONE, only(&["off"], "requests are not copied"), "where copies of requests go";
    "mirror_request_body" in LEVELS, takes FLAG | ONCE, accepted("a setting of `mirror`, which is an error of its own"), "whether copies have the body";
    "ssi" in LEVELS | IF_LOCATION, takes FLAG | ONCE, only(&["off"], "pages are passed on as the server sent them"), "server-side includes";
    "ssi_silent_errors" in LEVELS, takes FLAG | ONCE, accepted("a setting of `ssi`, which is an error of its own"), "a setting of SSI";
    "ssi_ignore_recycled_buffers" in LEVELS, takes FLAG | ONCE, accepted("a setting of `ssi`, which is an error of its own"), "a setting of SSI";
    "ssi_min_file_chunk" in LEVELS, takes ONE | ONCE, accepted("a setting of `ssi`, which is an error of its own"), "a setting of SSI";
    "ssi_value_length" in LEVELS, takes ONE | ONCE, accepted("a setting of `ssi`, which is an error of its own"), "a setting of SSI";
    "ssi_types" in LEVELS, takes SOME, accepted("a setting of `ssi`, which is an error of its own"), "a setting of SSI";
    "ssi_last_modified" in LEVELS, takes FLAG | ONCE, accepted("a setting of `ssi`, which is an error of its own"), "a setting of SSI";
    "sub_filter" in LEVELS, takes TWO, call(answer::sub_filter), "replaces text in answers";
    "sub_filter_types" in LEVELS, takes SOME, setting!(Words sub_filter_types), "a setting of `sub_filter`";
    "sub_filter_once" in LEVELS, takes FLAG | ONCE, setting!(Switch sub_filter_once), "a setting of `sub_filter`";
    "sub_filter_last_modified" in LEVELS, takes FLAG | ONCE, setting!(Switch sub_filter_last_modified), "a setting of `sub_filter`";
    "userid" in LEVELS, takes ONE | ONCE, only(&["off"], "clients get no cookie"), "marks clients with a cookie";
    "userid_service" in LEVELS, takes ONE | ONCE, accepted("a setting of `userid`, which is an error of its own"), "a setting of `userid`";
    "userid_name" in LEVELS, takes ONE | ONCE, accepted("a setting of `userid`, which is an error of its own"), "a setting of `userid`";
    "userid_domain" in LEVELS, takes ONE | ONCE, accepted("a setting of `userid`, which is an error of its own"), "a setting of `userid`";
    "userid_path" in LEVELS, takes ONE | ONCE, accepted("a setting of `userid`, which is an error of its own"), "a setting of `userid`";
    "userid_expires" in LEVELS, takes ONE, accepted("a setting of `userid`, which is an error of its own"), "a setting of `userid`";
    "userid_flags" in LEVELS, takes ONE | TWO | THREE, accepted("a setting of `userid`, which is an error of its own"), "a setting of `userid`";
    "userid_p3p" in LEVELS, takes ONE | ONCE, accepted("a setting of `userid`, which is an error of its own"), "a setting of `userid`";
    "userid_mark" in LEVELS, takes ONE, accepted("a setting of `userid`, which is an error of its own"), "a setting of `userid`";
    "xml_entities" in LEVELS, takes ONE, accepted("a setting of `xslt_stylesheet`, which is an error of its own"), "a setting of XSLT";
    "xml_external_entities" in LEVELS, takes FLAG | ONCE, accepted("a setting of `xslt_stylesheet`, which is an error of its own"), "a setting of XSLT";
    "xslt_stylesheet" in LOCATION, takes SOME, unsupported("answers are not rewritten"), "transforms XML";
    "xslt_param" in LEVELS, takes TWO, accepted("a setting of `xslt_stylesheet`, which is an error of its own"), "a setting of XSLT";
    "xslt_string_param" in LEVELS, takes TWO, accepted("a setting of `xslt_stylesheet`, which is an error of its own"), "a setting of XSLT";
    "xslt_types" in LEVELS, takes SOME, accepted("a setting of `xslt_stylesheet`, which is an error of its own"), "a setting of XSLT";
    "xslt_last_modified" in LEVELS, takes FLAG | ONCE, accepted("a setting of `xslt_stylesheet`, which is an error of its own"), "a setting of XSLT";
    "perl_modules" in HTTP, takes ONE, accepted("there is no Perl here; `perl` is an error of its own"), "where Perl modules are";
    "perl_require" in HTTP, takes ONE, unsupported("there is no Perl here"), "a Perl module";
    "perl" in LOCATION | LIMIT_EXCEPT, takes ONE, unsupported("there is no Perl here"), "answers by Perl";
    "perl_set" in HTTP, takes TWO, accepted("it only defines variables, and using one is an error of its own"), "a variable by Perl";
}
