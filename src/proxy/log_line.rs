//! The end of a request: its access log lines.

use super::context::RequestContext;
use super::sticky::{self, Moment};
use super::values::{Exchange, Refused, Sent};
use crate::door::{DoorStream, Refusal};
use crate::model::Variable;
use crate::runtime::{AccessLog, LogOutlet, Values, render, render_line};
use pingora_proxy::Session;
use std::cell::RefCell;

/// `logging`: ends the last try, lets the client take what is left of its answer, and writes the
/// request's lines. The connection to the upstream is free by now.
pub(super) async fn finish(session: &mut Session, ctx: &mut RequestContext) {
    if ctx.admission.is_none() {
        return;
    }
    sticky::learn(session, ctx, Moment::End);
    if let Some(passage) = &mut ctx.passage {
        passage.release();
    }
    DoorStream::settle(session.as_downstream_mut()).await;
    write(&ctx.place().access_log, &Exchange::now(session, ctx));
}

/// The lines of a request that was refused before it had a location, and of the page it got.
pub(super) fn refused(refusal: &Refusal<'_>, sent: Sent) {
    write(
        &refusal.arrival.site.fallback().access_log,
        &Refused { refusal, sent },
    );
}

fn write(logs: &[AccessLog], values: &impl Values) {
    for log in logs {
        if let Some(condition) = &log.condition {
            let mut value = Vec::new();
            render(condition, values, &mut value);
            if value.is_empty() || value == b"0" {
                continue;
            }
        }
        LINE.with_borrow_mut(|line| {
            line.clear();
            render_line(&log.format, log.escape, values, line);
            match &log.outlet {
                LogOutlet::Fixed(sink) => sink.write(line),
                LogOutlet::Named(name, sink) => {
                    let mut file = Vec::new();
                    render(name, values, &mut file);
                    let mut folder = Vec::new();
                    values.write(&Variable::DocumentRoot, &mut folder);
                    sink.write(folder, file, line.clone());
                }
            }
            line.shrink_to(LONGEST_KEPT);
        });
    }
}

thread_local! {
    /// Where a line is written before it is handed over.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// How much of it stays for the next.
const LONGEST_KEPT: usize = 16 * 1024;
