//! The way into a source for whoever has its encoded streams: an RTSP publisher, a pulled server, a
//! file. The inlet puts their timestamps on the common clock and hands them to the source's feeds.
//!
//! Called on streaming threads. There is one inlet for each source, for the engine's life; sessions
//! of publishers come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use gst::prelude::*;
use gst_video::VideoOrientationMethod;
use parking_lot::Mutex;

use super::damage::Damage;
use super::encoder::in_running_time;
use super::feed::{Feed, Media};
use super::stamps::Stamps;
use super::timebase::Timebase;
use super::timeline::Timeline;

/// So many packets at once are not lost: the sender counts anew.
const MISSING: u16 = 1000;

/// One source's encoded side.
#[derive(Debug)]
pub struct Inlet {
    timebase: Timebase,
    timeline: Mutex<Timeline>,
    /// Its pictures as they arrived.
    pub video: Arc<Feed>,
    /// Its sound as it arrived.
    pub audio: Arc<Feed>,
    /// The session of the publisher that the engine knows of; 0: none.
    session: AtomicU64,
    /// Running time of the last arrival, in nanoseconds; 0: none yet.
    last: AtomicU64,
    /// Grows with every [`Inlet::reset`]: whoever flows through one has to announce itself again.
    epoch: AtomicU64,
    /// What the sound's timestamps lack to fit the picture's, in nanoseconds.
    sound_shift: AtomicI64,
    /// Bytes of a large frame of sound of late.
    sound_size: AtomicU64,
    /// What is put right of the sender's timestamps before they go on the timeline.
    stamps: Mutex<Stamps>,
    /// The last timestamp of the picture as sent, in nanoseconds; `u64::MAX`: none yet. A
    /// parser leaves out those that are the same as before.
    last_stamp: AtomicU64,
    /// Which pictures lack something.
    pub damage: Arc<Damage>,
    /// Something of the picture that is just being put together has been lost.
    lossy: AtomicBool,
    packets: AtomicU64,
    lost: AtomicU64,
}

/// What is known of a source's way here, counted since the engine's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Way {
    /// RTP packets that came.
    pub packets: u64,
    /// Those that did not.
    pub lost: u64,
    /// Timestamps that had to be put right.
    pub corrections: u64,
}

impl Inlet {
    /// An inlet that nobody uses yet.
    pub fn new(timebase: &Timebase) -> Arc<Self> {
        Arc::new(Self {
            timebase: timebase.clone(),
            timeline: Mutex::default(),
            video: Feed::with_history(Media::Video),
            audio: Feed::new(Media::Audio),
            session: AtomicU64::new(0),
            last: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            sound_shift: AtomicI64::new(0),
            sound_size: AtomicU64::new(0),
            stamps: Mutex::default(),
            last_stamp: AtomicU64::new(u64::MAX),
            damage: Arc::default(),
            lossy: AtomicBool::new(false),
            packets: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        })
    }

    /// A session begins or ends: timestamps start anew, nothing is known of what flows.
    pub fn reset(&self) {
        *self.timeline.lock() = Timeline::default();
        self.stamps.lock().restart();
        self.last_stamp.store(u64::MAX, Ordering::Relaxed);
        self.damage.forget();
        self.lossy.store(false, Ordering::Relaxed);
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.sound_shift.store(0, Ordering::Relaxed);
        self.sound_size.store(0, Ordering::Relaxed);
        self.video.set_caps(None);
        self.audio.set_caps(None);
    }

    /// From now on what arrives is of the publisher with this session: all that was before has been
    /// cleared away.
    pub fn set_session(&self, session: u64) {
        self.session.store(session, Ordering::SeqCst);
    }

    /// Whose session the engine is ready for. What a publisher sends before would be forgotten with
    /// what its predecessor left.
    pub fn session(&self) -> u64 {
        self.session.load(Ordering::SeqCst)
    }

    /// What is known of the way here.
    pub fn way(&self) -> Way {
        Way {
            packets: self.packets.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            corrections: self.stamps.lock().corrections(),
        }
    }

