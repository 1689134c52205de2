//! The built-in RTSP server, for both directions: it plays `/programme` and `/source/<id>`, and
//! takes RECORD at `/ingest/<id>`. It runs on a thread of its own with its own main context;
//! each client is served on a thread of the server's pool.
//!
//! By plain RTSP and by TLS the same server is met, with one house of guests.

mod access;
mod ahead;
mod client;
mod courtesy;
mod group;
mod guests;
mod listen;
mod mount;
mod post;
mod secure;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use glib::object::IsA;
use gst_rtsp_server::prelude::*;

use crate::engine::feed::Feed;
use crate::engine::note::{Note, Notes, Protocol};
use crate::engine::timebase::Timebase;
use crate::ingest::{Registry, rtsp};
use crate::model::MountPath;
use crate::venue::RelayConfig;

use guests::Guests;
use listen::{Arrival, Hall};
use post::Post;

/// Each client has a thread of its own: whoever waits, for a picture to describe or for a network to
/// take it, holds up nobody else.
const THREADS: i32 = -1;
/// More clients than this are turned away.
const MAX_SESSIONS: u32 = 400;
/// Requests with a longer body are refused: an SDP is a few kilobytes.
const MAX_BODY: u32 = 64 << 10;
/// How often the guests are looked at, and how often dead sessions are.
const LOOK: Duration = Duration::from_millis(200);
const CLEAN_UP: Duration = Duration::from_secs(2);

/// What can be played.
#[derive(Debug, Clone)]
pub struct Playable {
    /// Where.
    pub path: MountPath,
    /// Its picture.
    pub video: Arc<Feed>,
    /// Its sound.
    pub audio: Arc<Feed>,
    /// It flows for as long as the engine runs: the programme.
    pub always: bool,
}

/// The running server. Dropped, it stops listening and lets its clients go.
#[derive(Debug)]
pub struct Relay {
    stop: Arc<AtomicBool>,
    clients: Arc<AtomicU64>,
    players: Arc<AtomicU64>,
    turns: Arc<AtomicU64>,
    context: glib::MainContext,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts the server's thread. Whether it can listen is told by a [`Note::Door`], and again
    /// when that changes; it is tried for ever.
    pub fn start(
        config: RelayConfig,
        playable: Vec<Playable>,
        registry: Arc<Registry>,
        timebase: Timebase,
        notes: Notes,
    ) -> std::io::Result<Self> {
        courtesy::begin();
        let stop = Arc::new(AtomicBool::new(false));
        let clients = Arc::new(AtomicU64::new(0));
        let players = Arc::new(AtomicU64::new(0));
        let turns = Arc::new(AtomicU64::new(0));
        let context = glib::MainContext::new();
        let server = Server {
            config,
            playable: playable.into(),
            registry,
            timebase,
            notes,
            clients: clients.clone(),
            players: players.clone(),
            turns: turns.clone(),
            stop: stop.clone(),
        };
        let own = context.clone();
        let thread = std::thread::Builder::new()
            .name("rtsp".into())
            .spawn(move || server.run(&own))?;
        Ok(Self {
            stop,
            clients,
            players,
            turns,
            context,
            thread: Some(thread),
        })
    }

    /// Connections now, of players and of publishers.
    pub fn clients(&self) -> u64 {
        self.clients.load(Ordering::Relaxed)
    }

