//! What the show is now: programme, preview, roles, sounds, which outputs are wanted. One owner (the
//! engine thread) changes it, by [`ShowState::apply`] only; it is also what lies on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::id::{LayoutId, OutputId, RoleId, SourceId};
use super::layout::Layout;
use super::message::{Command, Refused, Transition};
use super::transition::{DEFAULT_TRANSITION_MS, MAX_TRANSITION_MS, Passage};

/// Longest delay of a source: its pictures wait decoded, in memory.
pub const MAX_DELAY_MS: u32 = 2000;
/// The slate returns by itself at most so far ahead: what is later is a slip of the pen, as
/// `--until 14:00` just after that.
pub const MAX_SLATE_MS: u64 = 12 * 3_600_000;

/// A gain in dB, -60 to +12.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Gain(f64);

impl Gain {
    /// No change of level.
    pub const UNITY: Self = Self(0.0);

    /// The gain, where it is in range.
    pub fn from_db(db: f64) -> Option<Self> {
        (-60.0..=12.0).contains(&db).then_some(Self(db))
    }

    /// In dB.
    pub fn db(self) -> f64 {
        self.0
    }

    /// As the factor that samples are multiplied with.
    pub fn factor(self) -> f32 {
        10f64.powf(self.0 / 20.0) as f32
    }
}

impl TryFrom<f64> for Gain {
    type Error = String;

    fn try_from(db: f64) -> Result<Self, String> {
        Self::from_db(db).ok_or_else(|| format!("not a gain: {db}; accepted: -60 to 12 (dB)"))
    }
}

impl From<Gain> for f64 {
    fn from(gain: Gain) -> f64 {
        gain.0
    }
}

impl FromStr for Gain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.trim().to_ascii_lowercase();
        let number = number.strip_suffix("db").unwrap_or(&number).trim();
        number
            .parse()
            .ok()
            .and_then(Self::from_db)
            .ok_or_else(|| format!("not a gain: {text:?}; accepted: -60dB to 12dB"))
    }
}

impl fmt::Display for Gain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+.1} dB", self.0)
    }
}

/// How one source is heard, and how far it is shifted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SourceSetting {
    /// Gain of its sound.
    pub gain: Gain,
    /// Whether its sound is muted.
    pub mute: bool,
    /// Shift of picture and sound together, in milliseconds, at most [`MAX_DELAY_MS`].
    pub delay_ms: u32,
}

/// What exists in this venue, and may be named in a command.
#[derive(Debug, Clone)]
pub struct Cast {
    /// In the venue's order; never empty.
    pub layouts: Vec<Layout>,
    /// Every role that a layout or a source names.
    pub roles: BTreeSet<RoleId>,
    /// Every source.
    pub sources: Vec<SourceId>,
    /// Every output.
    pub outputs: Vec<OutputId>,
}

impl Cast {
    /// The layout of that id.
    pub fn layout(&self, id: &LayoutId) -> Option<&Layout> {
        self.layouts.iter().find(|layout| layout.id == *id)
    }
}

/// The whole show. Serialised, it is the state file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShowState {
    /// The layout on air.
    pub programme: LayoutId,
    /// The layout that goes on air next.
    pub preview: LayoutId,
    /// Whether the slate stands in for the whole programme.
    pub slate: bool,
    /// When the slate goes by itself, in milliseconds since 1970; `None`: it stays, or is not on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slate_until: Option<u64>,
    /// Which source plays a role now; a role that is not here is played by nobody.
    pub roles: BTreeMap<RoleId, SourceId>,
    /// One for each source, and for the audio desk.
    pub sources: BTreeMap<SourceId, SourceSetting>,
    /// Whether an output is wanted; one for each output.
    pub outputs: BTreeMap<OutputId, bool>,
}

/// Which part of the show a command changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Programme, preview, slate or roles; and how the picture on air gives way to another, where
    /// it does so. `None`: what is under way goes on.
    Picture(Option<Passage>),
    /// Gain, mute or delay of a source.
    Source(SourceId),
    /// An output is wanted, or no longer.
    Output(OutputId),
}

impl ShowState {
    /// Carries the command out, or says why not; a refused command changes nothing. `now` is the
    /// wall clock's time, in milliseconds since 1970.
    pub fn apply(&mut self, command: &Command, cast: &Cast, now: u64) -> Result<Change, Refused> {
        match command {
            Command::Take {
                layout,
                transition,
                duration_ms,
            } => {
                let next = layout.clone().unwrap_or_else(|| self.preview.clone());
                known_layout(&next, cast)?;
                let passage = passage(*transition, *duration_ms)?;
                if next == self.preview {
                    // What was on air is prepared, so that a second take goes back.
                    self.preview = self.programme.clone();
                }
                self.programme = next;
                Ok(Change::Picture(Some(passage)))
            }
            Command::Preview { layout } => {
                known_layout(layout, cast)?;
                self.preview = layout.clone();
                Ok(Change::Picture(None))
            }
            Command::Role { role, source } => {
                if !cast.roles.contains(role) {
                    return Err(Refused::unknown("role", role, cast.roles.iter()));
                }
                match source {
                    Some(source) => {
                        known_source(source, cast)?;
                        self.roles.insert(role.clone(), source.clone());
                    }
                    None => {
                        self.roles.remove(role);
                    }
                }
                Ok(Change::Picture(None))
            }
            Command::Slate { on, until } => {
                if let Some(until) = until {
                    check_return(*on, *until, now)?;
                }
                let stays = self.slate && *on;
                self.slate = *on;
                self.slate_until = *until;
                // Another time of return is no reason to cut short what is under way.
                Ok(Change::Picture((!stays).then_some(Passage::CUT)))
            }
            Command::Gain { source, gain } => {
                self.setting(source, cast, |setting| setting.gain = *gain)
            }
            Command::Mute { source, mute } => {
                self.setting(source, cast, |setting| setting.mute = *mute)
            }
            Command::Delay { source, delay_ms } => {
                if *delay_ms > MAX_DELAY_MS {
                    return Err(Refused::new(
                        "out-of-range",
                        format!(
                            "delay {delay_ms}ms is too long; accepted: 0ms to {MAX_DELAY_MS}ms"
                        ),
                    ));
                }
                self.setting(source, cast, |setting| setting.delay_ms = *delay_ms)
            }
            Command::Output { output, run } => {
                if !cast.outputs.contains(output) {
                    return Err(Refused::unknown("output", output, cast.outputs.iter()));
                }
                self.outputs.insert(output.clone(), *run);
                Ok(Change::Output(output.clone()))
            }
        }
    }

