//! A mount that plays a feed as it was encoded. Each client has a media of its own, built from what
//! flows when it asks: it costs itself, and it starts with a keyframe, picture and sound in step. (A
//! media that clients share tells those who come later where picture and sound were when they were
//! last sent to somebody: ffmpeg was seen to begin 0.9 s out of step there.) By multicast there is one
//! stream for all, at a mount of its own.

use std::sync::Arc;
use std::time::Duration;

use glib::subclass::prelude::*;
use gst_rtsp_server::prelude::*;

use crate::engine::feed::Feed;
use crate::engine::fragment::{Fragment, FragmentError};
use crate::engine::timebase::Timebase;
use crate::venue::Multicast;

use super::Playable;
use super::ahead::{self, Ahead};
use super::group;

/// Encoded frames that may wait for the payloader.
const QUEUE: gst::ClockTime = gst::ClockTime::from_seconds(2);

glib::wrapper! {
    /// Makes the media of one mount.
    pub struct FeedFactory(ObjectSubclass<imp::FeedFactory>)
        @extends gst_rtsp_server::RTSPMediaFactory;
}

/// What a factory plays.
#[derive(Debug)]
struct Programme {
    video: Arc<Feed>,
    audio: Arc<Feed>,
    /// Its pictures follow each other at a fixed distance.
    even: bool,
    timebase: Timebase,
}

impl FeedFactory {
    /// A factory for the mount.
    pub fn new(playable: &Playable, timebase: &Timebase) -> Self {
        let factory: Self = glib::Object::new();
        factory.set_shared(false);
        factory.set_suspend_mode(gst_rtsp_server::RTSPSuspendMode::None);
        factory.set_protocols(gst_rtsp::RTSPLowerTrans::UDP | gst_rtsp::RTSPLowerTrans::TCP);
        factory.set_transport_mode(gst_rtsp_server::RTSPTransportMode::PLAY);
        // Set once, here only.
        let _ = factory.imp().plays.set(Programme {
            video: playable.video.clone(),
            audio: playable.audio.clone(),
            even: playable.always,
            timebase: timebase.clone(),
        });
        factory
    }

    /// A factory for the mount that plays the same to all who join a group.
    pub fn multicast(playable: &Playable, timebase: &Timebase, multicast: &Multicast) -> Self {
        let factory = Self::new(playable, timebase);
        factory.set_shared(true);
        group::open(factory.upcast_ref(), multicast);
        factory
    }
}

/// Whether a mount can be built of its feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Nothing flows that could be packed.
    Nothing,
    /// Something has begun to flow; the other half may be about to follow.
    Soon,
    /// Yes.
    Ready,
}

/// Picture and sound of a sender are not known at the same instant. A mount that is built between
/// the two lacks one of them for as long as anybody plays it.
const OTHER_HALF: Duration = Duration::from_millis(1200);

/// Whether a mount of these feeds can be built now.
pub fn readiness(video: &Feed, audio: &Feed) -> Readiness {
    let packed = |feed: &Feed| feed.caps().as_ref().and_then(fragment_for).is_some();
    match (packed(video), packed(audio)) {
        (true, true) => Readiness::Ready,
        (false, false) => Readiness::Nothing,
        _ => {
            let since = video
                .known_since()
                .into_iter()
                .chain(audio.known_since())
                .min();
            if since.is_some_and(|since| since.elapsed() < OTHER_HALF) {
                Readiness::Soon
            } else {
                Readiness::Ready
            }
        }
    }
}

/// What a media is built of: how picture and sound are packed. `None`: not known, or not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    picture: Option<&'static str>,
    /// With rate and channels: these are told to players once, when they join.
    sound: Option<(&'static str, i32, i32)>,
}

impl Shape {
    /// Whether a media that was built as `other` cannot play this. What is missing now may come
    /// back, and what is new is only missed.
    pub fn contradicts(&self, other: &Self) -> bool {
        fn differ<T: PartialEq>(now: &Option<T>, then: &Option<T>) -> bool {
            now.is_some() && then.is_some() && now != then
        }
        differ(&self.picture, &other.picture) || differ(&self.sound, &other.sound)
    }
}

/// What a mount would be built of now.
pub fn shape(playable: &Playable) -> Shape {
    let sound = playable.audio.caps().and_then(|caps| {
        let structure = caps.structure(0)?;
        let number = |name| structure.get::<i32>(name).unwrap_or(0);
        Some((fragment_for(&caps)?, number("rate"), number("channels")))
    });
    Shape {
        picture: playable.video.caps().as_ref().and_then(fragment_for),
        sound,
    }
}

/// The fragment that packs what flows.
fn fragment_for(caps: &gst::Caps) -> Option<&'static str> {
    let structure = caps.structure(0)?;
    match structure.name().as_str() {
        "video/x-h264" => Some("relay-h264"),
        "video/x-h265" => Some("relay-h265"),
        "video/x-vp8" => Some("relay-vp8"),
        "video/x-vp9" => Some("relay-vp9"),
        "audio/x-opus" => Some("relay-opus"),
        "audio/x-mulaw" => Some("relay-mulaw"),
        "audio/x-alaw" => Some("relay-alaw"),
        "audio/mpeg" if structure.get::<i32>("mpegversion") == Ok(1) => Some("relay-mpa"),
        "audio/mpeg" => Some("relay-aac"),
        _ => None,
    }
}

