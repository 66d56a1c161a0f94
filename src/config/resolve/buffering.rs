//! How bodies are held: sizes that have to fit each other, by nginx's rules.

use super::super::draft::{Common, Size, Word};
use super::super::path::Path;
use super::super::problem::Problem;
use super::{Resolver, invalid};
use crate::model::{AnswerBuffering, BodyInFile, BodyStore};
use std::path::{Path as File, PathBuf};

impl Resolver {
    /// Checks what a level wrote against what it inherits.
    pub(super) fn check_buffering(
        &mut self,
        written: Common<'_>,
        in_force: Common<'_>,
        path: &Path<'_>,
    ) {
        if let Some(word) = written.proxy_buffers
            && number_and_size(word).is_none()
        {
            let label = "expected a number and a size, such as `8 4k`";
            self.report(invalid(&path.key("proxy_buffers"), word).label(label));
            return;
        }
        if let Some(word) = written.client_body_in_file_only
            && in_file(word).is_none()
        {
            let label = "expected `on`, `clean` or `off`";
            self.report(invalid(&path.key("client_body_in_file_only"), word).label(label));
        }
        let of_its_own = [
            (
                "proxy_busy_buffers_size",
                written.proxy_busy_buffers_size.is_some(),
            ),
            (
                "proxy_temp_file_write_size",
                written.proxy_temp_file_write_size.is_some(),
            ),
            (
                "proxy_max_temp_file_size",
                written.proxy_max_temp_file_size.is_some(),
            ),
            ("proxy_buffers", written.proxy_buffers.is_some()),
            ("proxy_buffer_size", written.proxy_buffer_size.is_some()),
        ];
        let Some((first, _)) = of_its_own.iter().find(|(_, is_written)| *is_written) else {
            return;
        };
        for (key, rule) in Sizes::of(in_force).broken_rules() {
            // It is the fault of a size written here, if not of the one that the rule is about.
            let own = of_its_own.contains(&(key, true));
            self.report(
                path.key(if own { key } else { first })
                    .error(Problem::Buffers(rule)),
            );
        }
    }
}

impl Resolver {
    /// `/var/spool/bodies 1 2`.
    pub(super) fn body_folder(&mut self, word: &Word, path: &Path<'_>) -> (PathBuf, Vec<usize>) {
        let mut words = word.split_whitespace();
        let folder = self.base.join(words.next().unwrap_or_default());
        let mut levels = Vec::new();
        for level in words {
            match level.parse() {
                Ok(letters @ 1..=MOST_LETTERS) if levels.len() < MOST_LEVELS => {
                    levels.push(letters)
                }
                _ => {
                    let label = "expected a folder and up to three numbers from 1 to 3";
                    self.report(invalid(path, word).label(label));
                    break;
                }
            }
        }
        (folder, levels)
    }
}

/// How bodies are stored.
pub(super) fn of_bodies(
    in_force: &Common<'_>,
    folder: Option<&(PathBuf, Vec<usize>)>,
) -> BodyStore {
    let default = BodyStore::default();
    let (folder, levels) = folder.cloned().unwrap_or((default.folder, default.levels));
    BodyStore {
        memory: in_force
            .client_body_buffer_size
            .map_or(default.memory, |size| {
                usize::try_from(size.0).unwrap_or(usize::MAX)
            }),
        in_file_only: in_force
            .client_body_in_file_only
            .and_then(in_file)
            .unwrap_or(default.in_file_only),
        folder,
        levels,
    }
}

fn in_file(word: &Word) -> Option<BodyInFile> {
    Some(match &**word {
        // YAML 1.1 knows switches.
        "on" | "true" => BodyInFile::Kept,
        "clean" => BodyInFile::UntilTheEnd,
        "off" | "false" => BodyInFile::Needed,
        _ => return None,
    })
}

/// The sizes in force, nginx's defaults filled in.
struct Sizes {
    first: u64,
    number: u64,
    each: u64,
    busy: Option<u64>,
    file: u64,
    at_once: Option<u64>,
}

