//! The command line as types.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::ctl::TimeOfDay;
use crate::model::message::CALIBRATION_SECONDS;
use crate::model::{Gain, LayoutId, OutputId, RoleId, SourceId};

/// Puts a conference on air: laptops and cameras in, one programme out, by RTMP and in the room.
#[derive(Debug, Parser)]
#[command(
    name = "regie",
    version,
    about,
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// What to be; without it the operator's window, and an engine for it where none answers.
    #[command(subcommand)]
    pub role: Option<Role>,
    /// Of the window.
    #[command(flatten)]
    pub panel: PanelArgs,
    /// The venue file of an engine that is started [default: as for `engine`; where there is none, a
    /// trial venue that needs no hardware].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What a process of regie is.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Run the show: sources, programme, outputs, relay.
    Engine(EngineArgs),
    /// Read a venue file, say what is wrong with it, start nothing.
    Check(CheckArgs),
    /// Ask or tell a running engine.
    Ctl(CtlArgs),
    /// The operator's window, for an engine that runs or will run.
    Panel(PanelArgs),
    /// A screen in the building: a room's programme, full screen, for days.
    Screen(ScreenArgs),
    /// Capture cards and audio inputs: what to write into the venue file, and whether a signal comes in.
    Devices(DevicesArgs),
    /// The rooms on this network, and where each one's programme is played.
    Rooms(RoomsArgs),
    /// Write man pages and shell completions, for the package.
    #[command(hide = true)]
    Pages(PagesArgs),
}

/// Arguments of `regie rooms`.
#[derive(Debug, Args)]
pub struct RoomsArgs {
    /// Print one JSON document (`--watch`: one a line).
    #[arg(long)]
    pub json: bool,
    /// The list as often as it changes, until interrupted.
    #[arg(long)]
    pub watch: bool,
}

/// Arguments of `regie pages`.
#[derive(Debug, Args)]
pub struct PagesArgs {
    /// Where to; folders `man` and `completions` are made in it.
    pub folder: PathBuf,
}

/// Arguments of `regie devices`.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// Print one JSON document (`--watch`: one a line).
    #[arg(long)]
    pub json: bool,
    /// What is there, then what comes and goes, until interrupted.
    #[arg(long)]
    pub watch: bool,
}

/// Arguments of `regie panel`, and of `regie` alone.
#[derive(Debug, Args)]
pub struct PanelArgs {
    /// The engine's control socket.
    #[arg(long, value_name = "PATH", env = "REGIE_SOCKET")]
    pub socket: Option<PathBuf>,
    /// Full screen, with no way out.
    #[arg(long)]
    pub kiosk: bool,
}

/// Arguments of `regie screen`.
#[derive(Debug, Args)]
pub struct ScreenArgs {
    /// What to play: rtsp://HOST:8554/programme, rtmp://…, srt://… [default: the room that is heard of;
    /// of several the one that somebody chooses, and the next time the same].
    #[arg(env = "REGIE_SCREEN_URL", hide_env_values = true)]
    pub url: Option<String>,
    /// Play this source of the relay, in place of its programme.
    #[arg(long, value_name = "ID")]
    pub source: Option<SourceId>,
    /// The user that the relay asks for; may stand in the address.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// A file with the password on its only line.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// By rtsps: a file (PEM) with the relay's certificate, or with that of who has signed it
    /// [default: those that the system trusts].
    #[arg(long, value_name = "FILE")]
    pub authority: Option<PathBuf>,
    /// How RTSP carries pictures; multicast where the relay offers it.
    #[arg(long, value_enum, default_value = "tcp")]
    pub transport: Transport,
    /// Whether it is heard. A room with loudspeakers of its own would hear everything twice.
    #[arg(long, value_enum, default_value = "off")]
    pub sound: Switch,
    /// Which of the machine's outputs, by its connector: HDMI-1 [default: the display's own choice].
    #[arg(long, value_name = "NAME")]
    pub output: Option<String>,
    /// What the slate calls the room [default: the room's own name, or the host].
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// For the speaker: a large clock below the picture, and the time that is left.
    #[arg(long)]
    pub stage: bool,
    /// When the talk ends: 14:45. The nearest one counts.
    #[arg(long, value_name = "TIME", requires = "stage", conflicts_with = "span")]
    pub until: Option<TimeOfDay>,
    /// The talk ends so long from now: 40m, 1h.
    #[arg(long = "for", value_name = "SPAN", requires = "stage", value_parser = long_span)]
    pub span: Option<Duration>,
    /// No way out.
    #[arg(long)]
    pub kiosk: bool,
}

