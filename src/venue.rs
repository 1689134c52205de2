//! The venue: everything the venue file says, checked and resolved. Loading reads the file and the
//! key files it names, and looks into the slate's picture and music; it never starts anything.
//!
//! Rooms: `reader` walks a TOML table and collects every complaint with its line; `value` holds
//! the value types (size, rate, bit rate, duration); `resolve` turns tables into the [`Venue`],
//! with defaults and cross-checks; `good` keeps the last file that was good.

pub mod good;
mod reader;
mod resolve;
pub mod value;

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::model::{Layout, OutputId, Pixels, RoleId, SlateSound, SourceId};
use crate::secret::Secret;
use crate::tongue::Tongue;

pub use reader::{Complaint, Problem, VenueError};
pub use value::{BitRate, EncoderChoice, FrameSize, Rate};

/// A checked venue file.
#[derive(Debug, Clone)]
pub struct Venue {
    /// The room's name for people.
    pub name: String,
    /// What panels speak; `None`: each the language of its own session.
    pub language: Option<Tongue>,
    /// Size, rate and encoding of the programme.
    pub programme: ProgrammeConfig,
    /// In the file's order, then the places of guests.
    pub sources: Vec<SourceConfig>,
    /// The file's layouts, or the five built-in ones. Never empty; the first goes on air first.
    pub layouts: Vec<Layout>,
    /// What stands in for the whole programme.
    pub slate: SlateConfig,
    /// The audio desk, where the room has one.
    pub desk: Option<DeskConfig>,
    /// In the file's order.
    pub outputs: Vec<OutputConfig>,
    /// The built-in RTSP server.
    pub relay: RelayConfig,
    /// The other doors that laptops push to.
    pub ingest: IngestConfig,
    /// When picture or sound that arrives is wrong all the same.
    pub alarms: AlarmsConfig,
    /// Whether the room is told of on the network.
    pub discovery: DiscoveryConfig,
    /// Where the control socket lies, if the file says.
    pub control_socket: Option<PathBuf>,
    /// What is odd but no reason to refuse, each a sentence with file and line.
    pub warnings: Vec<String>,
}

/// `[programme]`.
#[derive(Debug, Clone)]
pub struct ProgrammeConfig {
    /// Pixels; both even.
    pub size: FrameSize,
    /// Frames per second.
    pub framerate: Rate,
    /// H.264, constant.
    pub video_bitrate: BitRate,
    /// AAC.
    pub audio_bitrate: BitRate,
    /// Longest distance of two keyframes.
    pub keyframe_interval: Duration,
    /// Which encoder makes the H.264.
    pub encoder: EncoderChoice,
    /// How hard x264 looks for what it can save, in its own words.
    pub x264_preset: &'static str,
    /// How far behind its sources the programme runs: pictures are held this long, so that
    /// decoding and small jitter do not show.
    pub latency: Duration,
}

/// One `[[source]]`.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// Its name in commands and URLs.
    pub id: SourceId,
    /// Its name for people.
    pub label: String,
    /// The role it plays when the show starts.
    pub role: Option<RoleId>,
    /// Where picture and sound come from.
    pub kind: SourceKind,
    /// Shifts picture and sound of this source together, 0 to 2 s.
    pub delay: Duration,
    /// Gain of its sound in dB, -60 to +12.
    pub gain: f64,
    /// Whether its sound starts muted.
    pub mute: bool,
    /// When its sound is heard.
    pub sound: SoundPolicy,
    /// Where its alarms are not the venue's.
    pub alarms: SourceAlarms,
    /// The number of a guest's place, from 1; `None`: it stands in the venue file.
    pub guest: Option<u8>,
}

/// After what time, or number, an alarm is raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit<T> {
    /// Never.
    Off,
    /// After this.
    After(T),
}

impl<T> Limit<T> {
    /// `None` where it is never raised.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Off => None,
            Self::After(value) => Some(value),
        }
    }
}

/// `[alarms]`.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmsConfig {
    /// Of sound that should be heard and is not.
    pub silence: Limit<Duration>,
    /// Quieter than this is silence, in dB of full scale.
    pub silence_level: f64,
    /// Of sound that is too loud: tenths of a second with clipping, within ten seconds.
    pub clipping: Limit<u32>,
    /// Of a black picture.
    pub black: Limit<Duration>,
    /// Of a picture that stands still.
    pub frozen: Limit<Duration>,
}

