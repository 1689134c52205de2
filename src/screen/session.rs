//! One connection to a feed: its pipeline, from the network to decoded pictures. Built anew for each
//! attempt; dropped, it is closed on a thread of GStreamer's, however long that takes.
//!
//! Made on a thread of its own: some elements connect while they are set going.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gst::prelude::*;
use parking_lot::Mutex;

use crate::cli::Transport;
use crate::engine::fragment::{Fragment, FragmentError};
use crate::engine::pipeline::{Pipe, Reporter};
use crate::engine::timebase::Timebase;

use super::address::Address;
use super::decoders::Decoders;
use super::gate::Entrance;
use super::picture;
use super::sound::Sound;

/// How long a packet that is missing may still come, where they come one by one. Nothing is held
/// back for it while none is missing.
const REORDER: &str = "40";

/// What a connection is to be.
#[derive(Clone)]
pub struct Wish {
    /// To whom.
    pub address: Address,
    /// How, by RTSP.
    pub transport: Transport,
    /// Whether it is heard.
    pub sound: bool,
    /// Whose certificates are good, by RTSPS; `None`: those that the system knows.
    pub authority: Option<PathBuf>,
    /// What has been learnt of this machine's decoders.
    pub decoders: Decoders,
}

/// What a connection knows of itself. Written on streaming threads.
#[derive(Default)]
pub struct Facts {
    /// Encoded pictures that went into the decoder.
    pub encoded: AtomicU64,
    /// Which decoder it has.
    pub decoder: Mutex<Option<&'static str>>,
    /// RTSP's buffers, which count what is lost.
    buffers: Mutex<Vec<glib::WeakRef<gst::Element>>>,
    /// A picture, a sound has been taken.
    has_picture: AtomicBool,
    has_sound: AtomicBool,
    /// Its sound, for whoever plays it.
    pub sound: Arc<Sound>,
}

/// A connection.
pub struct Session {
    facts: Arc<Facts>,
    _pipe: Pipe,
}

impl Session {
    /// Begins to connect. Everything else is told by `reporter` and comes through the entrance.
    pub fn start(
        wish: &Wish,
        entrance: Entrance,
        timebase: &Timebase,
        reporter: Reporter,
    ) -> Result<Self, FragmentError> {
        let facts = Arc::new(Facts::default());
        let fragment = source(wish)?;
        let streams: gst::Element = fragment
            .element("streams")
            .or_else(|_| fragment.element("source"))?;
        if wish.address.is_rtsp() {
            refuse_unwanted(&streams, wish.sound);
            count_losses(&streams, &facts);
        }
        if wish.address.url().scheme() == "rtsps" {
            tell_of_certificates(&streams);
        }
        let pipe = fragment.into_pipe(timebase, reporter);
        let (weak, own, sound) = (pipe.inner().downgrade(), facts.clone(), wish.sound);
        let decoders = wish.decoders.clone();
        streams.connect_pad_added(move |_, pad| {
            let Some(pipeline) = weak.upgrade() else {
                return;
            };
            if let Err(error) = connect(&pipeline, pad, &own, &entrance, &decoders, sound) {
                gst::element_error!(
                    pipeline,
                    gst::CoreError::Pad,
                    ("a stream cannot be played"),
                    ["{error}"]
                );
            }
        });
        // A refusal has been reported.
        let _ = pipe.play();
        Ok(Self { facts, _pipe: pipe })
    }

    /// What it knows of itself.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }
}

impl Facts {
    /// Packets that were lost on the way; `None` where the protocol loses none.
    pub fn lost(&self) -> Option<u64> {
        let buffers = self.buffers.lock().clone();
        if buffers.is_empty() {
            return None;
        }
        let of = |buffer: gst::Element| {
            let stats = buffer.property::<Option<gst::Structure>>("stats")?;
            stats.get::<u64>("num-lost").ok()
        };
        let all = buffers.iter().filter_map(|buffer| buffer.upgrade());
        Some(all.filter_map(of).sum())
    }
}