/// How RTSP carries pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// On the one connection: passes everywhere.
    Tcp,
    /// In datagrams, for this screen alone.
    Udp,
    /// In datagrams that all screens share.
    Multicast,
}

/// Arguments of `regie engine`.
#[derive(Debug, Args)]
pub struct EngineArgs {
    /// The venue file [default: /etc/regie/venue.toml, then regie/venue.toml in the user's
    /// configuration folder].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to listen for control [default: control.socket of the venue file, else in the runtime
    /// directory].
    #[arg(long, value_name = "PATH", env = "REGIE_SOCKET")]
    pub socket: Option<PathBuf>,
}

/// Arguments of `regie check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The venue file [default: as for `engine`].
    pub file: Option<PathBuf>,
    /// The same, as `engine` takes it.
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub config: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `regie ctl`.
#[derive(Debug, Args)]
pub struct CtlArgs {
    /// The engine's control socket.
    #[arg(long, value_name = "PATH", env = "REGIE_SOCKET", global = true)]
    pub socket: Option<PathBuf>,
    /// Print one JSON document (`watch`: one a line).
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What can be asked or told.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Everything, as of now.
    Status,
    /// Everything that happens, until interrupted.
    Watch,
    /// The capture cards and audio inputs of the engine's machine.
    Devices,
    /// Put a layout on air.
    Take {
        /// Which [default: the preview].
        layout: Option<LayoutId>,
        /// How.
        #[arg(long, value_enum, default_value = "cut")]
        transition: TransitionArg,
        /// How long a mix or a morph takes, as 300ms or 1.5s; at most 10s.
        #[arg(long, value_parser = milliseconds, default_value = "300ms")]
        duration: u32,
    },
    /// Prepare a layout.
    Preview {
        /// Which.
        layout: LayoutId,
    },
    /// Say who plays a role: slides=laptop-2, or slides= for nobody.
    Role {
        /// ROLE=SOURCE
        #[arg(value_parser = assignment)]
        assignment: Assignment,
    },
    /// Set the gain of a source's sound.
    #[command(allow_negative_numbers = true)]
    Gain {
        /// Which source.
        source: SourceId,
        /// As -3dB; -60dB to 12dB.
        #[arg(allow_hyphen_values = true)]
        gain: Gain,
    },
    /// Mute a source's sound, or not.
    Mute {
        /// Which source.
        source: SourceId,
        /// on or off.
        #[arg(value_enum)]
        switch: Switch,
    },
    /// Shift picture and sound of a source.
    Delay {
        /// Which source.
        source: SourceId,
        /// As 40ms; at most 2s.
        #[arg(value_parser = milliseconds)]
        delay: u32,
    },
    /// Find out by how much a camera's picture and a sound lie apart, while somebody claps five times
    /// in front of it (or a flash and a beep are played), and propose the delay.
    Calibrate {
        /// Whose picture.
        source: SourceId,
        /// Whose sound: another source, or desk [default: the desk, else the source's own].
        #[arg(long, value_name = "ID")]
        sound: Option<SourceId>,
        /// How long to look and listen, 3 to 60.
        #[arg(long, value_name = "SECONDS", default_value_t = CALIBRATION_SECONDS)]
        seconds: u32,
        /// Set the delay that is found.
        #[arg(long)]
        apply: bool,
    },
    /// Show the slate in place of the whole programme, or not.
    Slate {
        /// on or off.
        #[arg(value_enum)]
        switch: Switch,
        /// Go back by itself when the clock shows this: 14:00, at most 12 h ahead. Shows the time
        /// left.
        #[arg(long, value_name = "TIME", conflicts_with = "span")]
        until: Option<TimeOfDay>,
        /// Go back by itself after this: 10m, 90s, 1h; at most 12h. Shows the time left.
        #[arg(long = "for", value_name = "SPAN", value_parser = long_span)]
        span: Option<Duration>,
    },
    /// Hand a source over that laptops push to.
    Source {
        /// Which source.
        source: SourceId,
        /// Send its publisher away; for ten seconds others go first.
        #[arg(long, required = true)]
        release: bool,
    },
    /// How a laptop gets in: its addresses, its key and a code, for OBS, encoder boxes and ffmpeg. The
    /// key is shown to whoever may use the control socket.
    Join {
        /// Which source.
        #[arg(required_unless_present = "guest")]
        source: Option<SourceId>,
        /// Of laptops that the venue file does not know.
        #[arg(long, conflicts_with = "source")]
        guest: bool,
        /// A page to be printed instead, to this file, or to stdout.
        #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
        html: Option<PathBuf>,
        /// Of the card [default: as the venue file says, else the locale].
        #[arg(long, value_enum)]
        lang: Option<Language>,
    },
    /// Start or stop an output.
    Output {
        /// Which output.
        output: OutputId,
        /// start or stop.
        #[arg(value_enum)]
        action: Action,
    },
}

