//! Laptops that push by RTSP RECORD. A publisher's streams are taken as its SDP announces them, in
//! any order and number; the server's own factories know only fixed ones.

use std::collections::HashMap;
use std::sync::Arc;

use glib::subclass::prelude::*;
use gst_rtsp::RTSPStatusCode;
use gst_rtsp_server::prelude::*;
use parking_lot::Mutex;

use crate::engine::feed::Media;
use crate::model::SourceId;
use crate::relay::path_of;

use super::{Claim, Registry};

/// How long a UDP packet out of order is waited for, in milliseconds: longer than a bad Wi-Fi holds
/// packets up by chance (a spread of 60 ms). Where none is missing, nothing waits.
const REORDER_MS: u32 = 80;

glib::wrapper! {
    /// Makes the media of one publisher.
    pub struct IngestFactory(ObjectSubclass<factory::IngestFactory>)
        @extends gst_rtsp_server::RTSPMediaFactory;
}

glib::wrapper! {
    /// One publisher's streams.
    pub struct IngestMedia(ObjectSubclass<media::IngestMedia>)
        @extends gst_rtsp_server::RTSPMedia;
}

impl IngestFactory {
    /// A factory for the place of a source.
    pub fn new(id: &SourceId, doors: &Doors) -> Self {
        let factory: Self = glib::Object::new();
        factory.set_protocols(gst_rtsp::RTSPLowerTrans::UDP | gst_rtsp::RTSPLowerTrans::TCP);
        factory.set_transport_mode(gst_rtsp_server::RTSPTransportMode::RECORD);
        factory.set_media_gtype(IngestMedia::static_type());
        factory.set_latency(REORDER_MS);
        factory.set_stop_on_disconnect(true);
        // Set once, here only.
        let _ = factory.imp().door.set((id.clone(), doors.clone()));
        factory
    }
}

/// Which client holds which place.
#[derive(Debug, Clone)]
pub struct Doors {
    registry: Arc<Registry>,
    /// By the client object's address.
    claims: Arc<Mutex<HashMap<usize, Claim>>>,
}

fn address(client: &gst_rtsp_server::RTSPClient) -> usize {
    client.as_ptr() as usize
}

impl Doors {
    /// Doors to the registry's places.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            claims: Arc::default(),
        }
    }

    /// Arbitrates whatever the client announces, and lets go of its place when it closes.
    pub fn watch(&self, client: &gst_rtsp_server::RTSPClient) {
        let doors = self.clone();
        client.connect_pre_announce_request(move |client, context| {
            let path = context.uri().map(path_of).unwrap_or_default();
            doors.announce(client, &path)
        });
        let doors = self.clone();
        client.connect_closed(move |client| doors.release(address(client), None));
    }

    fn announce(&self, client: &gst_rtsp_server::RTSPClient, path: &str) -> RTSPStatusCode {
        let id = path
            .strip_prefix("/ingest/")
            .and_then(|id| id.parse::<SourceId>().ok());
        let Some(id) = id.filter(|id| self.registry.inlet(id).is_some()) else {
            return RTSPStatusCode::NotFound;
        };
        if self.claims.lock().contains_key(&address(client)) {
            // One connection, one stream: what it announced before is still going on.
            return RTSPStatusCode::MethodNotValidInThisState;
        }
        let weak = client.downgrade();
        let evict = move || {
            // Closing waits for the publisher's streams to end: whoever evicts does not.
            let weak = weak.clone();
            let close = move || {
                if let Some(client) = weak.upgrade() {
                    client.close();
                }
            };
            let thread = std::thread::Builder::new().name("evict".into());
            if let Err(error) = thread.spawn(close) {
                tracing::warn!("a publisher cannot be sent away: {error}");
            }
        };
        match self.registry.claim(&id, evict) {
            Ok(claim) => {
                let old = self.claims.lock().insert(address(client), claim);
                drop(old);
                RTSPStatusCode::Ok
            }
            Err(_) => RTSPStatusCode::Forbidden,
        }
    }

    /// The client whose request is being served, and the session it holds.
    fn current(&self) -> Option<(usize, u64)> {
        let client = gst_rtsp_server::RTSPContext::with_current_context(|context| {
            context.client().map(address)
        });
        let client = client.flatten()?;
        let session = self.claims.lock().get(&client)?.session();
        Some((client, session))
    }

    /// The client lets go of its place: of any, or of that one session.
    fn release(&self, client: usize, session: Option<u64>) {
        // The claim's own lock is taken after ours is given back.
        let claim = {
            let mut claims = self.claims.lock();
            let held = claims.get(&client).map(Claim::session);
            if session.is_none_or(|session| held == Some(session)) {
                claims.remove(&client)
            } else {
                None
            }
        };
        drop(claim);
    }
}

mod factory {
    use std::sync::OnceLock;

    use glib::subclass::prelude::*;
    use gst_rtsp_server::prelude::*;
    use gst_rtsp_server::subclass::prelude::*;

    use crate::model::SourceId;

    #[derive(Default)]
    pub struct IngestFactory {
        pub(super) door: OnceLock<(SourceId, super::Doors)>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for IngestFactory {
        const NAME: &'static str = "RegieIngestFactory";
        type Type = super::IngestFactory;
        type ParentType = gst_rtsp_server::RTSPMediaFactory;
    }

    impl ObjectImpl for IngestFactory {}

    impl RTSPMediaFactoryImpl for IngestFactory {
        fn create_element(&self, _url: &gst_rtsp::RTSPUrl) -> Option<gst::Element> {
            // Filled when the SDP is known.
            Some(gst::Bin::new().upcast())
        }

