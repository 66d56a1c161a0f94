//! How bodies are held on their way: nginx's `proxy_buffering`.

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
