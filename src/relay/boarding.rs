//! How players get on a stream that others are on already. All players of the programme share what is
//! packed once, and so somebody who joins would begin in the middle of a group of pictures. Whoever
//! begins to play is sent nothing until a keyframe is about to be packed, and everything from there on.
//!
//! The server sends to a player before it tells of it. So from the request on, until the player has
//! been taken off again, the packing thread keeps the next picture for a moment.
//!
//! One lock. The packing thread holds it while it lets players on, so that none of them leaves meanwhile;
//! the server's own locks of a stream come after it, and those of a media before.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gst_rtsp_server::prelude::*;
use parking_lot::{Condvar, Mutex};

use crate::engine::feed::Feed;

/// What was packed for nobody is fresh for so long. It begins with a keyframe.
const FRESH: Duration = Duration::from_millis(800);
/// Who has asked to play and does not so long after is stuck, or was refused.
const STUCK: Duration = Duration::from_millis(250);

/// The way onto one mount.
#[derive(Debug)]
pub struct Boarding {
    state: Mutex<State>,
    /// Somebody is on, or waits.
    stepped: Condvar,
    /// What is asked for a keyframe.
    video: Arc<Feed>,
}

#[derive(Debug, Default)]
struct State {
    /// What is played, and since when there is something of it.
    media: Option<(glib::WeakRef<gst_rtsp_server::RTSPMedia>, Instant)>,
    /// Its streams flow, whether somebody takes them or not.
    flows: bool,
    /// Asked to play, then.
    stepping: HashMap<u64, Instant>,
    /// Wait for a keyframe.
    waiting: HashMap<u64, gst_rtsp_server::RTSPSessionMedia>,
    aboard: HashSet<u64>,
    last: u64,
}

/// One client's place at a mount; dropped, it is given back.
#[derive(Debug)]
pub struct Passenger {
    boarding: Arc<Boarding>,
    number: u64,
}

impl Boarding {
    /// Nobody is there yet.
    pub fn new(video: &Arc<Feed>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            stepped: Condvar::new(),
            video: video.clone(),
        })
    }

    /// There is a new stream, which has begun now.
    pub fn begin(&self, media: &gst_rtsp_server::RTSPMedia) {
        let mut state = self.state.lock();
        state.media = Some((media.downgrade(), Instant::now()));
        state.flows = false;
    }

    /// A place for a client that may want to play.
    pub fn passenger(self: &Arc<Self>) -> Passenger {
        let mut state = self.state.lock();
        state.last += 1;
        Passenger {
            boarding: self.clone(),
            number: state.last,
        }
    }

    /// A picture is about to be packed. Called by the packing thread, which waits here while somebody
    /// gets on, at most `patience`; a keyframe takes those with it who wait.
    pub fn picture(&self, is_keyframe: bool, patience: Duration) {
        let mut state = self.state.lock();
        let until = Instant::now() + patience;
        loop {
            let now = Instant::now();
            state.stepping.retain(|_, since| now < *since + STUCK);
            if state.stepping.is_empty() || now >= until {
                break;
            }
            self.stepped.wait_until(&mut state, until);
        }
        if is_keyframe {
            for (number, media) in std::mem::take(&mut state.waiting) {
                for way in media.transports() {
                    // Refused where it is so already.
                    let _ = way.set_active(true);
                }
                state.aboard.insert(number);
            }
        }
    }

    /// Lets everything flow, whoever takes it: what nobody has taken would come late, to whoever is
    /// the first to ask for it.
    fn let_flow(&self) {
        let media = {
            let mut state = self.state.lock();
            if state.flows {
                return;
            }
            state.flows = true;
            state.media.as_ref().and_then(|(media, _)| media.upgrade())
        };
        let Some(media) = media else { return };
        for stream in (0..media.n_streams()).filter_map(|number| media.stream(number)) {
            // Refused where it flows already.
            let _ = stream.set_blocked(false);
        }
    }
}

/// Sends the player nothing for now. Whoever listens to a group hears what the others hear; the server
/// would give the group away, and not get it again.
fn hold_back(
    client: Option<&gst_rtsp_server::RTSPClient>,
    media: &gst_rtsp_server::RTSPSessionMedia,
) {
    let by_tcp: Vec<_> = (0..=u8::MAX)
        .filter_map(|channel| client?.stream_transport(channel))
        .collect();
    let is_group = |way: &gst_rtsp_server::RTSPStreamTransport| {
        let groups = way.stream().map(|own| own.multicast_client_addresses());
        !by_tcp.contains(way) && groups.is_some_and(|groups| !groups.is_empty())
    };
    for way in media.transports().iter().filter(|way| !is_group(way)) {
        // Refused where it is so already.
        let _ = way.set_active(false);
    }
}

