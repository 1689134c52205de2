//! What the card of a calibration says: how to do it, how it goes, what was found. Pure.

use crate::model::calibration::Proposal;
use crate::model::message::CALIBRATION_SECONDS;
use crate::model::{Calibration, Progress, Snapshot, SourceId};
use crate::tongue::Tongue;

use super::truth::source_label;

/// Where the operator is with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Reads what to do.
    Reading,
    /// Has asked for it; the engine's answer is on its way.
    Asked,
    /// Follows what the engine tells.
    Following,
}

/// What can be done on the card.
#[derive(Debug, Clone, PartialEq)]
pub enum Offer {
    /// Begin.
    Start,
    /// Only go away.
    Wait,
    /// Set these, or begin again.
    Apply(Vec<Proposal>),
    /// Begin again.
    Again,
}

/// The card.
#[derive(Debug, Clone, PartialEq)]
pub struct Talk {
    /// Whose picture.
    pub source: SourceId,
    /// Where the operator is.
    pub step: Step,
    /// Its heading.
    pub title: String,
    /// What it says.
    pub body: String,
    /// What can be done.
    pub offer: Offer,
}

/// What the card says at this step, by what the engine tells.
pub fn talk(tongue: Tongue, snapshot: &Snapshot, source: &SourceId, step: Step) -> Talk {
    let label = source_label(tongue, snapshot, source);
    let last = snapshot.calibration.as_ref();
    let last = last.filter(|last| last.source == *source);
    // What was found some other time is not what is asked now.
    let step = match (step, last) {
        (Step::Asked, Some(last)) if is_under_way(last) => Step::Following,
        (step, _) => step,
    };
    let (body, offer) = match (step, last) {
        (Step::Following, Some(last)) => follow(tongue, snapshot, last),
        (Step::Asked | Step::Following, _) => (String::new(), Offer::Wait),
        (Step::Reading, _) => {
            let body = tongue.tr(
                "Clap five times in front of the camera, at irregular times and near the \
                 microphone; or play flashes with beeps. It takes {count} s.",
            );
            let count = CALIBRATION_SECONDS.to_string();
            (body.replace("{count}", &count), Offer::Start)
        }
    };
    Talk {
        source: source.clone(),
        step,
        title: tongue.tr("Calibrate {source}").replace("{source}", &label),
        body,
        offer,
    }
}

fn is_under_way(calibration: &Calibration) -> bool {
    matches!(calibration.progress, Progress::Listening { .. })
}

fn follow(tongue: Tongue, snapshot: &Snapshot, last: &Calibration) -> (String, Offer) {
    match &last.progress {
        Progress::Listening { left } => {
            let text = tongue.tr("Clap now! {count} s left.");
            (text.replace("{count}", &left.to_string()), Offer::Wait)
        }
        Progress::Failed { reason_said, .. } => (tongue.say(reason_said), Offer::Again),
        Progress::Found {
            offset_ms,
            doubt_ms,
            spread_ms,
            agree,
            seen,
            delays,
            remark_said,
            ..
        } => {
            let text = if *offset_ms < 0.0 {
                tongue.tr("The picture comes {figure} ms before the sound of {sound}.")
            } else {
                tongue.tr("The picture comes {figure} ms after the sound of {sound}.")
            };
            let figure = tongue.number(&format!("{:.0}", offset_ms.abs()));
            let mut lines = vec![
                text.replace("{figure}", &figure)
                    .replace("{sound}", &source_label(tongue, snapshot, &last.sound)),
                tongue
                    .tr("{agree} of {seen} claps or flashes agree; give or take {doubt} ms, spread {spread} ms.")
                    .replace("{agree}", &agree.to_string())
                    .replace("{seen}", &seen.to_string())
                    .replace("{doubt}", &format!("{:.0}", doubt_ms.ceil()))
                    .replace("{spread}", &format!("{spread_ms:.0}")),
            ];
            for proposal in delays {
                let label = source_label(tongue, snapshot, &proposal.source);
                let text = tongue.tr("Delay of {source}: {delay} ms instead of {before} ms.");
                lines.push(
                    text.replace("{source}", &label)
                        .replace("{delay}", &proposal.delay_ms.to_string())
                        .replace("{before}", &proposal.from_ms.to_string()),
                );
            }
            lines.push(tongue.say(remark_said));
            lines.retain(|line| !line.is_empty());
            let offer = match delays.as_slice() {
                [] => Offer::Again,
                delays => Offer::Apply(delays.to_vec()),
            };
            (lines.join("\n"), offer)
        }
    }
}