    fn setting(
        &mut self,
        source: &SourceId,
        cast: &Cast,
        set: impl FnOnce(&mut SourceSetting),
    ) -> Result<Change, Refused> {
        match self.sources.get_mut(source) {
            Some(setting) => {
                set(setting);
                Ok(Change::Source(source.clone()))
            }
            None => {
                // Whatever can be heard, the desk among it.
                let desk = SourceId::desk();
                let desk = self.sources.contains_key(&desk).then_some(&desk);
                let known = cast.sources.iter().chain(desk);
                Err(Refused::unknown("source", source, known))
            }
        }
    }

    /// Takes the slate away where its time has come; the picture comes back by a mix.
    pub fn return_if_due(&mut self, now: u64) -> Option<Change> {
        self.slate_until.take_if(|until| now >= *until)?;
        self.slate = false;
        Some(Change::Picture(Some(Passage {
            transition: Transition::Mix,
            duration: Duration::from_millis(DEFAULT_TRANSITION_MS.into()),
        })))
    }

    /// The layout that viewers see: the programme's, or none while the slate is on.
    pub fn on_air<'a>(&self, cast: &'a Cast) -> Option<&'a Layout> {
        (!self.slate)
            .then(|| cast.layout(&self.programme))
            .flatten()
    }

    /// Takes over from `saved` whatever this venue still has. What is new keeps its default, what
    /// is gone is forgotten.
    pub fn recall(&mut self, saved: Self, cast: &Cast) {
        if cast.layout(&saved.programme).is_some() {
            self.programme = saved.programme;
        }
        if cast.layout(&saved.preview).is_some() {
            self.preview = saved.preview;
        }
        self.slate = saved.slate;
        self.slate_until = saved.slate_until.filter(|_| saved.slate);
        let new_roles: Vec<_> = (self.roles.iter())
            .filter(|(_, source)| !saved.sources.contains_key(source))
            .map(|(role, source)| (role.clone(), source.clone()))
            .collect();
        self.roles = saved.roles;
        self.roles
            .retain(|role, source| cast.roles.contains(role) && cast.sources.contains(source));
        for (role, source) in new_roles {
            self.roles.entry(role).or_insert(source);
        }
        for (source, setting) in saved.sources {
            if let Some(own) = self.sources.get_mut(&source) {
                *own = SourceSetting {
                    delay_ms: setting.delay_ms.min(MAX_DELAY_MS),
                    ..setting
                };
            }
        }
        for (output, run) in saved.outputs {
            if let Some(own) = self.outputs.get_mut(&output) {
                *own = run;
            }
        }
    }
}

fn passage(transition: Transition, duration_ms: u32) -> Result<Passage, Refused> {
    if transition == Transition::Cut {
        return Ok(Passage::CUT);
    }
    if duration_ms > MAX_TRANSITION_MS {
        return Err(Refused::new(
            "out-of-range",
            format!("duration {duration_ms}ms is too long; accepted: 0ms to {MAX_TRANSITION_MS}ms"),
        ));
    }
    Ok(Passage {
        transition,
        duration: Duration::from_millis(u64::from(duration_ms)),
    })
}

fn check_return(on: bool, until: u64, now: u64) -> Result<(), Refused> {
    let refused = |message: &str| Err(Refused::new("out-of-range", message));
    if !on {
        return refused("a slate that goes has no return; accepted: on with a return, or off");
    }
    if until <= now {
        return refused("the return is not ahead; accepted: a time within the next 12 hours");
    }
    if until - now > MAX_SLATE_MS {
        return refused("the return is too far ahead; accepted: a time within the next 12 hours");
    }
    Ok(())
}

fn known_layout(id: &LayoutId, cast: &Cast) -> Result<(), Refused> {
    match cast.layout(id) {
        Some(_) => Ok(()),
        None => Err(Refused::unknown(
            "layout",
            id,
            cast.layouts.iter().map(|layout| &layout.id),
        )),
    }
}

fn known_source(id: &SourceId, cast: &Cast) -> Result<(), Refused> {
    if cast.sources.contains(id) {
        Ok(())
    } else {
        Err(Refused::unknown("source", id, cast.sources.iter()))
    }
}

#[cfg(test)]
mod tests;
