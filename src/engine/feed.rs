//! An encoded stream and everybody who takes it: decoders, outputs, relay mounts. The feed lives as
//! long as its source or programme; the pipelines on both sides come and go.
//!
//! `push` runs on the streaming thread that made the buffer. It never waits for a consumer: one
//! whose queue is full loses its frames up to the next keyframe, and the loss is counted. (The
//! ready-made fan-out of gstreamer-utils goes on with a frame whose reference is lost.)
//!
//! One lock, held while buffers are queued at the consumers' appsrcs. Queueing neither blocks nor
//! calls back, and without the lock a newcomer's past could mix with what is pushed meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use gst_video::VideoOrientationMethod;
use parking_lot::Mutex;

/// More of the past is never kept.
const MAX_HISTORY: usize = 16 << 20;

/// Picture or sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// Encoded pictures: a consumer starts at a keyframe.
    Video,
    /// Encoded sound: a consumer starts anywhere.
    Audio,
}

/// One encoded stream. Timestamps are running time of the common clock.
#[derive(Debug)]
pub struct Feed {
    media: Media,
    /// Whether the pictures since the last keyframe are kept for newcomers.
    keeps: bool,
    state: Mutex<FeedState>,
    pushed: AtomicU64,
    keyframe_wanted: AtomicBool,
}

#[derive(Debug, Default)]
struct FeedState {
    /// What flows, and since when that is known.
    caps: Option<(gst::Caps, Instant)>,
    consumers: Vec<Arc<Consumer>>,
    /// From the last keyframe on; empty where nothing is kept.
    history: VecDeque<gst::Buffer>,
    history_bytes: usize,
    /// How the pictures have to be turned to be seen upright.
    turn: Option<VideoOrientationMethod>,
}

/// Opens when the first keyframe passes, so that sound does not start before the picture.
pub type Gate = Arc<AtomicBool>;

#[derive(Debug)]
struct Consumer {
    appsrc: gst_app::AppSrc,
    /// Longest queue before frames are dropped.
    limit: gst::ClockTime,
    gate: Option<Gate>,
    takes_all: bool,
    /// A keyframe must come first.
    waiting: AtomicBool,
    lost: AtomicU64,
    /// How often its queue was full.
    overflows: AtomicU64,
}

/// A consumer's place at the feed; dropped, it leaves.
#[derive(Debug)]
#[must_use]
pub struct Subscription {
    feed: Arc<Feed>,
    consumer: Arc<Consumer>,
}

impl Feed {
    /// A feed whose encoder makes a keyframe when it is asked to.
    pub fn new(media: Media) -> Arc<Self> {
        Self::build(media, false)
    }

    /// A feed whose encoder cannot be asked: the pictures since the last keyframe are kept, and are
    /// what a newcomer starts with.
    pub fn with_history(media: Media) -> Arc<Self> {
        Self::build(media, true)
    }

    fn build(media: Media, keeps: bool) -> Arc<Self> {
        Arc::new(Self {
            media,
            keeps,
            state: Mutex::default(),
            pushed: AtomicU64::new(0),
            keyframe_wanted: AtomicBool::new(false),
        })
    }

    /// What flows, once that is known; `None` again when the sender has gone.
    pub fn caps(&self) -> Option<gst::Caps> {
        self.state
            .lock()
            .caps
            .as_ref()
            .map(|(caps, _)| caps.clone())
    }

    /// Since when it is known what flows.
    pub fn known_since(&self) -> Option<Instant> {
        self.state.lock().caps.as_ref().map(|(_, since)| *since)
    }

    /// How its pictures have to be turned to be seen upright.
    pub fn turn(&self) -> VideoOrientationMethod {
        (self.state.lock().turn).unwrap_or(VideoOrientationMethod::Identity)
    }

    /// The sender says how its pictures have to be turned.
    pub fn set_turn(&self, turn: VideoOrientationMethod) {
        self.state.lock().turn = Some(turn);
    }

    /// Buffers pushed since the start.
    pub fn pushed(&self) -> u64 {
        self.pushed.load(Ordering::Relaxed)
    }

    /// Announces what flows from now on.
    pub fn set_caps(&self, caps: Option<gst::Caps>) {
        let mut state = self.state.lock();
        if caps.is_none() {
            state.turn = None;
        }
        let same = match (&state.caps, &caps) {
            (Some((old, _)), Some(new)) => old == new,
            (None, None) => true,
            _ => false,
        };
        if same {
            return;
        }
        state.forget();
        if let Some(caps) = &caps {
            let media = self.media;
            (state.consumers).retain(|consumer| consumer.goes_on(caps, media));
        }
        state.caps = caps.map(|caps| (caps, Instant::now()));
    }

