//! Error pages: their statuses and their files, each read once however many sites show it.

use super::super::draft::{self, Short};
use super::super::file_reader::FileReader;
use super::super::path::Path;
use super::super::problem::Problem;
use super::Resolver;
use crate::model::{ErrorPage, ErrorResponse, ErrorTarget, Page};
use indexmap::IndexMap;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The files read so far; what could not be read is remembered as its error.
pub(super) struct Pages {
    reader: FileReader,
    read: HashMap<PathBuf, Result<Page, Arc<std::io::Error>>>,
}

impl Pages {
    pub(super) fn new(reader: &FileReader) -> Self {
        Self {
            reader: reader.clone(),
            read: HashMap::new(),
        }
    }

    /// How files are read.
    pub(super) fn reader(&self) -> &FileReader {
        &self.reader
    }

    /// Every file that was asked for.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.read.keys().cloned().collect();
        files.sort();
        files
    }

    pub(super) fn read(
        &mut self,
        path: PathBuf,
        content_type: &str,
    ) -> Result<Page, Arc<std::io::Error>> {
        let reader = &self.reader;
        let read = |path: &PathBuf| match reader.read(path) {
            Ok(body) => Ok(Page {
                content_type: content_type.to_owned(),
                body: body.into(),
            }),
            Err(error) => Err(Arc::new(error)),
        };
        let page = self.read.entry(path).or_insert_with_key(read);
        page.clone()
    }
}

impl Resolver {
    pub(super) fn error_pages(
        &mut self,
        written: &IndexMap<String, Short<draft::ErrorPage>>,
        path: &Path<'_>,
    ) -> Vec<ErrorPage> {
        let mut pages = Vec::with_capacity(written.len());
        for (key, written) in written {
            let at = path.key(key);
            let codes = self.codes(key, &at);
            let given = [
                ("file", written.file.is_some()),
                ("html", written.html.is_some()),
                ("uri", written.uri.is_some()),
            ];
            let mut given = given.iter().filter(|(_, given)| *given);
            if let (Some((first, _)), Some((second, _))) = (given.next(), given.next()) {
                let finding = at.key(second).key_error(Problem::Exclusive(first, second));
                self.report(finding.label("the page is in one place or in the other"));
                continue;
            }
            let target = match (&written.file, &written.html, &written.uri) {
                (Some(file), ..) => self.page_file(file, &at).map(ErrorTarget::Page),
                (_, Some(html), _) => Some(ErrorTarget::Page(Page {
                    content_type: HTML.into(),
                    body: html.clone().into(),
                })),
                (.., Some(uri)) => Some(ErrorTarget::Uri(self.template(uri, &at.key("uri")))),
                (None, None, None) => {
                    let finding = at.error(Problem::Missing("page"));
                    self.report(finding.label("expected a file, `html: …` or `uri: …`"));
                    None
                }
            };
            let response = self.error_response(written, &at);
            pages.extend(target.map(|target| ErrorPage {
                codes,
                target,
                response,
            }));
        }
        pages
    }

    fn error_response(&mut self, written: &draft::ErrorPage, path: &Path<'_>) -> ErrorResponse {
        let Some(word) = written.response.as_deref() else {
            return ErrorResponse::Error;
        };
        let path = path.key("response");
        if word == "uri" && written.uri.is_some() {
            return ErrorResponse::Target;
        }
        match word.parse().ok().filter(|code| (100..=999).contains(code)) {
            Some(code) => ErrorResponse::Code(code),
            None => {
                let label = "expected a status, or `uri` for the status of what is shown";
                self.report(super::invalid(&path, word).label(label));
                ErrorResponse::Error
            }
        }
    }

    fn codes(&mut self, key: &str, path: &Path<'_>) -> Vec<u16> {
        let mut codes = Vec::new();
        for word in key.split([' ', ',']).filter(|word| !word.is_empty()) {
            match word.parse().ok().filter(|code| (300..=599).contains(code)) {
                Some(code) => codes.push(code),
                None => {
                    let problem = Problem::ErrorPageCode(word.to_owned());
                    let label = "expected statuses: `502` or `502 503 504`";
                    self.report(path.key_error(problem).label(label));
                }
            }
        }
        codes
    }

    fn page_file(&mut self, file: &str, path: &Path<'_>) -> Option<Page> {
        let extension = std::path::Path::new(file)
            .extension()
            .and_then(|end| end.to_str());
        let known = TYPES
            .iter()
            .find(|(end, _)| extension.is_some_and(|found| found.eq_ignore_ascii_case(end)));
        let Some((_, content_type)) = known else {
            let label = "expected a file that ends in .html, .htm, .txt, .json, .xml or .svg";
            self.report(path.error(Problem::PageType(file.to_owned())).label(label));
            return None;
        };
        let full = self.base.join(file);
        match self.pages.read(full.clone(), content_type) {
            Ok(page) => Some(page),
            Err(error) => {
                let label = "the page is looked for beside the configuration file";
                let finding = path.error(Problem::open(&full, &error));
                let absolute = std::path::Path::new(file).is_absolute();
                self.report(finding.maybe_label((!absolute).then(|| label.to_owned())));
                None
            }
        }
    }
}

const HTML: &str = "text/html; charset=utf-8";

/// Types of pages by the files' ends.
const TYPES: [(&str, &str); 6] = [
    ("html", HTML),
    ("htm", HTML),
    ("txt", "text/plain; charset=utf-8"),
    ("json", "application/json"),
    ("xml", "text/xml; charset=utf-8"),
    ("svg", "image/svg+xml"),
];
