//! Answers made from files.

use crate::config::nginx::table::{
    FLAG, LEVELS, LOCATION, NONE, ONCE, ONE, SOME, THREE, TWO, accepted, only, rows, setting,
    unsupported,
};

rows! {
    "autoindex" in LEVELS, takes FLAG | ONCE, setting!(Switch autoindex), "whether folders are listed";
    "autoindex_format" in LEVELS, takes ONE | ONCE, setting!(Word autoindex_format), "a setting of `autoindex`";
    "autoindex_localtime" in LEVELS, takes FLAG | ONCE, setting!(Switch autoindex_localtime), "a setting of `autoindex`";
    "autoindex_exact_size" in LEVELS, takes FLAG | ONCE, setting!(Switch autoindex_exact_size), "a setting of `autoindex`";
    "dav_methods" in LEVELS, takes SOME, only(&["off"], "it is not done"), "changes files";
    "create_full_put_path" in LEVELS, takes FLAG | ONCE, accepted("a setting of `dav_methods`, which is an error of its own"), "a setting of WebDAV";
    "min_delete_depth" in LEVELS, takes ONE | ONCE, accepted("a setting of `dav_methods`, which is an error of its own"), "a setting of WebDAV";
    "dav_access" in LEVELS, takes ONE | TWO | THREE, accepted("a setting of `dav_methods`, which is an error of its own"), "a setting of WebDAV";
    "empty_gif" in LOCATION, takes NONE, unsupported("there is no built-in picture"), "a picture of one pixel";
    "flv" in LOCATION, takes NONE, unsupported("it is not done"), "Flash videos";
    "index" in LEVELS, takes SOME, setting!(Words index), "the file that stands for a folder";
    "mp4" in LOCATION, takes NONE, unsupported("it is not done"), "MP4 videos";
    "mp4_buffer_size" in LEVELS, takes ONE | ONCE, accepted("a setting of `mp4`, which is an error of its own"), "a setting of `mp4`";
    "mp4_max_buffer_size" in LEVELS, takes ONE | ONCE, accepted("a setting of `mp4`, which is an error of its own"), "a setting of `mp4`";
    "mp4_start_key_frame" in LEVELS, takes FLAG | ONCE, accepted("a setting of `mp4`, which is an error of its own"), "a setting of `mp4`";
    "random_index" in LOCATION, takes FLAG | ONCE, only(&["off"], "it is not done"), "a file by chance";
    "slice" in LEVELS, takes ONE | ONCE, only(&["0"], "answers are not asked for in pieces"), "asks for answers in pieces";
}