    /// Gives the buffer to every consumer that can take it.
    pub fn push(&self, buffer: &gst::Buffer) {
        let mut state = self.state.lock();
        if self.keeps {
            state.remember(buffer);
        }
        for consumer in &state.consumers {
            consumer.offer(self.media, buffer);
        }
        drop(state);
        self.pushed.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds a consumer that was built for what flows now, and ends when that becomes something else.
    /// It gets buffers from a keyframe on: the last one where that is kept, else
    /// the next. Where `gate` is given, video opens it then and audio waits for that.
    pub fn subscribe(
        self: &Arc<Self>,
        appsrc: gst_app::AppSrc,
        limit: gst::ClockTime,
        gate: Option<Gate>,
    ) -> Subscription {
        self.join(appsrc, limit, gate, false)
    }

    /// The same for a consumer that takes whatever flows.
    pub fn subscribe_to_all(
        self: &Arc<Self>,
        appsrc: gst_app::AppSrc,
        limit: gst::ClockTime,
    ) -> Subscription {
        self.join(appsrc, limit, None, true)
    }

    fn join(
        self: &Arc<Self>,
        appsrc: gst_app::AppSrc,
        limit: gst::ClockTime,
        gate: Option<Gate>,
        takes_all: bool,
    ) -> Subscription {
        // Our own bound is the queue's bound: appsrc must neither block nor drop.
        appsrc.set_max_bytes(0);
        appsrc.set_max_buffers(0);
        appsrc.set_max_time(gst::ClockTime::NONE);
        appsrc.set_block(false);
        let consumer = Arc::new(Consumer {
            appsrc,
            limit,
            gate,
            takes_all,
            waiting: AtomicBool::new(self.media == Media::Video),
            lost: AtomicU64::new(0),
            overflows: AtomicU64::new(0),
        });
        {
            let mut state = self.state.lock();
            if let Some((caps, _)) = &state.caps {
                consumer.appsrc.set_caps(Some(caps));
            }
            for buffer in &state.history {
                consumer.offer(self.media, buffer);
            }
            state.consumers.push(consumer.clone());
        }
        self.request_keyframe();
        Subscription {
            feed: self.clone(),
            consumer,
        }
    }

    /// Asks whoever encodes for a keyframe soon. Whoever encodes decides how often.
    pub fn request_keyframe(&self) {
        self.keyframe_wanted.store(true, Ordering::Relaxed);
    }

    /// Whether a keyframe was asked for since the last call.
    pub fn take_keyframe_request(&self) -> bool {
        self.keyframe_wanted.swap(false, Ordering::Relaxed)
    }
}

impl FeedState {
    fn remember(&mut self, buffer: &gst::Buffer) {
        if is_keyframe(buffer) {
            self.forget();
        } else if self.history.is_empty() {
            return;
        }
        self.history_bytes += buffer.size();
        if self.history_bytes > MAX_HISTORY {
            self.forget();
        } else {
            self.history.push_back(buffer.clone());
        }
    }

    fn forget(&mut self) {
        self.history.clear();
        self.history_bytes = 0;
    }
}

fn is_keyframe(buffer: &gst::Buffer) -> bool {
    !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT)
}

/// Whether what was told of a stream at its start still holds: its codec, and of sound its rate and
/// channels, which no packet repeats.
fn is_akin(old: &gst::Caps, new: &gst::Caps, media: Media) -> bool {
    let (Some(old), Some(new)) = (old.structure(0), new.structure(0)) else {
        return false;
    };
    let same = |field| old.get::<i32>(field).ok() == new.get::<i32>(field).ok();
    old.name() == new.name()
        && (media == Media::Video || ["rate", "channels", "mpegversion"].into_iter().all(same))
}

impl Consumer {
    /// Tells the consumer what flows from now on. `false`: it cannot go on with that, and has ended;
    /// a player that asks again gets the new stream.
    fn goes_on(&self, caps: &gst::Caps, media: Media) -> bool {
        let known = self.appsrc.caps();
        if !self.takes_all && known.is_some_and(|known| !is_akin(&known, caps, media)) {
            // Refused only by a pipeline that is being taken down.
            let _ = self.appsrc.end_of_stream();
            return false;
        }
        self.appsrc.set_caps(Some(caps));
        if media == Media::Video {
            self.waiting.store(true, Ordering::Relaxed);
        }
        true
    }