/// How the preview becomes the programme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TransitionArg {
    /// At once.
    Cut,
    /// Old and new picture blended.
    Mix,
    /// Slots that both layouts show glide to their new places.
    Morph,
}

/// The languages of cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// English.
    En,
    /// French.
    Fr,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// Start or stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Action {
    /// Start.
    Start,
    /// Stop.
    Stop,
}

/// ROLE=SOURCE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The role.
    pub role: RoleId,
    /// Who plays it; `None`: nobody.
    pub source: Option<SourceId>,
}

fn assignment(text: &str) -> Result<Assignment, String> {
    let (role, source) = text
        .split_once('=')
        .ok_or("accepted: ROLE=SOURCE, or ROLE= for nobody")?;
    let source = match source {
        "" => None,
        id => Some(id.parse().map_err(|error| format!("{error}"))?),
    };
    let role = role.parse().map_err(|error| format!("{error}"))?;
    Ok(Assignment { role, source })
}

fn milliseconds(text: &str) -> Result<u32, String> {
    let duration = crate::venue::value::duration(text).map_err(|error| error.to_string())?;
    Ok(u32::try_from(duration.as_millis()).unwrap_or(u32::MAX))
}

/// As other durations, and hours.
fn long_span(text: &str) -> Result<Duration, String> {
    let hours = text
        .strip_suffix('h')
        .and_then(|n| n.trim_end().parse::<u32>().ok());
    match hours {
        Some(hours) => Ok(Duration::from_secs(u64::from(hours) * 3600)),
        None => crate::venue::value::duration(text)
            .map_err(|_| format!("{text:?} is not a time; accepted: \"10m\", \"90s\" or \"1h\"")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_screen_is_told_what_to_play_and_how() {
        for line in [
            "",
            "rtsp://10.0.0.5:8554/programme --kiosk",
            "rtmp://10.0.0.5/room/amphi-a --sound on --output HDMI-1",
            "rtsp://hall@h:8554/programme --password-file relay.pw --transport multicast",
            "--source slides --stage --until 14:45",
            "--stage --for 40m",
        ] {
            let words = ["regie", "screen"].into_iter().chain(line.split(' '));
            let words = words.filter(|word| !word.is_empty());
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
        for line in [
            "--until 14:45",
            "--stage --until 14:45 --for 40m",
            "--stage --for 40",
            "--transport carrier-pigeon",
            "--source Slides",
        ] {
            let words = ["regie", "screen"].into_iter().chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }

    #[test]
    fn every_documented_verb_is_understood() {
        for line in [
            "status",
            "status --json",
            "watch",
            "devices",
            "take slides",
            "take",
            "take slides --transition cut",
            "take slides --transition mix --duration 300ms",
            "take --transition morph --duration 20s",
            "preview slides",
            "role slides=laptop-2",
            "role slides=",
            "gain laptop -3dB",
            "gain laptop -3",
            "mute laptop on",
            "delay laptop 40ms",
            "calibrate camera",
            "calibrate camera --sound desk --seconds 20 --apply",
            "slate on",
            "slate off",
            "slate on --until 14:00",
            "slate on --for 10m",
            "slate on --for 1h",
            "output room stop",
            "source laptop --release",
            "join laptop",
            "join --guest",
            "join laptop --html",
            "join laptop --html card.html --lang fr",
            "join laptop --json",
            "--socket /tmp/x status",
        ] {
            let words = ["regie", "ctl"].into_iter().chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
        for line in [
            "",
            "take Slides",
            "take slides --transition wipe",
            "take slides --transition mix --duration 300",
            "role slides",
            "gain laptop loud",
            "delay laptop 40",
            "calibrate",
            "calibrate camera --seconds soon",
            "slate on --until 25:00",
            "slate on --for 10",
            "slate on --until 14:00 --for 10m",
            "mute laptop",
            "source laptop",
            "join",
            "join laptop --guest",
            "join laptop --lang de",
        ] {
            let words = ["regie", "ctl"]
                .into_iter()
                .chain(line.split(' ').filter(|w| !w.is_empty()));
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }
}
