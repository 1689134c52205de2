//! The threads that serve players step back behind those of the programme: where the processor is
//! short of time, a crowd waits, and the programme does not.

use std::sync::OnceLock;

use glib::object::IsA;
use gst::prelude::*;
use rustix::process::{getpriority_process, setpriority_process};

use super::pipeline_of;

/// How nice the process was made by whoever started it.
static OWN: OnceLock<i32> = OnceLock::new();

/// Notes how nice the process is. Called by a thread that has not stepped back, before any does.
pub fn begin() {
    OWN.get_or_init(|| getpriority_process(None).unwrap_or(0));
}

/// The calling thread serves a player from now on.
pub fn step_back() {
    /// The programme's threads weigh ten times as much then.
    const NICER: i32 = 10;
    let own = OWN.get().copied().unwrap_or(0);
    // On Linux the priority of a process is each thread's own. Nobody is refused a lower one.
    let _ = setpriority_process(None, own + NICER);
}

/// Lets every thread of a player's media step back behind those of the programme.
pub fn step_back_with(media: &impl IsA<gst_rtsp_server::RTSPMedia>) {
    let bus = pipeline_of(media).and_then(|pipeline| pipeline.bus());
    if let Some(bus) = bus {
        bus.set_sync_handler(|_, message| {
            // Posted by the new thread itself.
            if let gst::MessageView::StreamStatus(status) = message.view()
                && status.get().0 == gst::StreamStatusType::Enter
            {
                step_back();
            }
            gst::BusSyncReply::Pass
        });
    }
}
