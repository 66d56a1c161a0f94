//! A site: its connection's limits and its locations.

use super::super::draft::{self, Client, Word};
use super::super::path::Path;
use super::host::Hosts;
use super::listeners::Listen;
use super::settings::Level;
use super::{Resolver, buffering, fit, invalid};
use crate::model::{ClientLimits, HeaderBuffers, Site};

impl Resolver {
    pub(super) fn site<'a>(
        &mut self,
        draft: &'a draft::Draft,
        site: &'a draft::Site,
        hosts: Hosts,
        addresses: &[Listen],
        top: &Level<'a>,
        path: &Path<'_>,
    ) -> Site {
        let level = self.level(site.common(), top, path);
        // Implicit upstreams are named after the site: its host, else its address.
        let label = match (hosts.name.as_str(), addresses.first()) {
            ("", Some(listen)) => listen.address.to_string(),
            (name, _) => name.to_owned(),
        };
        let locations = self.locations(site, &label, &hosts.name, &level, path);
        let place = super::steps::Place {
            level: &level,
            location: None,
            name: &label,
        };
        let steps = self.steps(site.steps.as_deref(), place, path);
        let mut nowhere = level.nowhere(site.files.is_some_and(|switch| switch.0));
        let tried = site.try_files.as_ref();
        nowhere.try_files = tried.map(|words| self.try_files(words, &path.key("try_files")));
        let client = self.client(draft.client(), site.client(), path);
        Site {
            name: hosts.name,
            hosts: hosts.list.into_iter().map(|host| host.pattern).collect(),
            steps,
            locations,
            nowhere,
            client,
        }
    }

    fn client(&mut self, top: Client<'_>, site: Client<'_>, path: &Path<'_>) -> ClientLimits {
        self.check_client(site, path);
        let client = site.inherit(top);
        let default = ClientLimits::default();
        let number = |written: Option<&u64>| written.map(|number| (*number).clamp(1, MOST_NUMBER));
        ClientLimits {
            header_timeout: client
                .client_header_timeout
                .map_or(default.header_timeout, |time| time.0),
            header_buffers: (client.large_client_header_buffers)
                .and_then(buffers)
                .unwrap_or(default.header_buffers),
            first_header_buffer: client.client_header_buffer_size.map_or(
                default.first_header_buffer,
                |size| {
                    usize::try_from(size.0).map_or(LARGEST_HEADER, |size| size.min(LARGEST_HEADER))
                },
            ),
            merge_slashes: client
                .merge_slashes
                .map_or(default.merge_slashes, |switch| switch.0),
            max_headers: number(client.max_headers).map_or(default.max_headers, fit),
            ignore_invalid_headers: client
                .ignore_invalid_headers
                .map_or(default.ignore_invalid_headers, |switch| switch.0),
            underscores_in_headers: client
                .underscores_in_headers
                .map_or(default.underscores_in_headers, |switch| switch.0),
        }
    }

    pub(super) fn check_client(&mut self, client: Client<'_>, path: &Path<'_>) {
        let header_timeout = client.client_header_timeout.map(|time| time.0);
        self.time(header_timeout, &path.key("client_header_timeout"));
        let numbers = [("max_headers", client.max_headers)];
        for (key, number) in numbers {
            if let Some(&number) = number {
                self.number(number, 1, MOST_NUMBER, &path.key(key));
            }
        }
        if let Some(word) = client.large_client_header_buffers
            && buffers(word).is_none()
        {
            let label = "expected a number and a size of 64 bytes to 16m in all, such as `4 8k`";
            self.report(invalid(&path.key("large_client_header_buffers"), word).label(label));
        }
    }
}

pub(super) const MOST_NUMBER: u64 = 1_000_000_000;

/// `4 8k`.
fn buffers(word: &Word) -> Option<HeaderBuffers> {
    let (number, size) = buffering::number_and_size(word)?;
    let all = number.checked_mul(size)?;
    let fits = size >= SMALLEST_BUFFER && all <= LARGEST_HEADER;
    fits.then_some(HeaderBuffers { number, size })
}

/// Below this no request would fit.
const SMALLEST_BUFFER: usize = 64;
const LARGEST_HEADER: usize = 16 << 20;