/// `alarms = { … }` of a source: what it says holds for the source whatever it is, the rest is as the
/// venue has it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SourceAlarms {
    /// As in [`AlarmsConfig`]; so are the others.
    pub silence: Option<Limit<Duration>>,
    /// In dB of full scale.
    pub silence_level: Option<f64>,
    /// Tenths of a second.
    pub clipping: Option<Limit<u32>>,
    /// Of a black picture.
    pub black: Option<Limit<Duration>>,
    /// Of a picture that stands still.
    pub frozen: Option<Limit<Duration>>,
}

/// When a source's sound is in the mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SoundPolicy {
    /// Whatever is shown: microphones, cameras.
    Always,
    /// Only while a slot of the programme shows the source: laptops that wait for their turn.
    OnAir,
    /// Never.
    Off,
}

/// Where a source's picture and sound come from.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceKind {
    /// A laptop pushes to `ingest/<id>`; with a key only who knows it.
    Push {
        /// What the laptop must know: user = source id, password = key.
        key: Option<Secret>,
    },
    /// Fetched from a server.
    Pull {
        /// Scheme rtmp, rtmps, rtsp, rtsps, srt, http or https.
        uri: Url,
    },
    /// A media file, played in a loop.
    File {
        /// Resolved against the venue file's folder.
        path: PathBuf,
    },
    /// A still picture.
    Image {
        /// Resolved against the venue file's folder.
        path: PathBuf,
    },
    /// A capture card, or a camera that is one.
    Capture(CaptureConfig),
    /// A moving pattern with a tone.
    Test {
        /// Pixels.
        size: FrameSize,
        /// Frames per second.
        framerate: Rate,
    },
}

impl SourceKind {
    /// The word in the venue file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Push { .. } => "push",
            Self::Pull { .. } => "pull",
            Self::File { .. } => "file",
            Self::Image { .. } => "image",
            Self::Capture(_) => "capture",
            Self::Test { .. } => "test",
        }
    }
}

/// A capture card: where it is, what the file fixes of what it gives, and what the show needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureConfig {
    /// A link or a node under `/dev`.
    pub device: PathBuf,
    /// Which of its inputs; `None`: the one that it has chosen itself.
    pub input: Option<CardInput>,
    /// How it hands its pictures over; `None`: as serves best.
    pub format: Option<Pixels>,
    /// Pixels; `None`: as serves best.
    pub size: Option<FrameSize>,
    /// Pictures per second; `None`: as serves best.
    pub framerate: Option<Rate>,
    /// The largest slot of the source's role, in pixels of the programme.
    pub need: FrameSize,
    /// The programme's frames per second.
    pub programme_rate: Rate,
}

/// One of a card's inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CardInput {
    /// Counted from 0.
    Number(u32),
    /// As the card calls it; upper and lower case are the same.
    Name(String),
}

/// `[slate]`.
#[derive(Debug, Clone)]
pub struct SlateConfig {
    /// What the drawn slate says; by default the room's name.
    pub text: String,
    /// A PNG or JPEG file that takes the drawn slate's place.
    pub picture: Option<PathBuf>,
    /// What is heard meanwhile.
    pub sound: SlateSound,
    /// Played in a loop; there if, and only if, `sound` is music.
    pub music: Option<MusicConfig>,
}

/// The slate's music.
#[derive(Debug, Clone)]
pub struct MusicConfig {
    /// A file with sound.
    pub path: PathBuf,
    /// In dB, -60 to +12.
    pub gain: f64,
}

/// `[desk]`.
#[derive(Debug, Clone, PartialEq)]
pub struct DeskConfig {
    /// As the sound system calls it: `default`, `hw:CARD=…`; or a link to it below `/dev`.
    pub device: String,
    /// Which of its channels are heard left and right, counted from 1; the same twice: one, on both
    /// sides.
    pub channels: [u16; 2],
    /// Samples a second that it is asked for, 44100 to 96000; `None`: the best it has.
    pub rate: Option<u32>,
    /// Its name for people.
    pub label: String,
    /// Shifts its sound, 0 to 2 s.
    pub delay: Duration,
    /// Gain in dB, -60 to +12.
    pub gain: f64,
    /// Whether it starts muted.
    pub mute: bool,
    /// When it is heard.
    pub sound: SoundPolicy,
}