/// What flows is held back by nothing. Where the server believes that it still is, it would tell the time
/// of what it once held back.
fn tell_the_present(media: &gst_rtsp_server::RTSPSessionMedia) {
    let streams = media.transports().into_iter().flat_map(|way| way.stream());
    for stream in streams.filter(|stream| stream.is_blocking()) {
        // Refused where it is so already.
        let _ = stream.set_blocked(false);
    }
}

impl Passenger {
    /// The client asks to play; called on its own thread. It is about to be told what time each stream
    /// shows.
    pub fn ask(&self, media: Option<&gst_rtsp_server::RTSPSessionMedia>) {
        if self.boarding.state.lock().flows {
            media.into_iter().for_each(tell_the_present);
        }
        let mut state = self.boarding.state.lock();
        if !state.aboard.contains(&self.number) && !state.waiting.contains_key(&self.number) {
            state.stepping.insert(self.number, Instant::now());
        }
    }

    /// The client plays; called on its own thread, when it has been answered.
    pub fn get_on(
        &self,
        client: Option<&gst_rtsp_server::RTSPClient>,
        media: Option<gst_rtsp_server::RTSPSessionMedia>,
    ) {
        let boarding = &self.boarding;
        let waits = {
            let state = boarding.state.lock();
            let begun = state.media.as_ref().map(|(_, begun)| *begun);
            let fresh = !state.flows && begun.is_some_and(|begun| begun.elapsed() < FRESH);
            let asked = state.stepping.contains_key(&self.number);
            asked && !fresh
        };
        if let Some(media) = media.filter(|_| waits) {
            hold_back(client, &media);
            boarding.state.lock().waiting.insert(self.number, media);
        } else {
            boarding.state.lock().aboard.insert(self.number);
        }
        boarding.state.lock().stepping.remove(&self.number);
        boarding.stepped.notify_one();
        boarding.let_flow();
        if waits {
            boarding.video.request_keyframe();
        }
    }

    /// It no longer plays.
    pub fn leave(&self) {
        {
            let mut state = self.boarding.state.lock();
            state.stepping.remove(&self.number);
            state.waiting.remove(&self.number);
            state.aboard.remove(&self.number);
        }
        self.boarding.stepped.notify_one();
    }
}

impl Drop for Passenger {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::feed::Media;

    const PATIENCE: Duration = Duration::from_millis(40);

    fn boarding() -> (Arc<Boarding>, Arc<Feed>) {
        let feed = Feed::new(Media::Video);
        gst::init().expect("GStreamer");
        (Boarding::new(&feed), feed)
    }

    fn took(boarding: &Boarding) -> Duration {
        let begun = Instant::now();
        boarding.picture(true, PATIENCE);
        begun.elapsed()
    }

    #[test]
    fn a_picture_waits_for_whoever_gets_on_and_for_nobody_else() {
        let (boarding, _feed) = boarding();
        let (first, second) = (boarding.passenger(), boarding.passenger());
        assert!(took(&boarding) < PATIENCE / 2, "nobody comes");
        first.ask(None);
        let other = boarding.clone();
        let packing = std::thread::spawn(move || took(&other));
        std::thread::sleep(PATIENCE / 4);
        first.get_on(None, None);
        let waited = packing.join().expect("a picture");
        assert!(waited >= PATIENCE / 8 && waited < PATIENCE, "{waited:?}");
        assert!(boarding.state.lock().aboard.contains(&first.number));
        // Whoever plays already and asks again holds up nobody.
        first.ask(None);
        assert!(took(&boarding) < PATIENCE / 2);
        second.ask(None);
        drop(second);
        assert!(took(&boarding) < PATIENCE / 2, "it has gone");
    }

    #[test]
    fn whoever_is_stuck_on_the_way_is_not_waited_for_long() {
        let (boarding, _feed) = boarding();
        let stuck = boarding.passenger();
        stuck.ask(None);
        let begun = Instant::now();
        let mut pictures = 0;
        while took(&boarding) >= PATIENCE / 2 {
            pictures += 1;
        }
        assert!((1..10).contains(&pictures), "{pictures}");
        assert!(begun.elapsed() < STUCK * 2);
    }

    #[test]
    fn whoever_joins_what_flows_has_a_keyframe_asked_for() {
        let (boarding, feed) = boarding();
        boarding.state.lock().flows = true;
        let late = boarding.passenger();
        late.ask(None);
        late.get_on(None, None);
        assert!(feed.take_keyframe_request());
        // It asks again, to go on after a pause, say: it is on already.
        late.ask(None);
        late.get_on(None, None);
        assert!(!feed.take_keyframe_request());
    }
}
