//! What is done about each client of the server: it is counted, what it does is written down, it waits for
//! what is about to flow, and a keyframe is asked for where it needs one. All on the client's own thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gst_rtsp::RTSPStatusCode;
use gst_rtsp_server::prelude::*;

use super::group;
use super::guests::Facts;
use super::mount::{self, Readiness};
use super::{Playable, path_of};

/// How long a player is kept waiting for what is about to flow.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who joins a stream that others play already has a keyframe asked for.
pub fn ask_for_a_keyframe(client: &gst_rtsp_server::RTSPClient, mounts: &Arc<[Playable]>) {
    let mounts = mounts.clone();
    client.connect_play_request(move |_, context| {
        let is_group = |path: String| path.ends_with(group::PLACE);
        if context.uri().map(path_of).is_some_and(is_group)
            && let Some((_, mount)) = find(&mounts, context)
        {
            mount.video.request_keyframe();
        }
    });
}

/// Counts a client from its PLAY to its TEARDOWN or its end.
pub fn count_player(client: &gst_rtsp_server::RTSPClient, players: &Arc<AtomicU64>) {
    let plays = Arc::new(AtomicBool::new(false));
    let (begun, count) = (plays.clone(), players.clone());
    client.connect_play_request(move |_, _| {
        if !begun.swap(true, Ordering::Relaxed) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let count = players.clone();
    let end = move || {
        if plays.swap(false, Ordering::Relaxed) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    };
    let ended = end.clone();
    client.connect_teardown_request(move |_, _| ended());
    client.connect_closed(move |_| end());
}

/// Writes down what the client does.
pub fn note_facts(client: &gst_rtsp_server::RTSPClient, facts: &Arc<Facts>) {
    let own = facts.clone();
    client.connect_closed(move |_| own.gone.store(true, Ordering::Relaxed));
    let own = facts.clone();
    client.connect_new_session(move |_, _| own.seated.store(true, Ordering::Relaxed));
    // Its key has been checked, and its place is its own.
    let own = facts.clone();
    client.connect_announce_request(move |_, _| own.publishes.store(true, Ordering::Relaxed));
}

/// Whether the mount that a request is about can be built. Waits, on the client's own thread, for
/// what is about to flow.
pub fn ready(
    mounts: &[Playable],
    facts: &Facts,
    context: &gst_rtsp_server::RTSPContext,
) -> RTSPStatusCode {
    let Some((number, mount)) = find(mounts, context) else {
        return RTSPStatusCode::Ok;
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        match mount::readiness(&mount.video, &mount.audio) {
            Readiness::Ready => {
                let mut built = facts.built.lock();
                // The media is built once, for whatever asks first.
                if built.as_ref().is_none_or(|(known, _)| *known != number) {
                    *built = Some((number, mount::shape(mount)));
                }
                return RTSPStatusCode::Ok;
            }
            Readiness::Nothing if !mount.always => return RTSPStatusCode::NotFound,
            _ if Instant::now() > deadline => return RTSPStatusCode::ServiceUnavailable,
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// The mount that a request is about: its path, or one of its streams.
fn find<'a>(
    mounts: &'a [Playable],
    context: &gst_rtsp_server::RTSPContext,
) -> Option<(usize, &'a Playable)> {
    let path = context.uri().map(path_of)?;
    (0..).zip(mounts).find(|(_, mount)| {
        let rest = path.strip_prefix(mount.path.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}