/// One `[[output]]`.
#[derive(Debug, Clone)]
pub struct OutputConfig {
    /// Its name in commands.
    pub id: OutputId,
    /// Its name for people.
    pub label: String,
    /// `rtmp://host[:port]/app[/name]` or `rtmps://…`, without the key.
    pub uri: Url,
    /// Appended to the URI's path as the stream name.
    pub key: Option<Secret>,
    /// Whether it runs when the show starts.
    pub enabled: bool,
    /// Whether the certificate of an `rtmps` peer is checked.
    pub tls_verify: bool,
}

/// `[relay]`.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// Where the RTSP server listens, for players and for laptops alike.
    pub listen: SocketAddr,
    /// Where it listens for the same by TLS, and who it says that it is; `None`: nowhere.
    pub secure: Option<Tls>,
    /// Who may play; `None`: everybody.
    pub guard: Option<Guard>,
    /// Where the programme goes for all who ask for it by multicast; `None`: they are refused.
    pub multicast: Option<Multicast>,
}

/// Addresses of groups that whole rooms listen to (RFC 2365: 239.0.0.0/8 stays within a site).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multicast {
    /// The first address of the range.
    pub first: Ipv4Addr,
    /// The last one; the same where there is one.
    pub last: Ipv4Addr,
    /// Picture and sound take two ports each, the first of them even.
    pub ports: RangeInclusive<u16>,
    /// How many routers may pass it on, and one.
    pub ttl: u8,
    /// The network interface that it leaves by; `None`: as the routes say.
    pub interface: Option<String>,
}

/// `[ingest]`: where laptops are let in, beside the RTSP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestConfig {
    /// RTMP; `None`: nowhere.
    pub rtmp: Option<SocketAddr>,
    /// RTMP by TLS; `None`: nowhere.
    pub rtmps: Option<Tls>,
    /// SRT; `None`: nowhere.
    pub srt: Option<SocketAddr>,
    /// Laptops that the venue file does not know; `None`: nobody.
    pub guests: Option<GuestsConfig>,
}

/// Laptops that are let in though the venue file does not know them. They push to `ingest/guest`, and
/// each becomes a source of its own, `guest-1` and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestsConfig {
    /// How many at one time.
    pub count: u8,
    /// What they must know, all the same.
    pub key: Secret,
}

/// Where connections by TLS are taken, and who this machine says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Where it listens.
    pub listen: SocketAddr,
    /// A chain of certificates in PEM, resolved against the venue file's folder.
    pub certificate: PathBuf,
    /// The first one's private key in PEM, resolved likewise.
    pub private_key: PathBuf,
}

/// `[discovery]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscoveryConfig {
    /// Whether relay and ingest are announced by mDNS.
    pub announce: bool,
}

/// A user and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// No secret.
    pub user: String,
    /// From a file.
    pub password: Secret,
}

impl Venue {
    /// Reads and checks the file; every complaint at once.
    pub fn load(path: &Path) -> Result<Self, VenueError> {
        Self::parse(path, &read(path)?)
    }

    /// Checks the text of a file that lies, or would lie, at `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, VenueError> {
        resolve::venue(path, text, Files::LookedInto)
    }
}

fn read(path: &Path) -> Result<String, VenueError> {
    std::fs::read_to_string(path).map_err(|cause| VenueError::Unreadable {
        path: path.to_owned(),
        cause,
    })
}

/// What is done about the slate's picture and music, and about the relay's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Files {
    /// They are read, and refused where that fails.
    LookedInto,
    /// They are taken to be good: whether they are is seen when they are used. A picture that has gone
    /// must not keep a show off air.
    Believed,
}

/// What a checked file amounts to, for whoever wrote it.
pub fn summary(path: &Path, venue: &Venue) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    format!(
        "{}: good. {}: {} at {} fps, {}, {}, {}.",
        path.display(),
        venue.name,
        venue.programme.size,
        venue.programme.framerate,
        count(of_the_file(venue), "source"),
        count(venue.layouts.len(), "layout"),
        count(venue.outputs.len(), "output")
    )
}

/// Sources that stand in the file.
fn of_the_file(venue: &Venue) -> usize {
    let own = venue.sources.iter().filter(|source| source.guest.is_none());
    own.count()
}
