//! Laptops that push by RTSP RECORD. A publisher's streams are taken as its SDP announces them, in
//! any order and number; the server's own factories know only fixed ones.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use glib::subclass::prelude::*;
use gst_rtsp::RTSPStatusCode;
use gst_rtsp_server::prelude::*;
use parking_lot::Mutex;

use crate::engine::feed::Media;
use crate::engine::inlet::Inlet;
use crate::engine::note::Protocol;
use crate::model::SourceId;
use crate::relay::path_of;

use super::{Caller, Claim, RefusePublisher, Registry};

/// Where laptops push to.
pub const INGEST: &str = "/ingest/";

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
    /// A factory for a path that is pushed to.
    pub fn new(doors: &Doors) -> Self {
        let factory: Self = glib::Object::new();
        factory.set_protocols(gst_rtsp::RTSPLowerTrans::UDP | gst_rtsp::RTSPLowerTrans::TCP);
        factory.set_transport_mode(gst_rtsp_server::RTSPTransportMode::RECORD);
        factory.set_media_gtype(IngestMedia::static_type());
        factory.set_latency(REORDER_MS);
        factory.set_stop_on_disconnect(true);
        // Set once, here only.
        let _ = factory.imp().doors.set(doors.clone());
        factory
    }
}

/// Which client holds which place.
#[derive(Debug, Clone)]
pub struct Doors {
    registry: Arc<Registry>,
    /// By the client object's address.
    clients: Arc<Mutex<HashMap<usize, Client>>>,
}

/// One connection.
#[derive(Debug)]
struct Client {
    from: IpAddr,
    claim: Option<Claim>,
}

/// The publisher whose request is being served.
struct Current {
    client: usize,
    session: u64,
    id: SourceId,
    inlet: Arc<Inlet>,
}

fn address(client: &gst_rtsp_server::RTSPClient) -> usize {
    client.as_ptr() as usize
}

/// The name of the place that a path of `/ingest/…` says, the path of one of its streams as well.
pub fn name_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix(INGEST)?.split('/').next()?;
    Some(name).filter(|name| !name.is_empty())
}

impl Doors {
    /// Doors to the registry's places.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            clients: Arc::default(),
        }
    }

    /// The places.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Arbitrates whatever the client announces, and lets go of its place when it closes.
    pub fn watch(&self, client: &gst_rtsp_server::RTSPClient, from: IpAddr) {
        let known = Client { from, claim: None };
        self.clients.lock().insert(address(client), known);
        let doors = self.clone();
        client.connect_pre_announce_request(move |client, context| {
            let path = context.uri().map(path_of).unwrap_or_default();
            doors.announce(client, &path)
        });
        let doors = self.clone();
        client.connect_closed(move |client| {
            // The claim's own lock is taken after ours is given back.
            let gone = doors.clients.lock().remove(&address(client));
            drop(gone);
        });
    }

    fn announce(&self, client: &gst_rtsp_server::RTSPClient, path: &str) -> RTSPStatusCode {
        // What is deeper than a place's own path is none.
        let name = path.strip_prefix(INGEST).unwrap_or_default();
        let known = (self.clients.lock().get(&address(client)))
            .map(|known| (known.from, known.claim.is_some()));
        let Some((from, is_publisher)) = known else {
            return RTSPStatusCode::MethodNotValidInThisState;
        };
        if is_publisher {
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
        match self.registry.admit_known(caller(from, name), evict) {
            Ok(claim) => {
                let mut clients = self.clients.lock();
                // A client that is closing by now gives its claim back at once.
                let place = clients.get_mut(&address(client));
                let unused = match place {
                    Some(known) => known.claim.replace(claim),
                    None => Some(claim),
                };
                drop(clients);
                drop(unused);
                RTSPStatusCode::Ok
            }
            Err(refusal) => status_of(&refusal),
        }
    }

    /// Why a client has to wait before its key for this place is looked at. Whoever holds a place
    /// has shown its key.
    pub fn patience(
        &self,
        client: &gst_rtsp_server::RTSPClient,
        name: &str,
    ) -> Result<(), RefusePublisher> {
        let from = (self.clients.lock().get(&address(client)))
            .filter(|known| known.claim.is_none())
            .map(|known| known.from);
        from.map_or(Ok(()), |from| self.registry.patience(&caller(from, name)))
    }

    /// The client has shown a wrong key for this place.
    pub fn note_wrong_key(&self, client: &gst_rtsp_server::RTSPClient, name: &str) {
        let from = (self.clients.lock().get(&address(client))).map(|known| known.from);
        if let Some(from) = from {
            self.registry.note_wrong_key(&caller(from, name));
        }
    }

    /// The client whose request is being served, and the place it holds.
    fn current(&self) -> Option<Current> {
        let client = gst_rtsp_server::RTSPContext::with_current_context(|context| {
            context.client().map(address)
        });
        let client = client.flatten()?;
        let (id, session) = {
            let clients = self.clients.lock();
            let claim = clients.get(&client)?.claim.as_ref()?;
            (claim.id().clone(), claim.session())
        };
        Some(Current {
            client,
            session,
            inlet: self.registry.inlet(&id)?,
            id,
        })
    }

    /// The client lets go of its place, where it still holds it by that session.
    fn release(&self, client: usize, session: u64) {
        // The claim's own lock is taken after ours is given back.
        let claim = {
            let mut clients = self.clients.lock();
            let claim = clients.get_mut(&client).map(|known| &mut known.claim);
            claim.and_then(|claim| claim.take_if(|claim| claim.session() == session))
        };
        drop(claim);
    }
}

