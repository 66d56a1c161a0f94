//! How bodies are held on their way: nginx's `proxy_buffering` and `proxy_request_buffering`.

use std::path::PathBuf;

/// How an answer is read ahead of its client: `proxy_buffering` and its family.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerBuffering {
    /// `proxy_buffering`: whether an answer is taken from the upstream as fast as that sends it.
    pub enabled: bool,
    /// `proxy_buffer_size` and `proxy_buffers` added up: how many bytes are held in memory.
    pub memory: usize,
    /// `proxy_max_temp_file_size`: how many more in a file; 0 writes none.
    pub file: u64,
    /// `proxy_temp_path`: where that file is. Its levels make no difference: it has no name.
    pub folder: PathBuf,
}

/// nginx's defaults on a machine whose pages have 4 kB.
impl Default for AnswerBuffering {
    fn default() -> Self {
        Self {
            enabled: true,
            memory: 9 * 4096,
            file: 1 << 30,
            folder: std::env::temp_dir(),
        }
    }
}

/// How a request's body is held that is read before it is passed on: `client_body_buffer_size` and
/// its family.
#[derive(Debug, Clone, PartialEq)]
pub struct BodyStore {
    /// `client_body_buffer_size`: a longer body is in a file.
    pub memory: usize,
    /// `client_body_in_file_only`: whether shorter ones are too.
    pub in_file_only: BodyInFile,
    /// `client_body_temp_path`: where that file is.
    pub folder: PathBuf,
    /// How many letters the names of the folders in it have, level by level.
    pub levels: Vec<usize>,
}

/// `client_body_in_file_only`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyInFile {
    /// `off`: only what is too long for memory, and its name is gone at once.
    Needed,
    /// `clean`: always, until the request ends.
    UntilTheEnd,
    /// `on`: always, and it stays.
    Kept,
}

/// nginx's defaults on a machine of 64 bits whose pages have 4 kB.
impl Default for BodyStore {
    fn default() -> Self {
        Self {
            memory: 4 * 4096,
            in_file_only: BodyInFile::Needed,
            folder: std::env::temp_dir(),
            levels: Vec::new(),
        }
    }
}
