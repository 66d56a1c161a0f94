//! What is done to answers on their way: `sub_filter`, `charset`.

use super::super::draft::Common;
use super::super::path::Path;
use super::super::problem::Problem;
use super::Resolver;
use crate::model::{Charset, Substitution, Substitutions};
use std::sync::Arc;

impl Resolver {
    /// What is replaced at a level: the enclosing level's, with what was written here in its place.
    pub(super) fn substitutions(
        &mut self,
        written: Common<'_>,
        outer: &Arc<Substitutions>,
        path: &Path<'_>,
    ) -> Arc<Substitutions> {
        let mut own = Substitutions::clone(outer);
        if let Some(list) = written.sub_filter {
            let path = path.key("sub_filter");
            own.list.clear();
            for (index, one) in list.0.iter().enumerate() {
                let at = path.index(index);
                let (from, to) = (at.key("from"), at.key("to"));
                let text = one.from.as_deref().unwrap_or_default();
                if text.is_empty() {
                    let problem = Problem::Syntax("empty search pattern".into());
                    self.report(from.error(problem));
                    continue;
                }
                own.list.push(Substitution {
                    from: self.template(text, &from),
                    to: self.template(one.to.as_deref().unwrap_or_default(), &to),
                });
            }
        }
        if let Some(types) = written.sub_filter_types {
            own.types = self.type_set(types, &["text/html"], &path.key("sub_filter_types"));
        }
        if let Some(once) = written.sub_filter_once {
            own.once = once.0;
        }
        if let Some(keeps) = written.sub_filter_last_modified {
            own.keeps_date = keeps.0;
        }
        if own == **outer {
            return Arc::clone(outer);
        }
        Arc::new(own)
    }

    /// The charset of answers at a level, likewise.
    pub(super) fn charset(
        &mut self,
        written: Common<'_>,
        outer: &Arc<Charset>,
        path: &Path<'_>,
    ) -> Arc<Charset> {
        let mut own = Charset::clone(outer);
        if let Some(word) = written.charset {
            own.name = match &**word {
                // YAML 1.1 knows `off` as a switch.
                "off" | "false" => None,
                name => Some(self.template(name, &path.key("charset"))),
            };
        }
        if let Some(types) = written.charset_types {
            own.types = self.type_set(types, &["text/html"], &path.key("charset_types"));
        }
        if own == **outer {
            return Arc::clone(outer);
        }
        Arc::new(own)
    }
}