impl Sizes {
    fn of(in_force: Common<'_>) -> Self {
        let size = |size: Option<&Size>| size.map(|size| size.0);
        let buffers = in_force.proxy_buffers.and_then(number_and_size);
        let (number, each) = buffers.unwrap_or((8, PAGE));
        Self {
            first: size(in_force.proxy_buffer_size).unwrap_or(PAGE as u64),
            number: number as u64,
            each: each as u64,
            busy: size(in_force.proxy_busy_buffers_size),
            file: size(in_force.proxy_max_temp_file_size).unwrap_or(LARGEST_FILE),
            at_once: size(in_force.proxy_temp_file_write_size),
        }
    }

    /// nginx's words for each rule that does not hold, and the key that it is about.
    fn broken_rules(&self) -> Vec<(&'static str, &'static str)> {
        if self.number < 2 {
            return vec![("proxy_buffers", TOO_FEW)];
        }
        let largest = self.first.max(self.each);
        let busy = self.busy.unwrap_or(2 * largest);
        let rules = [
            ("proxy_busy_buffers_size", busy < largest, BUSY_TOO_SMALL),
            (
                "proxy_busy_buffers_size",
                busy > (self.number - 1).saturating_mul(self.each),
                BUSY_TOO_LARGE,
            ),
            (
                "proxy_temp_file_write_size",
                self.at_once.is_some_and(|size| size < largest),
                WRITE_TOO_SMALL,
            ),
            (
                "proxy_max_temp_file_size",
                self.file != 0 && self.file < largest,
                FILE_TOO_SMALL,
            ),
        ];
        let broken = rules.into_iter().filter(|(_, broken, _)| *broken);
        broken.map(|(key, _, rule)| (key, rule)).collect()
    }
}

/// What holds for answers.
pub(super) fn of_answers(in_force: &Common<'_>, folder: Option<&File>) -> AnswerBuffering {
    let default = AnswerBuffering::default();
    let sizes = Sizes::of(*in_force);
    let memory = sizes
        .first
        .saturating_add(sizes.number.saturating_mul(sizes.each));
    AnswerBuffering {
        enabled: in_force
            .proxy_buffering
            .map_or(default.enabled, |switch| switch.0),
        memory: usize::try_from(memory).unwrap_or(usize::MAX),
        file: sizes.file,
        folder: folder.map_or(default.folder, File::to_owned),
    }
}

/// `8 4k`.
pub(super) fn number_and_size(word: &Word) -> Option<(usize, usize)> {
    let (number, size) = word.trim().split_once(' ')?;
    let number: usize = number.parse().ok().filter(|number| *number > 0)?;
    let Size(size) = size.trim().parse().ok().filter(|size: &Size| size.0 > 0)?;
    let size = usize::try_from(size).ok()?;
    number.checked_mul(size)?;
    Some((number, size))
}

/// nginx's bounds for folders in folders.
const MOST_LEVELS: usize = 3;
const MOST_LETTERS: usize = 3;

const PAGE: usize = 4096;

const LARGEST_FILE: u64 = 1 << 30;

const TOO_FEW: &str = "there must be at least 2 \"proxy_buffers\"";

const BUSY_TOO_SMALL: &str = "\"proxy_busy_buffers_size\" must be equal to or greater than the maximum \
     of the value of \"proxy_buffer_size\" and one of the \"proxy_buffers\"";

const BUSY_TOO_LARGE: &str = "\"proxy_busy_buffers_size\" must be less than the size of all \
     \"proxy_buffers\" minus one buffer";

const WRITE_TOO_SMALL: &str = "\"proxy_temp_file_write_size\" must be equal to or greater than the \
     maximum of the value of \"proxy_buffer_size\" and one of the \"proxy_buffers\"";

const FILE_TOO_SMALL: &str = "\"proxy_max_temp_file_size\" must be equal to zero to disable temporary \
     files usage or must be equal to or greater than the maximum of the value of \
     \"proxy_buffer_size\" and one of the \"proxy_buffers\"";
