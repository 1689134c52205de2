//! The one clock and the one base time that all pipelines share, so that a timestamp means the
//! same everywhere.

use gst::prelude::*;

/// Clock and base time. *Running time* is the clock's time since the engine's start.
#[derive(Debug, Clone)]
pub struct Timebase {
    clock: gst::Clock,
    base: gst::ClockTime,
}

impl Timebase {
    /// Running time zero is now.
    pub fn start() -> Self {
        let clock = gst::SystemClock::obtain();
        let base = clock.time();
        Self { clock, base }
    }

    /// Running time.
    pub fn now(&self) -> gst::ClockTime {
        self.clock.time().saturating_sub(self.base)
    }

    /// Running time at a time of the system's monotonic clock, which the common clock is, in
    /// nanoseconds; `None`: before the start.
    pub fn of_monotonic(&self, nanoseconds: u64) -> Option<u64> {
        nanoseconds.checked_sub(self.base.nseconds())
    }

    /// Puts a pipeline that is not running yet on this clock and this base time.
    pub fn adopt(&self, pipeline: &gst::Pipeline) {
        pipeline.use_clock(Some(&self.clock));
        pipeline.set_base_time(self.base);
        pipeline.set_start_time(gst::ClockTime::NONE);
    }

    /// Sleeps until `running_time`; returns at once when that is past.
    pub fn wait_until(&self, running_time: gst::ClockTime) {
        let id = self.clock.new_single_shot_id(self.base + running_time);
        // Early and unscheduled cannot happen to an id that nobody else holds.
        let _ = id.wait();
    }
}