    fn offer(&self, media: Media, buffer: &gst::Buffer) {
        match media {
            Media::Video => {
                if self.waiting.load(Ordering::Relaxed) && !is_keyframe(buffer) {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                if self.is_full() {
                    self.waiting.store(true, Ordering::Relaxed);
                    self.overflows.fetch_add(1, Ordering::Relaxed);
                    self.lost.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                self.waiting.store(false, Ordering::Relaxed);
                if let Some(gate) = &self.gate {
                    gate.store(true, Ordering::Relaxed);
                }
            }
            Media::Audio => {
                let open = self
                    .gate
                    .as_ref()
                    .is_none_or(|gate| gate.load(Ordering::Relaxed));
                if !open || self.is_full() {
                    return;
                }
            }
        }
        // Refused only by a pipeline that is being taken down.
        let _ = self.appsrc.push_buffer(buffer.clone());
    }

    fn is_full(&self) -> bool {
        self.appsrc
            .current_level_time()
            .is_some_and(|level| level > self.limit)
    }
}

impl Subscription {
    /// Frames that this consumer did not get since it subscribed.
    pub fn lost(&self) -> u64 {
        self.consumer.lost.load(Ordering::Relaxed)
    }

    /// How often this consumer was so slow that it lost pictures up to the next keyframe.
    pub fn overflows(&self) -> u64 {
        self.consumer.overflows.load(Ordering::Relaxed)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.feed.state.lock();
        state
            .consumers
            .retain(|other| !Arc::ptr_eq(other, &self.consumer));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use gst::prelude::*;

    fn frame(ms: u64, keyframe: bool) -> gst::Buffer {
        let mut buffer = gst::Buffer::with_size(10).unwrap();
        let inner = buffer.get_mut().unwrap();
        inner.set_pts(gst::ClockTime::from_mseconds(ms));
        inner.set_duration(gst::ClockTime::from_mseconds(100));
        if !keyframe {
            inner.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
        buffer
    }

    /// An appsrc that runs, and that nobody empties.
    fn stuck() -> (gst::Pipeline, gst_app::AppSrc) {
        gst::init().unwrap();
        let appsrc = gst_app::AppSrc::builder()
            .format(gst::Format::Time)
            .is_live(true)
            .build();
        let sink = gst::ElementFactory::make("fakesink").build().unwrap();
        let pipeline = gst::Pipeline::new();
        pipeline.add_many([appsrc.upcast_ref(), &sink]).unwrap();
        appsrc.link(&sink).unwrap();
        let pad = sink.static_pad("sink").unwrap();
        pad.add_probe(
            gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER,
            |_, _| gst::PadProbeReturn::Ok,
        );
        pipeline.set_state(gst::State::Playing).unwrap();
        (pipeline, appsrc)
    }

    /// How many buffers lie in the queue once the one at its head is stuck.
    fn queued(appsrc: &gst_app::AppSrc) -> u64 {
        std::thread::sleep(std::time::Duration::from_millis(100));
        appsrc.current_level_buffers()
    }

    #[test]
    fn a_consumer_starts_at_a_keyframe_and_sound_waits_for_it() {
        let (video, audio) = (Feed::new(Media::Video), Feed::new(Media::Audio));
        let ((pipe_v, v), (pipe_a, a)) = (stuck(), stuck());
        let gate = Gate::default();
        let limit = gst::ClockTime::from_seconds(5);
        let picture = video.subscribe(v.clone(), limit, Some(gate.clone()));
        let _sound = audio.subscribe(a.clone(), limit, Some(gate));
        assert!(video.take_keyframe_request());
        video.push(&frame(0, false));
        audio.push(&frame(0, true));
        for n in 1..4 {
            video.push(&frame(n * 100, n == 1));
            audio.push(&frame(n * 100, true));
        }
        // One of three is on its way.
        assert_eq!((queued(&v), queued(&a)), (2, 2));
        assert_eq!(picture.lost(), 1);
        for pipeline in [pipe_v, pipe_a] {
            pipeline.set_state(gst::State::Null).unwrap();
        }
    }

    #[test]
    fn a_full_queue_loses_whole_groups_of_pictures() {
        let feed = Feed::new(Media::Video);
        let (pipeline, appsrc) = stuck();
        let place = feed.subscribe(appsrc.clone(), gst::ClockTime::from_mseconds(450), None);
        for i in 0..20 {
            feed.push(&frame(i * 100, i % 10 == 0));
        }
        let left = queued(&appsrc);
        assert!((4..=6).contains(&left), "{left}");
        assert_eq!(place.lost() + left + 1, 20);
        drop(place);
        feed.push(&frame(2000, true));
        assert_eq!(queued(&appsrc), left, "it has left");
        pipeline.set_state(gst::State::Null).unwrap();
    }

    #[test]
    fn a_newcomer_starts_with_the_last_keyframe_where_none_can_be_asked_for() {
        let feed = Feed::with_history(Media::Video);
        for i in 0..25 {
            feed.push(&frame(i * 100, i % 10 == 0));
        }
        let (pipeline, appsrc) = stuck();
        let place = feed.subscribe(appsrc.clone(), gst::ClockTime::from_seconds(5), None);
        feed.push(&frame(2500, false));
        // Frames 20 to 25; one of them is on its way.
        assert_eq!(queued(&appsrc), 5);
        assert_eq!(place.lost(), 0);
        pipeline.set_state(gst::State::Null).unwrap();
    }
}
