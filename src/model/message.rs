//! What goes over the control socket: one JSON document a line. A request gets one reply; after
//! `subscribe` the reply is the full snapshot, and events follow on the same connection in order.
//!
//! ```text
//! > {"request":"take","layout":"slides-pip"}
//! < {"reply":"done"}
//! > {"request":"take","layout":"slidse"}
//! < {"reply":"refused","code":"unknown-layout","message":"no layout \"slidse\"; there are: …"}
//! > {"request":"subscribe"}
//! < {"reply":"snapshot","snapshot":{…}}
//! < {"event":"source","source":{…}}
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use super::calibration::Calibration;
use super::device::{Change, Inventory};
use super::fault::{Fault, Scope};
use super::id::{LayoutId, OutputId, RoleId, SourceId};
use super::join::Invitation;
use super::monitor::ViewRequest;
use super::show::Gain;
use super::status::{
    DeskStatus, OutputStatus, ProgrammeStatus, RelayStatus, ShowStatus, Snapshot, SourceStatus,
};
use super::transition::DEFAULT_TRANSITION_MS;

/// How the preview becomes the programme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transition {
    /// At once.
    #[default]
    Cut,
    /// Old and new picture are blended, both live.
    Mix,
    /// Slots that go on showing the same glide to their new places; all else is blended.
    Morph,
}

/// What may be asked of the show. Each is on disk before it is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// Put a layout on air: the named one, or the preview.
    Take {
        /// `None`: the preview.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        layout: Option<LayoutId>,
        /// How.
        #[serde(default)]
        transition: Transition,
        /// Milliseconds, at most 10000; of no account for a cut.
        #[serde(default = "default_transition_ms")]
        duration_ms: u32,
    },
    /// Prepare a layout.
    Preview {
        /// Which.
        layout: LayoutId,
    },
    /// Give a role to a source, or to nobody.
    Role {
        /// Which role.
        role: RoleId,
        /// Who plays it from now on.
        source: Option<SourceId>,
    },
    /// Set the gain of a source's sound.
    Gain {
        /// Whose.
        source: SourceId,
        /// In dB, -60 to +12.
        gain: Gain,
    },
    /// Mute a source's sound, or not.
    Mute {
        /// Whose.
        source: SourceId,
        /// Whether it is silent.
        mute: bool,
    },
    /// Shift picture and sound of a source.
    Delay {
        /// Which.
        source: SourceId,
        /// Milliseconds, at most 2000.
        delay_ms: u32,
    },
    /// Let the slate stand in for the whole programme, or not.
    Slate {
        /// Whether it is shown.
        on: bool,
        /// When it goes by itself, in milliseconds since 1970, at most [`MAX_SLATE_MS`] ahead;
        /// `None`: it stays. Each command says it anew.
        ///
        /// [`MAX_SLATE_MS`]: super::show::MAX_SLATE_MS
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<u64>,
    },
    /// Start or stop an output.
    Output {
        /// Which.
        output: OutputId,
        /// Whether it is wanted.
        run: bool,
    },
}

fn default_transition_ms() -> u32 {
    DEFAULT_TRANSITION_MS
}

/// One line from a client.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// The snapshot, once.
    Status,
    /// The snapshot, then events.
    Subscribe,
    /// Pictures and levels, from now on as these views say.
    Monitor(Vec<ViewRequest>),
    /// Send the publisher of this source away, and let others go first.
    Release(SourceId),
    /// What a laptop has to know to push to this source, or to `guest`: with the key.
    Join(SourceId),
    /// Capture cards and audio inputs, as of now. The answer may take seconds.
    Devices,
    /// Find out how far a picture and a sound lie apart, while somebody claps. It takes its time: the
    /// reply says that it has begun, and events how it goes.
    Calibrate {
        /// Whose picture.
        source: SourceId,
        /// Whose sound; `None`: the desk's, else the source's own.
        sound: Option<SourceId>,
        /// How long, see [`SECONDS`](super::calibration::SECONDS).
        seconds: u32,
    },
    /// A change of the show.
    Change(Command),
}

/// How long a calibration looks and listens where nothing is said, in seconds.
pub const CALIBRATION_SECONDS: u32 = 15;

fn calibration_seconds() -> u32 {
    CALIBRATION_SECONDS
}

/// The requests on the wire that have something to say and change nothing of the show.
#[derive(Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
enum OtherLine {
    Monitor {
        views: Vec<ViewRequest>,
    },
    Release {
        source: SourceId,
    },
    Join {
        source: SourceId,
    },
    Calibrate {
        source: SourceId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sound: Option<SourceId>,
        #[serde(default = "calibration_seconds")]
        seconds: u32,
    },
}

impl From<OtherLine> for Request {
    fn from(line: OtherLine) -> Self {
        match line {
            OtherLine::Monitor { views } => Self::Monitor(views),
            OtherLine::Release { source } => Self::Release(source),
            OtherLine::Join { source } => Self::Join(source),
            OtherLine::Calibrate {
                source,
                sound,
                seconds,
            } => Self::Calibrate {
                source,
                sound,
                seconds,
            },
        }
    }
}

