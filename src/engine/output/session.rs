//! One connection of an output to its peer: a pipeline of its own, and the look at what has really
//! left. Dropped, it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gst::prelude::*;
use parking_lot::Mutex;

use crate::engine::feed::{Feed, Gate, Subscription};
use crate::engine::fragment::{Fragment, FragmentError};
use crate::engine::netlink::reset;
use crate::engine::netlink::tcp::{Mark, Wire};
use crate::engine::pipeline::{Pipe, Reporter};
use crate::engine::timebase::Timebase;
use crate::venue::OutputConfig;

use super::trail::{Trail, Unread};

/// Encoded frames that may wait for the peer: it is cut long before.
const QUEUE: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// A session that is so far behind has more to send than a farewell.
const LATE: Duration = Duration::from_millis(500);

/// One connection to the peer.
#[derive(Debug)]
pub struct Session {
    trail: Arc<Mutex<Trail>>,
    unread: Unread,
    mark: Mark,
    /// Its socket, once it has one.
    inode: Option<u32>,
    /// Frames of the programme when it began.
    began: u64,
    /// Tags that had gone in at the last look, and when that last grew.
    count: u64,
    grew: Instant,
    behind: Duration,
    timebase: Timebase,
    video: gst_app::AppSrc,
    places: [Subscription; 2],
    _pipe: Pipe,
}

impl Session {
    /// Sets out for the peer. Trouble on the way is told by `report`.
    pub fn open(
        config: &OutputConfig,
        [video_feed, audio_feed]: [&Arc<Feed>; 2],
        timebase: &Timebase,
        mark: Mark,
        report: Reporter,
        now: Instant,
    ) -> Result<Self, FragmentError> {
        let fragment = Fragment::pipeline("output-rtmp")?;
        let base = config.uri.as_str().trim_end_matches('/');
        match &config.key {
            Some(key) => {
                // The key is the stream's name as it is: in a URL, some of its characters would
                // mean something.
                fragment.set("out", "location", &format!("{base}/key"))?;
                fragment.set("out", "stream", key.reveal())?;
            }
            None => fragment.set("out", "location", base)?,
        }
        if !config.tls_verify {
            fragment.set("out", "tls-validation-flags", "0")?;
        }
        let limit = mark.kilobits_per_second().to_string();
        fragment.set("out", "peak-kbps", &limit)?;
        let video: gst_app::AppSrc = fragment.element("video")?;
        let audio: gst_app::AppSrc = fragment.element("audio")?;
        let sink: gst::Element = fragment.element("out")?;
        let trail = Arc::new(Mutex::new(Trail::default()));
        if let Some(pad) = sink.static_pad("sink") {
            follow(&pad, trail.clone(), timebase.clone());
        }
        let pipe = fragment.into_pipe(timebase, report);
        let gate = Gate::default();
        // The sound's place first: the gate is opened by the picture.
        let sound = audio_feed.subscribe(audio, QUEUE, Some(gate.clone()));
        let picture = video_feed.subscribe(video.clone(), QUEUE, Some(gate));
        // A refusal has been reported, and arrives as a note.
        let _ = pipe.play();
        Ok(Self {
            trail,
            unread: Unread::default(),
            mark,
            inode: None,
            began: video_feed.pushed(),
            count: 0,
            grew: now,
            behind: Duration::ZERO,
            timebase: timebase.clone(),
            video,
            places: [picture, sound],
            _pipe: pipe,
        })
    }

    /// How its connection is found among those of the kernel.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// Frames of the programme when it began.
    pub fn began(&self) -> u64 {
        self.began
    }

    /// Pictures that have gone into the connection, and how many of these the peer has not taken.
    pub fn pictures(&self) -> (u64, u64) {
        self.trail.lock().pictures()
    }

    /// Bytes that have gone into the connection.
    pub fn bytes(&self) -> u64 {
        self.trail.lock().bytes()
    }

    /// Frames that found no room since it began.
    pub fn lost(&self) -> u64 {
        self.places[0].lost()
    }

    /// How much later than usual the peer has what it has, as of the last look.
    pub fn behind(&self) -> Duration {
        self.behind
    }

    /// For how long nothing has gone into the connection.
    pub fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.grew)
    }

    /// Whether the kernel knows its connection.
    pub fn is_connected(&self) -> bool {
        self.inode.is_some()
    }

    /// What has not left is not worth sending any more: when the session is dropped, its connection is
    /// reset. One that keeps up is left to say farewell.
    pub fn abandon_if_late(&self) {
        if self.behind < LATE {
            return;
        }
        if let Some(Err(error)) = self.inode.map(reset::when_closed) {
            tracing::debug!("a connection could not be reset: {error}");
        }
    }

    /// Looks at what has left. `wire` is its connection, where the kernel knows it: without, only what
    /// waits in front of the connection is seen.
    pub fn look(&mut self, wire: Option<Wire>, now: Instant) {
        let running = self.timebase.now();
        self.inode = wire.map(|wire| wire.inode).or(self.inode);
        let outstanding = wire.map_or(0, |wire| wire.queued + self.unread.look(wire));
        let (count, beyond) = {
            let mut trail = self.trail.lock();
            trail.confirm(outstanding);
            (trail.count(), trail.behind(running))
        };
        if count != self.count {
            self.count = count;
            self.grew = now;
        }
        let waiting = self.video.current_level_time().unwrap_or_default();
        self.behind = beyond.max(waiting.into());
    }
}

/// Notes what enters the sink. The sink's pad takes a buffer only when the one before has left into
/// the connection.
fn follow(pad: &gst::Pad, trail: Arc<Mutex<Trail>>, timebase: Timebase) {
    /// First byte of an FLV tag with pictures.
    const VIDEO_TAG: u8 = 9;
    /// `AVCPacketType` of pictures (Adobe's FLV specification 10.1, E.4.3.1).
    const PICTURES: u8 = 1;
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer() {
            // Tag header, then codec, then the kind of packet: the first tag carries no picture.
            let mut head = [0u8; 13];
            let read = buffer.copy_to_slice(0, &mut head).is_ok();
            let picture = read && head[0] == VIDEO_TAG && head[12] == PICTURES;
            let (stamp, now) = (buffer.dts_or_pts(), timebase.now());
            trail.lock().enter(buffer.size(), picture, stamp, now);
        }
        gst::PadProbeReturn::Ok
    });
}