    /// How often its thread has looked around.
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Of these, those that play.
    pub fn players(&self) -> u64 {
        self.players.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.context.wakeup();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

struct Server {
    config: RelayConfig,
    playable: Arc<[Playable]>,
    registry: Arc<Registry>,
    timebase: Timebase,
    notes: Notes,
    clients: Arc<AtomicU64>,
    players: Arc<AtomicU64>,
    turns: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Server {
    fn run(self, context: &glib::MainContext) {
        let ran = context.with_thread_default(|| {
            let arrival = Arrival::default();
            let mut posts = vec![Post::new(Protocol::Rtsp, self.config.listen, None)];
            if let Some(tls) = &self.config.secure {
                posts.push(Post::new(Protocol::Rtsps, tls.listen, Some(tls)));
            }
            let ports = posts.iter().map(|post| post.address.port()).collect();
            let hall = Hall {
                server: self.build(&arrival),
                guests: Rc::new(Guests::new(ports, self.playable.clone())),
                arrival,
            };
            self.serve(&mut posts, &hall, context);
            for source in posts.into_iter().filter_map(|post| post.listens) {
                source.destroy();
            }
            let mut remove = |_: &_, _: &_| gst_rtsp_server::RTSPFilterResult::Remove;
            hall.server.client_filter(Some(&mut remove));
        });
        if let Err(error) = ran {
            tracing::error!("the RTSP server's thread has no context: {error}");
        }
    }

    fn build(&self, arrival: &Arrival) -> gst_rtsp_server::RTSPServer {
        let server = gst_rtsp_server::RTSPServer::new();
        server.set_content_length_limit(MAX_BODY);
        if let Some(pool) = server.thread_pool() {
            pool.set_max_threads(THREADS);
        }
        if let Some(pool) = server.session_pool() {
            pool.set_max_sessions(MAX_SESSIONS);
        }
        let doors = rtsp::Doors::new(self.registry.clone());
        server.set_auth(Some(&access::Access::new(
            &doors,
            self.config.guard.as_ref(),
        )));
        let mounts = server.mount_points().unwrap_or_default();
        for playable in self.playable.iter() {
            let factory = mount::FeedFactory::new(playable, &self.timebase);
            mounts.add_factory(playable.path.as_str(), factory);
            if let Some(multicast) = self.config.multicast.as_ref().filter(|_| playable.always) {
                let factory = mount::FeedFactory::multicast(playable, &self.timebase, multicast);
                mounts.add_factory(&format!("{}{}", playable.path, group::PLACE), factory);
            }
        }
        for (id, _) in self.registry.places() {
            let factory = rtsp::IngestFactory::new(&doors);
            mounts.add_factory(MountPath::ingest(&id).as_str(), factory);
        }
        server.set_mount_points(Some(&mounts));
        let clients = self.clients.clone();
        let players = self.players.clone();
        let mounted = self.playable.clone();
        let arrival = arrival.clone();
        server.connect_client_connected(move |_, client| {
            clients.fetch_add(1, Ordering::Relaxed);
            let count = clients.clone();
            client.connect_closed(move |_| {
                count.fetch_sub(1, Ordering::Relaxed);
            });
            client::count_player(client, &players);
            let facts = arrival.lock().take().unwrap_or_default();
            doors.watch(client, facts.from);
            client::note_facts(client, &facts);
            client::ask_for_a_keyframe(client, &mounted);
            // A mount is built of what flows; while nothing does it is not there.
            let (described, known) = (mounted.clone(), facts.clone());
            client.connect_pre_describe_request(move |_, context| {
                // Each client has a thread of its own: this one builds a player's pipeline.
                courtesy::step_back();
                client::ready(&described, &known, context)
            });
            let set_up = mounted.clone();
            client.connect_pre_setup_request(move |_, context| {
                client::ready(&set_up, &facts, context)
            });
        });
        server
    }

    /// Serves clients until the relay is dropped.
    fn serve(&self, posts: &mut [Post], hall: &Hall, context: &glib::MainContext) {
        let mut cleaned = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            for post in posts.iter_mut() {
                if let Some(result) = post.open(hall, context, Instant::now()) {
                    self.notes.send(Note::Door(post.protocol, result));
                }
            }
            wait(context, LOOK, &self.stop);
            self.turns.fetch_add(1, Ordering::Relaxed);
            let now = Instant::now();
            hall.guests.look(now);
            if now.duration_since(cleaned) > CLEAN_UP
                && let Some(pool) = hall.server.session_pool()
            {
                cleaned = now;
                pool.cleanup();
            }
        }
    }
}

/// Runs the context for `time`, or until `stop`.
fn wait(context: &glib::MainContext, time: Duration, stop: &AtomicBool) {
    let deadline = Instant::now() + time;
    // It only wakes the context up.
    let timer = glib::timeout_source_new(time, None, glib::Priority::DEFAULT, || {
        glib::ControlFlow::Break
    });
    timer.attach(Some(context));
    while !stop.load(Ordering::Relaxed) && Instant::now() < deadline {
        context.iteration(true);
    }
    timer.destroy();
}

/// The path of a URL, as mounts are named.
pub(crate) fn path_of(url: &gst_rtsp::RTSPUrl) -> String {
    let parts = url.decode_path_components();
    let parts = parts.iter().filter(|part| !part.is_empty());
    parts.map(|part| format!("/{part}")).collect()
}

/// Puts the pipeline of a media on the common clock.
pub(crate) fn adopt(media: &impl IsA<gst_rtsp_server::RTSPMedia>, timebase: &Timebase) {
    if let Some(pipeline) = pipeline_of(media) {
        timebase.adopt(&pipeline);
    }
}

/// Has what a media plays sent the moment it is there. The server would keep it back until its time
/// has come: a mount that plays what is encoded just now has nothing to keep back, and what is sent
/// ahead would come too late.
fn send_at_once(media: &gst_rtsp_server::RTSPMedia) {
    let Some(pipeline) = pipeline_of(media) else {
        return;
    };
    pipeline.connect_deep_element_added(|_, _, element| {
        let is_sender = element.factory().is_some_and(|factory| {
            ["appsink", "udpsink", "multiudpsink"].contains(&factory.name().as_str())
        });
        if is_sender {
            element.set_property("sync", false);
            // The server sets it when it has put its own part together.
            element.connect_notify(Some("sync"), |sender, _| {
                if sender.property::<bool>("sync") {
                    sender.set_property("sync", false);
                }
            });
        }
    });
}

fn pipeline_of(media: &impl IsA<gst_rtsp_server::RTSPMedia>) -> Option<gst::Pipeline> {
    let mut top = media.element().upcast::<gst::Object>();
    while let Some(parent) = top.parent() {
        top = parent;
    }
    top.downcast().ok()
}
