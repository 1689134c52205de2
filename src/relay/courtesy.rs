//! The threads that serve players step back behind those of the programme: where the processor is
//! short of time, a crowd waits, and the programme does not.
//!
//! A thread that has stepped back can never step forward again, so none of them may come to serve
//! anybody else: they have a pool of their own, and GLib is told to keep none for other pools.

use std::sync::OnceLock;

use glib::object::IsA;
use gst::prelude::*;
use rustix::process::{getpriority_process, setpriority_process};

use super::pipeline_of;

/// How nice the process was made by whoever started it.
static OWN: OnceLock<i32> = OnceLock::new();
/// Threads of players; `None` where the pool cannot be made.
static POOL: OnceLock<Option<gst::TaskPool>> = OnceLock::new();

/// Notes how nice the process is. Called by a thread that has not stepped back, before any does.
pub fn begin() {
    OWN.get_or_init(|| getpriority_process(None).unwrap_or(0));
    glib::ThreadPool::set_max_unused_threads(Some(0));
}

fn pool() -> Option<&'static gst::TaskPool> {
    let made = POOL.get_or_init(|| {
        let pool = gst::TaskPool::new();
        let prepared = pool.prepare();
        if let Err(error) = &prepared {
            tracing::warn!("players are served as urgently as the programme: {error}");
        }
        prepared.is_ok().then_some(pool)
    });
    made.as_ref()
}

/// The calling thread serves players from now on, and nobody else.
pub fn step_back() {
    /// Each of the programme's threads weighs ten times as much then. Not more: beside other programs that
    /// take all they can get, a screen in the building would see nothing for seconds.
    const NICER: i32 = 10;
    let own = OWN.get().copied().unwrap_or(0);
    // On Linux the priority of a process is each thread's own. Nobody is refused a lower one.
    let _ = setpriority_process(None, own + NICER);
}

/// Lets every thread of a player's media step back behind those of the programme.
pub fn step_back_with(media: &impl IsA<gst_rtsp_server::RTSPMedia>) {
    let bus = pipeline_of(media).and_then(|pipeline| pipeline.bus());
    let (Some(bus), Some(pool)) = (bus, pool()) else {
        return;
    };
    bus.set_sync_handler(move |_, message| {
        if let gst::MessageView::StreamStatus(status) = message.view() {
            match status.get().0 {
                // Before there is a thread.
                gst::StreamStatusType::Create => {
                    let object = status.stream_status_object();
                    let task = object.and_then(|object| object.get::<gst::Task>().ok());
                    if let Some(task) = task {
                        task.set_pool(pool);
                    }
                }
                // Posted by the new thread itself.
                gst::StreamStatusType::Enter => step_back(),
                _ => {}
            }
        }
        gst::BusSyncReply::Pass
    });
}
