//! What sites and locations that say the same have in common.
//!
//! Ten thousand sites of one kind differ in their names and where they lead, and in nothing else: they
//! have one copy of the rest, which a request to any of them finds in the processor's cache.

use super::answer_rewrites::AnswerRewrites;
use super::compression::Compression;
use super::generation::OpenLog;
use super::pass::Passing;
use super::{ErrorLog, LogSink, NamedLogSink};
use crate::model::{self, Escape, LogTarget, Template, VariableId};
use std::sync::Arc;

/// All of a location but what it does and what happens before.
#[derive(Debug)]
pub struct Common {
    /// How it passes requests on, if it does.
    pub passing: Arc<Passing>,
    /// What becomes of headers of an upstream's answer.
    pub rewrites: AnswerRewrites,
    /// Where its requests are logged.
    pub access_log: Vec<AccessLog>,
    /// Where what goes wrong with its requests is said.
    pub error_log: Arc<ErrorLog>,
    /// Which answers are compressed.
    pub compression: Compression,
    /// Everything else that it says, as the Model has it; its action and its steps are a location's own.
    pub settings: model::Location,
}

/// An access log, opened.
#[derive(Debug, Clone)]
pub struct AccessLog {
    /// Where lines go.
    pub outlet: LogOutlet,
    /// What a line says.
    pub format: Template,
    /// How its values are escaped.
    pub escape: Escape,
    /// A request whose value of this is empty or `0` has no line.
    pub condition: Option<Template>,
}

/// Where an access log's lines go.
#[derive(Debug, Clone)]
pub enum LogOutlet {
    /// To the same place for every request.
    Fixed(Arc<dyn LogSink>),
    /// To the file that the request names.
    Named(Template, Arc<dyn NamedLogSink>),
}

/// Opens a location's logs.
pub(super) struct Logs<'a, 'b> {
    pub(super) sink: &'a mut OpenLog<'b>,
    pub(super) named: &'a Arc<dyn NamedLogSink>,
    pub(super) errors: &'a mut dyn FnMut(&[model::ErrorLog]) -> Arc<ErrorLog>,
}

/// What a location may have in common with others.
pub(super) fn settings(location: &model::Location) -> model::Location {
    model::Location {
        action: model::Action::Files,
        steps: Vec::new(),
        limit_except: None,
        ..location.clone()
    }
}

impl Common {
    pub(super) fn build(
        settings: model::Location,
        logs: Logs<'_, '_>,
        variable: &impl Fn(&str) -> Option<VariableId>,
    ) -> Result<Self, pcre2::Error> {
        let access_log = settings.access_log.iter().map(|log| AccessLog {
            outlet: match &log.target {
                LogTarget::Named(name) => LogOutlet::Named(name.clone(), Arc::clone(logs.named)),
                target => LogOutlet::Fixed((logs.sink)(target, log.buffer.as_ref())),
            },
            format: log.format.clone(),
            escape: log.escape,
            condition: log.condition.clone(),
        });
        Ok(Self {
            passing: Arc::new(Passing::new(&settings.pass)),
            rewrites: AnswerRewrites::build(&settings.rewrites, variable)?,
            access_log: access_log.collect(),
            error_log: (logs.errors)(&settings.error_log),
            compression: Compression::build(&settings.compression)?,
            settings,
        })
    }
}

/// What was built last, of what may be had in common: the newest last.
pub(super) struct Last<T>(Vec<T>);

/// How many are compared with the next: as many as a site has of a kind.
const COMPARED: usize = 16;

impl<T: Clone> Last<T> {
    /// The newest that is the same. It is the newest of all then: what is used stays.
    pub(super) fn find(&mut self, is_same: impl Fn(&T) -> bool) -> Option<T> {
        let at = self.0.iter().rposition(is_same)?;
        let found = self.0.remove(at);
        Some(self.add(found))
    }

    /// The newest that is the same, or what is built then.
    pub(super) fn find_or_build<E>(
        &mut self,
        is_same: impl Fn(&T) -> bool,
        build: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        match self.find(is_same) {
            Some(same) => Ok(same),
            None => build().map(|built| self.add(built)),
        }
    }

    /// Gives back what it is given.
    pub(super) fn add(&mut self, built: T) -> T {
        if self.0.len() == COMPARED {
            self.0.remove(0);
        }
        self.0.push(built.clone());
        built
    }
}

impl<T> Default for Last<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Action, Location};

    #[derive(Debug)]
    struct Nowhere;

    impl NamedLogSink for Nowhere {
        fn write(&self, _: Vec<u8>, _: Vec<u8>, _: Vec<u8>) {}
    }

    fn build(location: &Location) -> Common {
        let named: Arc<dyn NamedLogSink> = Arc::new(Nowhere);
        let logs = Logs {
            sink: &mut |_, _| unreachable!("it logs nothing"),
            named: &named,
            errors: &mut |_| Arc::default(),
        };
        Common::build(settings(location), logs, &|_| None).expect("no patterns")
    }

    #[test]
    fn what_locations_do_does_not_keep_them_apart_and_everything_else_does() {
        let common = build(&Location::new(Action::Files));
        assert!(common.settings == settings(&Location::new(Action::Status(403))));
        let mut other = Location::new(Action::Files);
        other.chunked = !other.chunked;
        assert!(common.settings != settings(&other));
    }

    #[test]
    fn only_those_that_were_used_last_are_compared() {
        let mut last = Last::default();
        for number in 0..=COMPARED {
            last.add(number);
        }
        assert_eq!(last.find(|_| true), Some(COMPARED));
        assert_eq!(last.find(|one| *one < 1), None);
        assert_eq!(last.find(|one| *one < 2), Some(1));
        for number in 1..COMPARED {
            last.add(COMPARED + number);
        }
        assert_eq!(last.find(|one| *one < 3), Some(1));
    }
}