    /// Counts the RTP packets that pass the pad, in order by now, and those that are missing among
    /// them: those that a jitter buffer upstream tells of, and those whose numbers are left out.
    pub fn count_packets(self: &Arc<Self>, pad: &gst::Pad, media: Option<Media>) {
        let inlet = self.clone();
        let last = AtomicU32::new(u32::MAX);
        let kind = gst::PadProbeType::BUFFER
            | gst::PadProbeType::BUFFER_LIST
            | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(kind, move |_, info| {
            let told = info.event().and_then(|event| event.structure());
            if told.is_some_and(|event| event.has_name("GstRTPPacketLost")) {
                inlet.note_loss(1, media);
            }
            let list = info.buffer_list().into_iter().flat_map(|list| list.iter());
            let one = info.buffer().map(gst::Buffer::as_ref);
            for packet in one.into_iter().chain(list) {
                // RFC 3550, 5.1: the sequence number is the second half of the first word.
                let mut header = [0u8; 4];
                if packet.copy_to_slice(0, &mut header).is_err() {
                    continue;
                }
                let number = u16::from_be_bytes([header[2], header[3]]);
                let before = last.swap(u32::from(number), Ordering::Relaxed);
                let missing = number.wrapping_sub(before as u16).wrapping_sub(1);
                inlet.packets.fetch_add(1, Ordering::Relaxed);
                // A sender that starts anew begins anywhere.
                if before != u32::MAX && (1..MISSING).contains(&missing) {
                    inlet.note_loss(u64::from(missing), media);
                }
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn note_loss(&self, packets: u64, media: Option<Media>) {
        self.lost.fetch_add(packets, Ordering::Relaxed);
        if media == Some(Media::Video) {
            self.lossy.store(true, Ordering::Relaxed);
        }
    }

    /// Notes whether this picture, in the order of decoding, needs something that was lost.
    fn note_damage(&self, buffer: &gst::BufferRef, captured: gst::ClockTime) {
        let keyframe = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        if self.lossy.swap(false, Ordering::Relaxed) {
            self.damage.begin(captured.nseconds());
        } else if keyframe {
            self.damage.end(captured.nseconds());
        }
    }

    /// Grows whenever a session begins or ends: what one has set is gone then.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Moves the sound's timestamps by so many nanoseconds from now on, to fit the picture's.
    pub fn shift_sound(&self, nanoseconds: i64) {
        tracing::debug!("sound moved by {} ms", nanoseconds / 1_000_000);
        self.sound_shift.store(nanoseconds, Ordering::Relaxed);
    }

    /// Whether an encoded frame of sound of that size is silence: a small part of what others need.
    /// Senders that wait for a packet to be full hold silence for most of a second.
    fn is_silence(&self, size: usize) -> bool {
        let size = size as u64;
        // A size of long ago, as of another codec, is forgotten by and by.
        let usual = self.sound_size.load(Ordering::Relaxed);
        let usual = size.max(usual - usual / 1024);
        self.sound_size.store(usual, Ordering::Relaxed);
        size < usual / 6
    }

    /// Whether nothing has arrived for so long.
    pub fn is_silent(&self, limit: Duration) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        let since = self.timebase.now().nseconds().saturating_sub(last);
        last == 0 || u128::from(since) > limit.as_nanos()
    }

    /// Every stream that the element comes up with goes into the source; RTP by way of a parsebin.
    /// `paced` lets each frame in at its own time rather than when it is there.
    pub fn follow(self: &Arc<Self>, element: &gst::Element, paced: bool) {
        self.follow_unpacked(element, paced, false);
    }

    /// What unpacks a stream of RTP with these caps, and has it go into the source: an element with a
    /// `sink` pad. `paced` as for [`Inlet::follow`].
    pub fn unpack_rtp(
        self: &Arc<Self>,
        caps: &gst::CapsRef,
        paced: bool,
    ) -> Result<gst::Element, glib::BoolError> {
        let encoding = caps
            .structure(0)
            .and_then(|rtp| rtp.get::<&str>("encoding-name").ok());
        // Whole pictures, at the packet that is marked as a picture's last: in slices, a picture
        // would be known to be whole when the next one begins, a frame later. parsebin cannot ask for
        // them.
        let (depay, name) = match encoding.map(str::to_ascii_uppercase).as_deref() {
            Some("H264") => ("rtph264depay", "video/x-h264"),
            Some("H265") => ("rtph265depay", "video/x-h265"),
            _ => {
                let parse = gst::ElementFactory::make("parsebin").build()?;
                self.follow_unpacked(&parse, paced, true);
                return Ok(parse);
            }
        };
        let whole = gst::Caps::builder(name).field("alignment", "au").build();
        let depay = gst::ElementFactory::make(depay).build()?;
        let filter = (gst::ElementFactory::make("capsfilter"))
            .property("caps", &whole)
            .build()?;
        let bin = gst::Bin::new();
        bin.add_many([&depay, &filter])?;
        depay.link(&filter)?;
        let missing = || glib::bool_error!("{} has no pad", depay.name());
        let sink = depay.static_pad("sink").ok_or_else(missing)?;
        let src = filter.static_pad("src").ok_or_else(missing)?;
        bin.add_pad(&gst::GhostPad::with_target(&sink)?)?;
        self.take_stream(&src, &whole, &bin, paced, true)?;
        Ok(bin.upcast())
    }

    /// The same for an element whose streams have been `unpacked` already: what is still RTP then,
    /// such as a camera's events, is nothing that can be unpacked here.
    fn follow_unpacked(self: &Arc<Self>, element: &gst::Element, paced: bool, unpacked: bool) {
        let inlet = self.clone();
        element.connect_pad_added(move |element, pad| {
            let parent = element
                .parent()
                .and_then(|parent| parent.downcast::<gst::Bin>().ok());
            let Some(parent) = parent.filter(|_| pad.direction() == gst::PadDirection::Src) else {
                return;
            };
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            if let Err(error) = inlet.take_stream(pad, &caps, &parent, paced, unpacked) {
                tracing::warn!("a stream of {} is not taken: {error}", element.name());
            }
        });
    }

    /// The stream of this pad, which will have these caps, goes into the source as it comes: for
    /// whoever makes a pad of what it was sent.
    pub fn adopt(
        self: &Arc<Self>,
        pad: &gst::Pad,
        caps: &gst::Caps,
        parent: &gst::Bin,
    ) -> Result<(), glib::BoolError> {
        self.take_stream(pad, caps, parent, false, true)
    }

    fn take_stream(
        self: &Arc<Self>,
        pad: &gst::Pad,
        caps: &gst::Caps,
        parent: &gst::Bin,
        paced: bool,
        unpacked: bool,
    ) -> Result<(), glib::BoolError> {
        let name = caps
            .structure(0)
            .map_or("", |structure| structure.name().as_str());
        let mut chain = Vec::new();
        if name.starts_with("application/x-rtp") && !unpacked {
            let parse = self.unpack_rtp(caps, paced)?;
            let of = caps
                .structure(0)
                .and_then(|rtp| rtp.get::<&str>("media").ok());
            self.count_packets(pad, of.and_then(media_of));
            chain.push(parse);
        } else if let Some(media) = media_of(name) {
            let sink = gst_app::AppSink::builder().wait_on_eos(false).build();
            sink.set_sync(paced);
            sink.set_async(paced);
            if let Some((parser, caps)) = whole_pictures(name) {
                chain.push(gst::ElementFactory::make(parser).build()?);
                sink.set_caps(Some(&caps));
            }
            self.listen(media, &sink);
            if media == Media::Video {
                self.learn_turn(&sink);
            }
            chain.push(sink.upcast());
        } else {
            // Subtitles, events, data: taken and forgotten.
            chain.push(
                gst::ElementFactory::make("fakesink")
                    .property("async", false)
                    .build()?,
            );
        }
        parent.add_many(&chain)?;
        gst::Element::link_many(&chain)?;
        for element in chain.iter().rev() {
            element.sync_state_with_parent()?;
        }
        let target = chain.first().and_then(|first| first.static_pad("sink"));
        let target = target.ok_or_else(|| glib::bool_error!("{name} finds no pad"))?;
        pad.link(&target)
            .map_err(|error| glib::bool_error!("{name}: {error}"))?;
        Ok(())
    }

    fn listen(self: &Arc<Self>, media: Media, sink: &gst_app::AppSink) {
        let inlet = self.clone();
        let mut known: Option<(gst::Caps, u64)> = None;
        sink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    let epoch = inlet.epoch.load(Ordering::SeqCst);
                    let is_known = |caps: &gst::CapsRef| {
                        (known.as_ref()).is_some_and(|(own, of)| **own == *caps && *of == epoch)
                    };
                    if let Some(caps) = sample.caps().filter(|caps| !is_known(caps)) {
                        inlet.feed(media).set_caps(Some(caps.to_owned()));
                        if media == Media::Video {
                            inlet.recall_turn(sink);
                        }
                        known = Some((caps.to_owned(), epoch));
                    }
                    inlet.take(media, &sample);
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
    }

    /// Notes how pictures have to be turned, where the stream says so.
    fn learn_turn(self: &Arc<Self>, sink: &gst_app::AppSink) {
        let Some(pad) = sink.static_pad("sink") else {
            return;
        };
        let inlet = self.clone();
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let Some(event) = info.event()
                && let gst::EventView::Tag(tag) = event.view()
                && let Some(turn) = VideoOrientationMethod::from_tag(tag.tag())
            {
                inlet.video.set_turn(turn);
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Notes again what the stream has said of it: it says so once, and a session may begin later.
    fn recall_turn(&self, sink: &gst_app::AppSink) {
        let Some(pad) = sink.static_pad("sink") else {
            return;
        };
        pad.sticky_events_foreach(|event| {
            if let gst::EventView::Tag(tag) = event.view()
                && let Some(turn) = VideoOrientationMethod::from_tag(tag.tag())
            {
                self.video.set_turn(turn);
            }
            std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
        });
    }

    fn feed(&self, media: Media) -> &Arc<Feed> {
        match media {
            Media::Video => &self.video,
            Media::Audio => &self.audio,
        }
    }

    fn last_stamp(&self) -> Option<gst::ClockTime> {
        let last = self.last_stamp.load(Ordering::Relaxed);
        (last != u64::MAX).then(|| gst::ClockTime::from_nseconds(last))
    }

    fn take(&self, media: Media, sample: &gst::Sample) {
        let Some(mut buffer) = in_running_time(sample) else {
            return;
        };
        let now = self.timebase.now().nseconds();
        self.last.store(now, Ordering::Relaxed);
        // Pictures may stand still. Sound cannot: what has no time of its own, as the first frames
        // of a connection, would be heard on top of what was there.
        let still = || self.last_stamp().filter(|_| media == Media::Video);
        let Some(own) = buffer.dts_or_pts().or_else(still) else {
            // A packet before the first timestamp: it has no place yet.
            return;
        };
        if media == Media::Video {
            self.last_stamp.store(own.nseconds(), Ordering::Relaxed);
        }
        let lack = match media {
            Media::Video => 0,
            Media::Audio => self.sound_shift.load(Ordering::Relaxed),
        };
        let add = |time: gst::ClockTime, more: i64| {
            let moved = (time.nseconds() as i64).saturating_add(more);
            gst::ClockTime::from_nseconds(moved.max(0) as u64)
        };
        let lack = lack + self.stamps.lock().correct(media, own.nseconds(), now);
        let sent = |time| add(time, lack).nseconds();
        let seen = sent(buffer.pts().unwrap_or(own));
        let silent = media == Media::Audio && self.is_silence(buffer.size());
        let offset = {
            let mut timeline = self.timeline.lock();
            match silent {
                true => timeline.place_silence(seen, sent(own), now),
                false => timeline.place(media, seen, sent(own), now),
            }
        };
        let shift = |time| add(add(time, lack), offset);
        let (pts, dts) = (buffer.pts(), buffer.dts());
        let inner = buffer.make_mut();
        let pts = shift(pts.or(dts).unwrap_or(own));
        inner.set_pts(pts);
        inner.set_dts(dts.map_or(pts, shift));
        if media == Media::Video {
            self.note_damage(inner, pts);
        }
        self.feed(media).push(&buffer);
    }
}

/// What makes one buffer of one picture: a depayloader hands on slices, and a decoder takes each
/// slice for a picture.
fn whole_pictures(caps_name: &str) -> Option<(&'static str, gst::Caps)> {
    let (parser, format) = match caps_name {
        "video/x-h264" => ("h264parse", "avc"),
        "video/x-h265" => ("h265parse", "hvc1"),
        _ => return None,
    };
    let caps = gst::Caps::builder(caps_name)
        .field("stream-format", format)
        .field("alignment", "au")
        .build();
    Some((parser, caps))
}

/// Video or audio, by the name of the caps, or by its first half as an SDP has it.
pub fn media_of(caps_name: &str) -> Option<Media> {
    let kind = caps_name
        .split_once('/')
        .map_or(caps_name, |(kind, _)| kind);
    if kind == "video" || kind == "image" {
        Some(Media::Video)
    } else if kind == "audio" {
        Some(Media::Audio)
    } else {
        None
    }
}
