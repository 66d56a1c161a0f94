//! `listen`: an address and what nginx lets one say about its socket.

use super::{Level, Reader};
use crate::config::draft::{Draft, OneOrMany, Site, Word};
use crate::config::nginx::parser::Directive;
use crate::config::nginx::positions::Piece;
use crate::config::path::Path;
use crate::config::resolve::{default_listen, parse_listen};
use crate::model::ListenAddress;
use std::collections::{HashMap, HashSet};

/// One `listen` of one server.
pub(in crate::config::nginx) struct Listen {
    site: usize,
    /// Its place among the server's.
    index: usize,
    default_server: bool,
    /// Several for a range of ports, or a name that has several.
    addresses: Vec<ListenAddress>,
}

/// `listen`.
pub(in crate::config::nginx) fn listen(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let Level::Server(server) = level else { return };
    let address = &directive.arguments[0];
    let mut text = address.text.clone();
    let mut pieces = vec![whole(0, address)];
    let mut default_server = false;
    let swallowed = reader.swallowed(directive);
    let swallowed = swallowed.map(|index| &directive.arguments[index]);
    for word in reader.parameters(directive, 1) {
        if swallowed.is_some_and(|swallowed| std::ptr::eq(swallowed, word)) {
            reader.invalid_parameter(directive, word);
            continue;
        }
        // What the servers of an address leave to each other is settled when all are read.
        if matches!(word.text.as_str(), "default_server" | "default") {
            default_server = true;
            continue;
        }
        text.push(' ');
        pieces.push(whole(text.len(), word));
        text.push_str(&word.text);
    }
    let list = server
        .site
        .listen
        .get_or_insert_with(|| OneOrMany(Vec::new()));
    let index = list.0.len();
    let path = path.key("listen");
    reader
        .positions
        .record_pieces(&path.index(index), directive, &directive.name, || pieces);
    list.0.push(Word(text));
    reader.listens.push(Listen {
        site: reader.site,
        index,
        default_server,
        // What is no address is `resolve`'s to report.
        addresses: parse_listen(&address.text, &mut reader.names),
    });
}

fn whole(offset: usize, word: &crate::config::nginx::lexer::Word) -> Piece {
    Piece {
        offset,
        skipped: 0,
        word: word.clone(),
    }
}

/// A server without `listen` listens on port 80, or 8000 when Gapura is not root's.
pub(super) fn default(reader: &mut Reader<'_>, site: &mut Site) {
    let address = default_listen();
    site.listen = Some(OneOrMany(vec![Word(address.to_string())]));
    reader.listens.push(Listen {
        site: reader.site,
        index: 0,
        default_server: false,
        addresses: vec![address],
    });
}

impl Reader<'_> {
    /// The first server of an address answers where no name matches, unless another says so.
    pub(super) fn choose_defaults(&self, draft: &mut Draft) {
        let listens = &self.listens;
        let said: HashSet<_> = listens
            .iter()
            .filter(|listen| listen.default_server)
            .flat_map(|listen| &listen.addresses)
            .collect();
        let mut first: HashMap<&ListenAddress, usize> = HashMap::new();
        for (at, listen) in listens.iter().enumerate() {
            for address in &listen.addresses {
                first.entry(address).or_insert(at);
            }
        }
        let Some(sites) = &mut draft.sites else {
            return;
        };
        for (at, listen) in listens.iter().enumerate() {
            let is_default = |address: &&ListenAddress| {
                listen.default_server
                    || (!said.contains(address) && first.get(address) == Some(&at))
            };
            let words = sites
                .get_mut(listen.site)
                .and_then(|site| site.listen.as_mut());
            let Some(OneOrMany(words)) = words else {
                continue;
            };
            let Some(Word(text)) = words.get_mut(listen.index) else {
                continue;
            };
            let defaults = listen.addresses.iter().filter(is_default).count();
            if defaults == listen.addresses.len() && (defaults > 0 || listen.default_server) {
                text.push_str(DEFAULT_SERVER);
            } else if defaults > 0 {
                // Of a range, where only some are taken already: each is written out.
                let (_, said) = text.split_once(' ').unwrap_or_default();
                let said = said.to_owned();
                let mut each = listen.addresses.iter().map(|address| {
                    let mut text = address.to_string();
                    if !said.is_empty() {
                        text = format!("{text} {said}");
                    }
                    if is_default(&address) {
                        text.push_str(DEFAULT_SERVER);
                    }
                    Word(text)
                });
                words[listen.index] = each.next().unwrap_or_default();
                words.extend(each);
            }
        }
    }
}

const DEFAULT_SERVER: &str = " default_server";
