//! The full state as clients see it: first the snapshot, then events applied to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::alarm::Alarm;
use super::calibration::Calibration;
use super::fault::Fault;
use super::id::{LayoutId, OutputId, RoleId, SourceId};
use super::layout::Layout;
use super::message::Event;
use super::phrase::Phrase;

/// Everything. `regie ctl status --json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The engine's version.
    pub version: String,
    /// The venue's name.
    pub venue: String,
    /// The language that the venue file chooses for panels, `fr` or `en`; `null`: each its own.
    pub language: Option<String>,
    /// Milliseconds since 1970, of the engine's start.
    pub started: u64,
    /// Milliseconds since 1970, of the moment when the first wanted output published; `null` off
    /// air. Without outputs: of the programme's first frame.
    pub on_air_since: Option<u64>,
    /// Programme, preview, slate, roles.
    #[serde(flatten)]
    pub show: ShowStatus,
    /// Frames and encoder of the programme.
    pub encoding: ProgrammeStatus,
    /// What is heard while the slate stands in for the whole programme.
    #[serde(default)]
    pub slate_sound: SlateSound,
    /// In the venue's order.
    pub layouts: Vec<Layout>,
    /// In the venue's order.
    pub sources: Vec<SourceStatus>,
    /// In the venue's order.
    pub outputs: Vec<OutputStatus>,
    /// The RTSP server.
    pub relay: RelayStatus,
    /// The audio desk, where the venue has one.
    pub desk: Option<DeskStatus>,
    /// The calibration under way, or the last one since the engine's start.
    #[serde(default)]
    pub calibration: Option<Calibration>,
    /// Recordings under way.
    pub recordings: Vec<serde_json::Value>,
    /// Troubles that last.
    pub faults: Vec<Fault>,
}

/// The part of the snapshot that an operator switches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShowStatus {
    /// What is on air.
    pub programme: BusStatus,
    /// What goes on air next.
    pub preview: BusStatus,
    /// Whether the slate stands in for the whole programme.
    pub slate: bool,
    /// When the slate goes by itself, in milliseconds since 1970; `null`: it stays, or is not on.
    #[serde(default)]
    pub slate_until: Option<u64>,
    /// Who plays a role now; `null` for a role that nobody plays.
    pub roles: BTreeMap<RoleId, Option<SourceId>>,
}

/// What is heard while the slate stands in for the whole programme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlateSound {
    /// Nothing.
    #[default]
    Mute,
    /// Music, in a loop.
    Music,
    /// What would be heard without the slate.
    Programme,
}

/// One of the two buses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BusStatus {
    /// Of the programme `on-air`, or `slate` while that stands in for it; of the preview `prepared`.
    pub state: String,
    /// Its layout.
    pub layout: LayoutId,
    /// Its slots from back to front.
    pub slots: Vec<SlotStatus>,
}

/// One slot of a bus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlotStatus {
    /// What the layout asks for.
    pub role: RoleId,
    /// Who plays it.
    pub source: Option<SourceId>,
    /// Whether a picture fills it: otherwise its slate does.
    pub live: bool,
}

/// What is made and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProgrammeStatus {
    /// `starting`, or `running` once the first frame has been encoded.
    pub state: String,
    /// `1920x1080`.
    pub size: String,
    /// Frames per second, as a fraction: `30`, `30000/1001`.
    pub framerate: String,
    /// The encoder at work: `x264`.
    pub encoder: String,
    /// Why that one.
    pub encoder_reason: String,
    /// What has been given up because the machine cannot keep up: `none`; `monitors`, the panels'
    /// pictures; `encoder`, also its effort; `frames`, also pictures of the programme.
    #[serde(default)]
    pub relief: String,
    /// Frames since the start, one for each tick.
    pub frames: u64,
    /// Of these, frames that repeated the one before because composing was late.
    pub late_frames: u64,
    /// Of these, frames that the encoder could not take.
    pub dropped_frames: u64,
    /// What is wrong with what goes out: `silent`, `clipping`, `black`.
    #[serde(default)]
    pub alarms: Vec<Alarm>,
}

/// One source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// Its id.
    pub id: SourceId,
    /// Its name for people.
    pub label: String,
    /// `push`, `capture`, `pull`, `file`, `image`, `test`.
    pub kind: String,
    /// `idle` (nobody pushes), `connecting`, `live`, `stalled`, `waiting` (for the next attempt).
    pub state: String,
    /// Milliseconds since 1970, of the change to this state.
    pub since: u64,
    /// Why it is not live, in words; empty while it is.
    pub reason: String,
    /// The same, to be translated.
    pub reason_said: Phrase,
    /// On a slot of the programme, of the preview, or neither.
    pub tally: Tally,
    /// Whether a picture has come within the time that a slot holds the last one: otherwise its
    /// slate is shown, even where its sound goes on and it is `live`.
    #[serde(default)]
    pub has_picture: bool,
    /// Its picture as it arrives: `H.264 1920x1080 30 fps`, of a card `YUYV 1280x720, HDMI 1,
    /// 720p60`; empty without one. Announced, perhaps not
    /// sent: see `has_picture`.
    pub picture: String,
    /// Its sound as it arrives: `AAC 48000 Hz stereo`; empty without one.
    pub sound: String,
    /// Gain of its sound in dB.
    pub gain_db: f64,
    /// Whether its sound is muted.
    pub mute: bool,
    /// Shift of picture and sound, in milliseconds.
    pub delay_ms: u32,
    /// What is wrong although it is live: `silent`, `clipping`, `black`, `frozen`.
    #[serde(default)]
    pub alarms: Vec<Alarm>,
    /// Pictures decoded since the engine's start.
    pub frames: u64,
    /// How often it became live.
    pub connects: u64,
    /// Who pushes; `null` where nobody does, or it is not pushed.
    #[serde(default)]
    pub publisher: Option<PublisherStatus>,
    /// The number of a guest's place, from 1; `null`: it stands in the venue file.
    #[serde(default)]
    pub guest: Option<u8>,
    /// Nobody has to see it: a guest's place that nobody has, and that plays no role.
    #[serde(default)]
    pub hidden: bool,
}