        fn media_configure(&self, media: &gst_rtsp_server::RTSPMedia) {
            self.parent_media_configure(media);
            let Some((id, doors)) = self.door.get() else {
                return;
            };
            let (Some(inlet), Some(own)) = (
                doors.registry.inlet(id),
                media.downcast_ref::<super::IngestMedia>(),
            ) else {
                return;
            };
            // Set once: a media is configured once.
            let _ = own.imp().inlet.set(inlet);
            if let Some((client, session)) = doors.current() {
                let doors = doors.clone();
                let free = move || doors.release(client, Some(session));
                let _ = own.imp().free.set(Box::new(free.clone()));
                media.connect_unprepared(move |_| free());
            }
        }
    }
}

mod media {
    use std::sync::{Arc, OnceLock};

    use glib::subclass::prelude::*;
    use gst::prelude::*;
    use gst_rtsp_server::prelude::*;
    use gst_rtsp_server::subclass::prelude::*;

    use crate::engine::inlet::Inlet;
    use crate::ingest::lip_sync::LipSync;

    #[derive(Default)]
    pub struct IngestMedia {
        pub(super) inlet: OnceLock<Arc<Inlet>>,
        /// Gives the publisher's place back.
        pub(super) free: OnceLock<Box<dyn Fn() + Send + Sync>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for IngestMedia {
        const NAME: &'static str = "RegieIngestMedia";
        type Type = super::IngestMedia;
        type ParentType = gst_rtsp_server::RTSPMedia;
    }

    impl ObjectImpl for IngestMedia {}

    impl RTSPMediaImpl for IngestMedia {
        fn setup_rtpbin(&self, rtpbin: &gst::Element) -> Result<(), gst::LoggableError> {
            // Timestamps are the sender's, in an even line from the first packet on. The inlet's
            // timeline does the rest, for all streams of the sender together; corrections made
            // for each alone would put them out of step.
            rtpbin.set_property_from_str("buffer-mode", "none");
            // The server's place for error correction numbers packets anew: what is missing has to
            // be told.
            rtpbin.set_property("do-lost", true);
            self.parent_setup_rtpbin(rtpbin)
        }

        fn handle_sdp(&self, sdp: &gst_sdp::SDPMessageRef) -> Result<(), gst::LoggableError> {
            self.take(sdp).inspect_err(|_| {
                if let Some(free) = self.free.get() {
                    free();
                }
            })
        }
    }

    impl IngestMedia {
        fn take(&self, sdp: &gst_sdp::SDPMessageRef) -> Result<(), gst::LoggableError> {
            let media = self.obj();
            let refuse =
                |text: String| gst::LoggableError::new(*super::LOG, glib::bool_error!("{text}"));
            let inlet = self
                .inlet
                .get()
                .ok_or_else(|| refuse("nobody takes it".to_owned()))?;
            let bin = (media.element().downcast::<gst::Bin>())
                .map_err(|_| refuse("the media is not a bin".to_owned()))?;
            let mut streams = Vec::new();
            for (number, stream) in sdp.medias().enumerate() {
                let (kind, rate, caps) = super::check_stream(stream).map_err(refuse)?;
                let parse =
                    (inlet.unpack_rtp(&caps, false)).map_err(|error| refuse(error.to_string()))?;
                // This is what the server looks for.
                parse.set_property("name", format!("depay{number}"));
                bin.add(&parse).map_err(|error| refuse(error.to_string()))?;
                streams.push((parse, kind, rate));
            }
            media.collect_streams();
            let sync = Arc::new(LipSync::default());
            for (number, (parse, kind, rate)) in streams.into_iter().enumerate() {
                if let (Some(kind), Some(stream), Some(pad)) =
                    (kind, media.stream(number as u32), parse.static_pad("sink"))
                {
                    inlet.count_packets(&pad, Some(kind));
                    sync.watch(&pad, &stream, kind, rate, inlet);
                }
            }
            self.parent_handle_sdp(sdp)
        }
    }
}

/// GStreamer's log category of this file.
static LOG: std::sync::LazyLock<gst::DebugCategory> = std::sync::LazyLock::new(|| {
    gst::DebugCategory::new(
        "regie-ingest",
        gst::DebugColorFlags::empty(),
        Some("regie's RTSP ingest"),
    )
});

/// What the stream is, the rate of its RTP clock, and its caps, where something here can unpack it.
fn check_stream(stream: &gst_sdp::SDPMediaRef) -> Result<(Option<Media>, u32, gst::Caps), String> {
    let number = stream.format(0).and_then(|format| format.parse().ok());
    let caps = number.and_then(|number| stream.caps_from_media(number));
    let Some(mut caps) = caps else {
        return Err("a stream without a format".to_owned());
    };
    if let Some(structure) = caps.make_mut().structure_mut(0) {
        structure.set_name("application/x-rtp");
    }
    let kind = gst::ElementFactoryType::DEPAYLOADER;
    let known = gst::ElementFactory::factories_with_type(kind, gst::Rank::MARGINAL);
    if known.iter().any(|factory| factory.can_sink_any_caps(&caps)) {
        let kind = match stream.media() {
            Some("video") => Some(Media::Video),
            Some("audio") => Some(Media::Audio),
            _ => None,
        };
        let rate = caps
            .structure(0)
            .and_then(|caps| caps.get::<i32>("clock-rate").ok());
        let rate = rate.and_then(|rate| u32::try_from(rate).ok());
        Ok((kind, rate.unwrap_or(90_000), caps))
    } else {
        Err(format!("nothing here unpacks {caps}"))
    }
}
