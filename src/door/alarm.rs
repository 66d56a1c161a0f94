//! A time that something is given, without a new timer for each time that something is waited for.
//!
//! A connection waits for a request again and again, a minute or so each time, and hardly ever that long.
//! The timer of the first time runs on: when it goes off too early, because it was set for an earlier end,
//! another one is set.

use pingora::prelude::sleep;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// Goes off at a time that may be another one whenever it is asked.
#[derive(Default)]
pub(super) struct Alarm(Option<Timer>);

/// Runs until this time.
struct Timer {
    end: Instant,
    sleep: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

impl Alarm {
    /// Waits until this time.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, until: Instant) -> Poll<()> {
        loop {
            let Some(timer) = self.0.as_mut().filter(|timer| timer.end <= until) else {
                let left = until.saturating_duration_since(Instant::now());
                self.0 = Some(Timer {
                    end: until,
                    sleep: Box::pin(sleep(to_come(left))),
                });
                continue;
            };
            ready!(timer.sleep.as_mut().poll(context));
            let end = timer.end;
            self.0 = None;
            if end >= until {
                return Poll::Ready(());
            }
        }
    }
}

/// Pingora's timers are for times to come: one for now overflows in a debug build.
fn to_come(left: Duration) -> Duration {
    left.max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test]
    async fn it_goes_off_at_the_time_that_was_asked_for_last() {
        let mut alarm = Alarm::default();
        for milliseconds in [60, 150, 20, 200] {
            let began = Instant::now();
            let until = began + Duration::from_millis(milliseconds);
            // Somebody asks once and does not wait.
            let later = until + Duration::from_millis(70);
            poll_fn(|context| {
                assert!(alarm.poll(context, later).is_pending());
                Poll::Ready(())
            })
            .await;
            poll_fn(|context| alarm.poll(context, until)).await;
            let took = began.elapsed();
            assert!(took >= Duration::from_millis(milliseconds), "{took:?}");
            // Before the other one's end, if the machine lets it.
            assert!(took < Duration::from_secs(5), "{took:?}");
        }
    }
}