impl Request {
    /// Reads one line.
    pub fn parse(line: &str) -> Result<Self, Refused> {
        let invalid = |cause: serde_json::Error| Refused::new("invalid-request", cause.to_string());
        let value: serde_json::Value = serde_json::from_str(line).map_err(invalid)?;
        match value.get("request").and_then(|word| word.as_str()) {
            Some("status") => Ok(Self::Status),
            Some("subscribe") => Ok(Self::Subscribe),
            Some("devices") => Ok(Self::Devices),
            Some("monitor" | "release" | "join" | "calibrate") => {
                serde_json::from_value::<OtherLine>(value)
                    .map(Self::from)
                    .map_err(invalid)
            }
            _ => serde_json::from_value(value)
                .map(Self::Change)
                .map_err(invalid),
        }
    }

    /// As one line, without its end.
    pub fn to_line(&self) -> String {
        match self {
            Self::Status => r#"{"request":"status"}"#.to_owned(),
            Self::Subscribe => r#"{"request":"subscribe"}"#.to_owned(),
            Self::Devices => r#"{"request":"devices"}"#.to_owned(),
            Self::Monitor(views) => to_line(&OtherLine::Monitor {
                views: views.clone(),
            }),
            Self::Release(source) => to_line(&OtherLine::Release {
                source: source.clone(),
            }),
            Self::Join(source) => to_line(&OtherLine::Join {
                source: source.clone(),
            }),
            Self::Calibrate {
                source,
                sound,
                seconds,
            } => to_line(&OtherLine::Calibrate {
                source: source.clone(),
                sound: sound.clone(),
                seconds: *seconds,
            }),
            Self::Change(command) => to_line(command),
        }
    }
}

/// One line back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// The show has changed, and the change is on disk; or the publisher has been sent away; or the
    /// calibration has begun.
    Done,
    /// Nothing has changed.
    Refused(Refused),
    /// The views are shown from now on; the memory's descriptor comes with this line.
    Monitor,
    /// What a laptop has to know, its key among it.
    Join {
        /// As of now.
        invitation: Box<Invitation>,
    },
    /// Capture cards and audio inputs.
    Devices {
        /// As of now.
        devices: Box<Inventory>,
    },
    /// The full state.
    Snapshot {
        /// As of now.
        snapshot: Box<Snapshot>,
    },
}

/// Why a request was not carried out: a stable code for programs, a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// `unknown-layout`, `unknown-role`, `unknown-source`, `unknown-output`, `out-of-range`,
    /// `invalid-request`, `subscribed`, `slow`, `stopping`, `unavailable`, `not-pushed`, `no-publisher`,
    /// `no-guests`, `busy`.
    pub code: String,
    /// What was wrong and what is accepted.
    pub message: String,
}

impl Refused {
    /// A refusal with its code and its sentence.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }

    /// Something was named that does not exist.
    pub fn unknown<T: fmt::Display>(
        what: &str,
        named: &impl fmt::Display,
        known: impl Iterator<Item = T>,
    ) -> Self {
        let known: Vec<String> = known.map(|id| id.to_string()).collect();
        let known = if known.is_empty() {
            "there is none".to_owned()
        } else {
            format!("there are: {}", known.join(", "))
        };
        Self::new(
            &format!("unknown-{what}"),
            format!("no {what} \"{named}\"; {known}"),
        )
    }
}

/// What happened, in order. Each carries the whole new state of what it concerns, so that
/// [`Snapshot::apply`] needs no other knowledge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Programme, preview, slate or roles.
    Show {
        /// The new state.
        show: ShowStatus,
    },
    /// The show has gone on air, or off.
    OnAir {
        /// Milliseconds since 1970; `null` off air.
        since: Option<u64>,
    },
    /// Frames, encoder.
    Programme {
        /// The new state.
        programme: ProgrammeStatus,
    },
    /// One source.
    Source {
        /// The new state.
        source: SourceStatus,
    },
    /// One output.
    Output {
        /// The new state.
        output: OutputStatus,
    },
    /// The audio desk.
    Desk {
        /// The new state.
        desk: DeskStatus,
    },
    /// The RTSP server.
    Relay {
        /// The new state.
        relay: RelayStatus,
    },
    /// A capture card or a sound card has come or gone. The snapshot holds none: whoever shows them asks
    /// for `devices` again.
    Device {
        /// Which, and how.
        #[serde(flatten)]
        change: Change,
    },
    /// A calibration began, goes on, or has come to its end.
    Calibration {
        /// How it stands.
        calibration: Calibration,
    },
    /// A trouble began, or repeated.
    FaultRaised {
        /// The trouble.
        fault: Fault,
    },
    /// A trouble is over.
    FaultCleared {
        /// What it concerned.
        scope: Scope,
        /// Which trouble.
        code: String,
    },
    /// The engine ends; nothing follows.
    Stopped,
}