/// The way in, with values set.
fn source(wish: &Wish) -> Result<Fragment, FragmentError> {
    let url = wish.address.url().as_str();
    match wish.address.url().scheme() {
        "rtsp" | "rtsps" => {
            let fragment = Fragment::pipeline("source-pull-rtsp")?;
            fragment.set("source", "location", url)?;
            let (protocols, latency) = match wish.transport {
                Transport::Tcp => ("tcp", "0"),
                Transport::Udp => ("udp", REORDER),
                Transport::Multicast => ("udp-mcast", REORDER),
            };
            fragment.set("source", "protocols", protocols)?;
            fragment.set("source", "latency", latency)?;
            fragment.set("source", "drop-on-latency", "false")?;
            if let Some(guard) = wish.address.guard() {
                fragment.set("source", "user-id", &guard.user)?;
                fragment.set("source", "user-pw", guard.password.reveal())?;
            }
            if let Some(file) = &wish.authority {
                // It could be read when the screen began.
                let database =
                    gio::TlsFileDatabase::new(file).map_err(|_| FragmentError::BadValue {
                        name: "source-pull-rtsp".to_owned(),
                        element: "source".to_owned(),
                        property: "tls-database".to_owned(),
                        value: file.display().to_string(),
                    })?;
                let source: gst::Element = fragment.element("source")?;
                source.set_property("tls-database", database);
            }
            Ok(fragment)
        }
        "rtmp" | "rtmps" => {
            let fragment = Fragment::pipeline("source-pull-rtmp")?;
            fragment.set("source", "location", url)?;
            if let Some(guard) = wish.address.guard() {
                fragment.set("source", "username", &guard.user)?;
                fragment.set("source", "password", guard.password.reveal())?;
            }
            Ok(fragment)
        }
        "srt" => {
            let fragment = Fragment::pipeline("source-pull-srt")?;
            fragment.set("source", "uri", url)?;
            Ok(fragment)
        }
        _ => {
            let fragment = Fragment::pipeline("source-pull-http")?;
            fragment.set("source", "location", url)?;
            Ok(fragment)
        }
    }
}

/// What is not played is not asked for: its packets never travel.
fn refuse_unwanted(source: &gst::Element, sound: bool) {
    source.connect("select-stream", false, move |values| {
        let caps = values
            .get(2)
            .and_then(|value| value.get::<gst::Caps>().ok());
        let media = caps.as_ref().and_then(|caps| {
            let structure = caps.structure(0)?;
            structure.get::<String>("media").ok()
        });
        let wanted = match media.as_deref() {
            Some("video") => true,
            Some("audio") => sound,
            _ => false,
        };
        Some(wanted.to_value())
    });
}

/// A certificate that is not accepted is told of: GStreamer says only that it cannot connect.
fn tell_of_certificates(source: &gst::Element) {
    let weak = source.downgrade();
    source.connect("accept-certificate", false, move |_| {
        if let Some(source) = weak.upgrade() {
            gst::element_error!(
                source,
                gst::ResourceError::NotAuthorized,
                ("the relay's certificate is not accepted")
            );
        }
        Some(false.to_value())
    });
}

fn count_losses(source: &gst::Element, facts: &Arc<Facts>) {
    let facts = facts.clone();
    source.connect("new-manager", false, move |values| {
        let manager = values.get(1)?.get::<gst::Element>().ok()?;
        let facts = facts.clone();
        manager.connect("new-jitterbuffer", false, move |values| {
            let buffer = values.get(1)?.get::<gst::Element>().ok()?;
            facts.buffers.lock().push(buffer.downgrade());
            None
        });
        None
    });
}

/// A stream is there: the first picture is shown, the first sound heard, all else thrown away.
fn connect(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    facts: &Arc<Facts>,
    entrance: &Entrance,
    decoders: &Decoders,
    sound: bool,
) -> Result<(), glib::BoolError> {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let Some(structure) = caps.structure(0) else {
        return Ok(());
    };
    let name = structure.name().as_str();
    let media = structure.get::<String>("media").unwrap_or_default();
    let is_picture = media == "video" || name.starts_with("video/") || name.starts_with("image/");
    let is_sound = media == "audio" || name.starts_with("audio/");
    if is_picture && !facts.has_picture.swap(true, Ordering::Relaxed) {
        return picture::play(pipeline, pad, structure, facts, entrance, decoders);
    }
    if is_sound && sound && !facts.has_sound.swap(true, Ordering::Relaxed) {
        return facts.sound.take(pipeline, pad);
    }
    let hole = gst::ElementFactory::make("fakesink")
        .property("sync", false)
        .property("async", false)
        .build()?;
    pipeline.add(&hole)?;
    hole.sync_state_with_parent()?;
    join(pad, &hole)
}

/// Links a pad to an element's only entry.
pub fn join(pad: &gst::Pad, element: &impl IsA<gst::Element>) -> Result<(), glib::BoolError> {
    let entry = element.as_ref().static_pad("sink");
    let entry = entry.ok_or_else(|| glib::bool_error!("no entry"))?;
    match pad.link(&entry) {
        Ok(_) => Ok(()),
        Err(error) => Err(glib::bool_error!("{error}")),
    }
}
