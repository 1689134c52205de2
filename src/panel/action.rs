//! What the operator asks for, whatever key or button it came by.

use std::rc::Rc;

use crate::model::calibration::Proposal;
use crate::model::{LayoutId, OutputId, RoleId, SourceId, Transition};

/// One wish of the operator.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// This layout goes on air next; at once where `direct` or the switch of that name says so.
    Layout {
        /// Which.
        layout: LayoutId,
        /// Whether a modifier asked for it at once.
        direct: bool,
    },
    /// The preview goes on air, by this transition or by the chosen one.
    Take(Option<Transition>),
    /// The slate comes, or goes.
    Slate,
    /// The slate is on for so many minutes from now on, then goes by itself; `None`: until somebody
    /// takes it away.
    SlateFor(Option<u32>),
    /// The next source that is chosen plays this role; chosen again: none is selected.
    SelectRole(RoleId),
    /// The role after the selected one is selected; after the last none.
    NextRole,
    /// This source plays the selected role.
    Source(SourceId),
    /// A source's publisher is to go: asks first.
    Release(SourceId),
    /// Gain of a source, in dB.
    Gain(SourceId, f64),
    /// A source is silent, or not.
    Mute(SourceId, bool),
    /// Shift of a source, in milliseconds.
    Delay(SourceId, u32),
    /// The card that finds a source's delay opens.
    Calibrate(SourceId),
    /// The output's button was pressed: a stopped one starts, a running one asks first.
    Output(OutputId),
    /// An output starts or stops, without a question.
    RunOutput(OutputId, bool),
    /// Enter's transition from now on.
    ChooseTransition(Transition),
    /// Its duration from now on, in milliseconds.
    Duration(u32),
    /// Whether a click on a layout takes it at once.
    Direct(bool),
    /// The list of faults opens or closes.
    Faults,
    /// The card of keys opens or closes.
    Keys,
    /// The list of capture cards and audio inputs opens or closes.
    Devices,
    /// An answer to the question in the window.
    Answer(Answer),
}

/// Answers to the window's questions.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Nothing is to happen.
    Cancel,
    /// The output stops.
    StopOutput(OutputId),
    /// The source's publisher goes.
    Release(SourceId),
    /// The list of capture cards and audio inputs opens.
    Devices,
    /// A source is calibrated, now.
    Calibrate(SourceId),
    /// These delays are set.
    SetDelays(Vec<Proposal>),
    /// The window closes, the show goes on.
    LeaveRunning,
    /// The engine that this window started ends, then the window closes.
    StopShow,
}

/// Where widgets hand wishes to.
#[derive(Clone)]
pub struct Act(Rc<dyn Fn(Action)>);

impl Act {
    /// Wishes go to `carry_out`.
    pub fn new(carry_out: impl Fn(Action) + 'static) -> Self {
        Self(Rc::new(carry_out))
    }

    /// Hands one over.
    pub fn call(&self, action: Action) {
        (self.0)(action);
    }
}

impl std::fmt::Debug for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Act")
    }
}