/// Any of these types as one line of JSON, without its end.
pub fn to_line(message: &impl Serialize) -> String {
    // These types have string keys only and write to memory: serialising cannot fail.
    serde_json::to_string(message).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::monitor::View;
    use super::*;

    #[test]
    fn requests_read_as_documented() {
        assert_eq!(
            Request::parse(r#"{"request":"status"}"#),
            Ok(Request::Status)
        );
        assert_eq!(
            Request::parse(r#"{"request":"take","layout":"slides"}"#),
            Ok(Request::Change(Command::Take {
                layout: Some("slides".parse().unwrap()),
                transition: Transition::Cut,
                duration_ms: 300
            }))
        );
        assert_eq!(
            Request::parse(r#"{"request":"take","transition":"morph","duration_ms":1500}"#),
            Ok(Request::Change(Command::Take {
                layout: None,
                transition: Transition::Morph,
                duration_ms: 1500
            }))
        );
        for line in [
            r#"{"request":"take","layuot":"slides"}"#,
            r#"{"request":"take","layout":"Not An Id"}"#,
            r#"{"request":"take","transition":"wipe"}"#,
            r#"{"request":"take","transition":"mix","duration_ms":-1}"#,
            r#"{"request":"slate","on":true,"until":"14:00"}"#,
            r#"{"request":"slate","on":true,"untill":1}"#,
            r#"{"request":"slate"}"#,
            r#"{"request":"gain","source":"laptop","gain":40}"#,
            r#"{"request":"fly"}"#,
            r#"{"request":"monitor"}"#,
            r#"{"request":"monitor","views":[{"of":"nobody","width":16,"height":16,"rate":1}]}"#,
            r#"{"request":"monitor","views":[],"levels":true}"#,
            r#"{"request":"release"}"#,
            r#"{"request":"release","source":"laptop","for":10}"#,
            r#"{"request":"join","source":"Not An Id"}"#,
            r#"{"request":"calibrate"}"#,
            r#"{"request":"calibrate","source":"a","seconds":-1}"#,
            r#"{"request":"calibrate","source":"a","apply":true}"#,
            r#"{"hello":1}"#,
            r#"[]"#,
            "",
            "{",
        ] {
            assert_eq!(
                Request::parse(line).unwrap_err().code,
                "invalid-request",
                "{line}"
            );
        }
    }

    #[test]
    fn a_request_survives_the_wire() {
        let gain = Request::Change(Command::Gain {
            source: "laptop".parse().unwrap(),
            gain: Gain::from_db(-3.0).unwrap(),
        });
        assert_eq!(
            gain.to_line(),
            r#"{"request":"gain","source":"laptop","gain":-3.0}"#
        );
        // As before there was a return, and with one.
        for (on, until, line) in [
            (true, None, r#"{"request":"slate","on":true}"#),
            (false, None, r#"{"request":"slate","on":false}"#),
            (true, Some(9), r#"{"request":"slate","on":true,"until":9}"#),
        ] {
            let slate = Request::Change(Command::Slate { on, until });
            assert_eq!(slate.to_line(), line);
            assert_eq!(Request::parse(line), Ok(slate));
        }
        let view = |of| ViewRequest {
            of,
            width: 320,
            height: 180,
            rate: 8,
        };
        let monitor = Request::Monitor(vec![
            view(View::Programme),
            view(View::Source("laptop".parse().unwrap())),
        ]);
        assert_eq!(
            monitor.to_line(),
            concat!(
                r#"{"request":"monitor","views":[{"of":"programme","width":320,"height":180,"rate":8},"#,
                r#"{"of":{"source":"laptop"},"width":320,"height":180,"rate":8}]}"#
            )
        );
        assert_eq!(to_line(&Reply::Monitor), r#"{"reply":"monitor"}"#);
        let release = Request::Release("laptop".parse().unwrap());
        assert_eq!(
            release.to_line(),
            r#"{"request":"release","source":"laptop"}"#
        );
        let join = Request::Join("guest".parse().unwrap());
        let calibrate = Request::Calibrate {
            source: "camera".parse().unwrap(),
            sound: None,
            seconds: 15,
        };
        let line = r#"{"request":"calibrate","source":"camera"}"#;
        assert_eq!(Request::parse(line), Ok(calibrate.clone()));
        let by_desk = Request::Calibrate {
            source: "camera".parse().unwrap(),
            sound: Some("desk".parse().unwrap()),
            seconds: 30,
        };
        for request in [
            calibrate,
            by_desk,
            gain,
            monitor,
            release,
            join,
            Request::Devices,
            Request::Status,
            Request::Subscribe,
        ] {
            assert_eq!(Request::parse(&request.to_line()), Ok(request));
        }
    }
}