/// Adds the packing of one feed to `bin`, as the server's `pay<number>`.
fn add(bin: &gst::Bin, feed: &Feed, source: &str, number: u32, even: bool) -> bool {
    let Some(name) = feed.caps().as_ref().and_then(fragment_for) else {
        return false;
    };
    let added = (|| {
        let fragment = Fragment::bin(name)?;
        let appsrc: gst_app::AppSrc = fragment.element("in")?;
        let pay: gst::Element = fragment.element("pay")?;
        pay.set_property("pt", 96 + number);
        let mut line = fragment.into_line();
        if even && name == "relay-h264" {
            send_ahead(&mut line, &pay);
        }
        // Only an element without a parent may be renamed.
        appsrc.set_property("name", source);
        pay.set_property("name", format!("pay{number}"));
        Ok::<_, FragmentError>(line)
    })();
    match added {
        Ok(line) => bin.add_many(&line).is_ok() && gst::Element::link_many(&line).is_ok(),
        Err(error) => {
            tracing::error!("relay: {error}");
            false
        }
    }
}

/// Has each picture's end known at once to whoever plays it.
fn send_ahead(line: &mut Vec<gst::Element>, pay: &gst::Element) {
    let Some(packets) = pay.static_pad("src") else {
        return;
    };
    packets.add_probe(gst::PadProbeType::BUFFER, |_, info| {
        if let Some(packet) = info.buffer_mut() {
            ahead::unmark(packet.make_mut());
        }
        gst::PadProbeReturn::Ok
    });
    let place = line.iter().position(|element| element == pay);
    line.insert(place.unwrap_or(line.len()), Ahead::new().upcast());
}

mod imp {
    use std::sync::OnceLock;
    use std::sync::atomic::AtomicBool;

    use glib::subclass::prelude::*;
    use gst::prelude::*;
    use gst_rtsp_server::prelude::*;
    use gst_rtsp_server::subclass::prelude::*;
    use parking_lot::Mutex;

    #[derive(Default)]
    pub struct FeedFactory {
        pub(super) plays: OnceLock<super::Programme>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for FeedFactory {
        const NAME: &'static str = "RegieFeedFactory";
        type Type = super::FeedFactory;
        type ParentType = gst_rtsp_server::RTSPMediaFactory;
    }

    impl ObjectImpl for FeedFactory {}

    impl RTSPMediaFactoryImpl for FeedFactory {
        fn create_element(&self, _url: &gst_rtsp::RTSPUrl) -> Option<gst::Element> {
            let plays = self.plays.get()?;
            let bin = gst::Bin::new();
            let picture = super::add(&bin, &plays.video, "video", 0, plays.even);
            let sound = super::add(&bin, &plays.audio, "audio", u32::from(picture), plays.even);
            if !picture && !sound {
                // Ended between the question whether it plays and this one.
                tracing::debug!("a mount has nothing to play");
            }
            Some(bin.upcast())
        }

        fn gen_key(&self, url: &gst_rtsp::RTSPUrl) -> Option<glib::GString> {
            // What is shared is one, whatever a player adds to its address.
            match self.obj().is_shared() {
                true => Some("shared".into()),
                false => self.parent_gen_key(url),
            }
        }

        fn media_configure(&self, media: &gst_rtsp_server::RTSPMedia) {
            self.parent_media_configure(media);
            let Some(plays) = self.plays.get() else {
                return;
            };
            super::super::adopt(media, &plays.timebase);
            super::super::send_at_once(media);
            super::super::courtesy::step_back_with(media);
            let Ok(bin) = media.element().downcast::<gst::Bin>() else {
                return;
            };
            let appsrc = |name| {
                bin.by_name(name)
                    .and_then(|e| e.downcast::<gst_app::AppSrc>().ok())
            };
            let (video, audio) = (appsrc("video"), appsrc("audio"));
            let gate = video
                .is_some()
                .then(|| std::sync::Arc::new(AtomicBool::new(false)));
            let places: Vec<_> = [(video, &plays.video), (audio, &plays.audio)]
                .into_iter()
                .filter_map(|(appsrc, feed)| {
                    appsrc.map(|appsrc| feed.subscribe(appsrc, super::QUEUE, gate.clone()))
                })
                .collect();
            let places = Mutex::new(places);
            media.connect_unprepared(move |_| {
                let left = std::mem::take(&mut *places.lock());
                drop(left);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_codec_is_a_contradiction() {
        let shape = |picture, sound| Shape { picture, sound };
        let (h264, h265) = (Some("relay-h264"), Some("relay-h265"));
        let (aac, slower) = (("relay-aac", 48_000, 2), ("relay-aac", 44_100, 2));
        let built = shape(h264, Some(aac));
        for goes_on in [
            built.clone(),
            shape(None, None),
            shape(h264, None),
            shape(None, Some(aac)),
        ] {
            assert!(!goes_on.contradicts(&built), "{goes_on:?}");
        }
        assert!(shape(h265, Some(aac)).contradicts(&built));
        assert!(shape(h264, Some(slower)).contradicts(&built));
        assert!(!built.contradicts(&shape(h264, None)));
    }
}