/// Who pushes to a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublisherStatus {
    /// `rtsp`, `rtmp`, `rtmps`, `srt`.
    pub protocol: String,
    /// Where it comes from.
    pub address: String,
    /// Milliseconds since 1970.
    pub since: u64,
}

/// Where a source is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tally {
    /// On air: red.
    Programme,
    /// Prepared: green.
    Preview,
    /// Neither.
    Off,
}

/// One output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputStatus {
    /// Its id.
    pub id: OutputId,
    /// Its name for people.
    pub label: String,
    /// Where it pushes to, without its key.
    pub to: String,
    /// `connecting`, `publishing`, `waiting`, `stopped`.
    pub state: String,
    /// Milliseconds since 1970, of the change to this state.
    pub since: u64,
    /// Why it is not publishing, or why it last was not; keys are masked.
    pub last_reason: String,
    /// The same, to be translated.
    pub last_reason_said: Phrase,
    /// Bits per second that left, over the last seconds.
    pub bit_rate: u64,
    /// Frames sent since the engine's start.
    pub sent_frames: u64,
    /// Frames that this output's viewers never got, since the engine's start.
    pub lost_frames: u64,
    /// How often it was built anew after it had published.
    pub reconnects: u64,
    /// How much later than usual the server has what it has, in milliseconds, as the kernel knows it;
    /// 0 while it does not publish. More than 3000: it is cut, and connected anew.
    #[serde(default)]
    pub behind_ms: u64,
}

/// The audio desk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeskStatus {
    /// Its name for people.
    pub label: String,
    /// `absent`, `opening`, `live`, `lost` (was live; being opened anew), `waiting` (for the next
    /// attempt).
    pub state: String,
    /// Milliseconds since 1970, of the change to this state.
    pub since: u64,
    /// Why it is not live, in words; empty while it is.
    pub reason: String,
    /// The same, to be translated.
    pub reason_said: Phrase,
    /// The device as the venue file names it.
    pub device: String,
    /// What it gives, as `48000 Hz i32 18 channels`; empty while it is not live.
    pub sound: String,
    /// Which of its channels are heard left and right, counted from 1.
    pub channels: [u16; 2],
    /// Gain in dB.
    pub gain_db: f64,
    /// Whether it is muted.
    pub mute: bool,
    /// Shift in milliseconds.
    pub delay_ms: u32,
    /// How often it has dropped sound since the engine's start, because nobody fetched it in time.
    pub xruns: u64,
    /// How much faster than this machine's clock its own runs, in millionths; taken out.
    pub drift_ppm: f64,
    /// How long after it was heard its sound is here, in milliseconds.
    pub latency_ms: u64,
    /// How often it became live.
    pub connects: u64,
    /// What is wrong with its sound although it arrives.
    #[serde(default)]
    pub alarms: Vec<Alarm>,
}

/// The RTSP server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RelayStatus {
    /// `listening`, or `waiting` (its address is taken).
    pub state: String,
    /// Address and port.
    pub listen: String,
    /// Connections, of players and of laptops.
    pub clients: u64,
    /// Of these, those that play.
    #[serde(default)]
    pub players: u64,
}

impl Snapshot {
    /// The sources that people see, in the venue's order.
    pub fn shown_sources(&self) -> impl Iterator<Item = &SourceStatus> {
        self.sources.iter().filter(|source| !source.hidden)
    }

    /// What the snapshot is after the event.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Show { show } => self.show = show,
            Event::OnAir { since } => self.on_air_since = since,
            Event::Programme { programme } => self.encoding = programme,
            Event::Source { source } => {
                if let Some(own) = self.sources.iter_mut().find(|own| own.id == source.id) {
                    *own = source;
                }
            }
            Event::Output { output } => {
                if let Some(own) = self.outputs.iter_mut().find(|own| own.id == output.id) {
                    *own = output;
                }
            }
            Event::Desk { desk } => self.desk = Some(desk),
            Event::Relay { relay } => self.relay = relay,
            Event::Calibration { calibration } => self.calibration = Some(calibration),
            Event::FaultRaised { fault } => {
                self.faults
                    .retain(|own| !own.is_same(&fault.scope, &fault.code));
                self.faults.push(fault);
            }
            Event::FaultCleared { scope, code } => {
                self.faults.retain(|own| !own.is_same(&scope, &code));
            }
            Event::Device { .. } | Event::Stopped => {}
        }
    }
}