fn caller(from: IpAddr, name: &str) -> Caller<'_> {
    Caller {
        protocol: Protocol::Rtsp,
        from,
        name,
        key: None,
    }
}

/// The protocol's own words; the server's library knows no others.
pub fn status_of(refusal: &RefusePublisher) -> RTSPStatusCode {
    match refusal {
        RefusePublisher::Unknown => RTSPStatusCode::NotFound,
        RefusePublisher::Key => RTSPStatusCode::Unauthorized,
        RefusePublisher::Taken => RTSPStatusCode::Forbidden,
        // Those that may come again.
        RefusePublisher::TooOften(_) | RefusePublisher::Released(_) | RefusePublisher::Full => {
            RTSPStatusCode::ServiceUnavailable
        }
    }
}

mod factory {
    use std::sync::OnceLock;

    use glib::subclass::prelude::*;
    use gst_rtsp_server::prelude::*;
    use gst_rtsp_server::subclass::prelude::*;

    #[derive(Default)]
    pub struct IngestFactory {
        pub(super) doors: OnceLock<super::Doors>,
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
            if let (Some(doors), Some(own)) =
                (self.doors.get(), media.downcast_ref::<super::IngestMedia>())
            {
                // Set once: a media is configured once.
                let _ = own.imp().doors.set(doors.clone());
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
        pub(super) doors: OnceLock<super::Doors>,
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
            // The server configures its media before it asks whether the publisher may come; by now
            // that one has its place.
            let doors = self.doors.get();
            let held = doors.and_then(|doors| Some((doors, doors.current()?)));
            let Some((doors, held)) = held else {
                return Err(refuse("its place is not its own any more".to_owned()));
            };
            for codec in sdp.medias().filter_map(super::untaken) {
                doors.registry.note_untaken(&held.id, &codec);
            }
            let own = doors.clone();
            let free = move || own.release(held.client, held.session);
            let unprepared = free.clone();
            self.obj().connect_unprepared(move |_| unprepared());
            self.take(sdp, &held.inlet).inspect_err(|_| free())
        }
    }

    fn refuse(text: String) -> gst::LoggableError {
        gst::LoggableError::new(*super::LOG, glib::bool_error!("{text}"))
    }

    impl IngestMedia {
        fn take(
            &self,
            sdp: &gst_sdp::SDPMessageRef,
            inlet: &Arc<Inlet>,
        ) -> Result<(), gst::LoggableError> {
            let media = self.obj();
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

/// The codec of a stream that nothing here can unpack.
fn untaken(stream: &gst_sdp::SDPMediaRef) -> Option<String> {
    check_stream(stream).err()?;
    let number = stream.format(0)?.parse().ok()?;
    let caps = stream.caps_from_media(number)?;
    let name = caps.structure(0)?.get::<&str>("encoding-name").ok()?;
    Some(name.chars().take(40).collect())
}

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
